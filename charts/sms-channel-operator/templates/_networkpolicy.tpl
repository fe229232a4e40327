{{/*
The NetworkPolicy of a process: `.component`; `.http` when it takes texts, `.metrics` when it is scraped; `.to`, a list of
what it connects to: kubernetes, database, https, receiver.
*/}}
{{- define "smschannel.networkpolicy" -}}
{{- $policy := .root.Values.networkPolicy }}
{{- if $policy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "smschannel.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "smschannel.labels" . | nindent 4 }}
  annotations:
    {{- include "smschannel.wave" "needs" | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "smschannel.selector" . | nindent 6 }}
  policyTypes: [Ingress{{ if $policy.egress.enabled }}, Egress{{ end }}]
  {{- if or .http .metrics }}
  ingress:
    {{- if .http }}
    - ports: [{ port: http }]
      {{- with $policy.receiverFrom }}
      from:
        {{- toYaml . | nindent 8 }}
        {{- if $.root.Values.tests.enabled }}
        # `helm test`
        - podSelector:
            matchLabels:
              {{- include "smschannel.selector" (dict "root" $.root "component" "test") | nindent 14 }}
        {{- end }}
      {{- end }}
    {{- end }}
    {{- if .metrics }}
    - ports: [{ port: metrics }]
      from:
        {{- toYaml (default (list (dict "namespaceSelector" dict)) $policy.metricsFrom) | nindent 8 }}
    {{- end }}
  {{- else }}
  # Nobody has a reason to connect.
  ingress: []
  {{- end }}
  {{- if $policy.egress.enabled }}
  egress:
    # Names.
    - ports:
        {{- range $policy.egress.dnsPorts }}
        - { port: {{ . }}, protocol: UDP }
        - { port: {{ . }}, protocol: TCP }
        {{- end }}
    {{- range .to }}
    {{- if eq . "receiver" }}
    - ports: [{ port: http }]
      to:
        - podSelector:
            matchLabels:
              {{- include "smschannel.selector" (dict "root" $.root "component" "receiver") | nindent 14 }}
    {{- else }}
    - ports:
        {{- range get $policy.egress (printf "%sPorts" .) }}
        - port: {{ . }}
        {{- end }}
      {{- with get $policy.egress (printf "%sTo" .) }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}
