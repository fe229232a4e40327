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
  {{- include "smschannel.metadata" (dict "root" .root "component" .component "wave" "needs") | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "smschannel.selector" . | nindent 6 }}
  policyTypes: [Ingress{{ if $policy.egress.enabled }}, Egress{{ end }}]
  {{- if or .http (and .metrics $policy.metricsFrom) }}
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
    {{- if and .metrics $policy.metricsFrom }}
    - ports: [{ port: metrics }]
      from:
        {{- toYaml $policy.metricsFrom | nindent 8 }}
    {{- end }}
  {{- else }}
  # Nobody has a reason to connect, or nobody may.
  ingress: []
  {{- end }}
  {{- if $policy.egress.enabled }}
  egress:
    # Names.
    - ports:
        {{- range include "smschannel.ports" (dict "egress" $policy.egress "of" "dns") | fromJsonArray }}
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
        {{- range include "smschannel.ports" (dict "egress" $policy.egress "of" .) | fromJsonArray }}
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

{{/* Ports of `.of` among the values `.egress`, as a JSON list. In a policy an empty list of ports means every port. */}}
{{- define "smschannel.ports" -}}
{{- $ports := get .egress (printf "%sPorts" .of) }}
{{- if not $ports }}
{{- fail (printf "networkPolicy.egress.%sPorts must name a port" .of) }}
{{- end }}
{{- toJson $ports }}
{{- end }}
