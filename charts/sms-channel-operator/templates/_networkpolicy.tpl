{{/*
The NetworkPolicy of the process `.component`. `.http` says that it receives texts, `.metrics` that Prometheus scrapes it. `.to` lists
what it connects to: kubernetes, database, https or receiver.
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
        # The pod of `helm test` sends a text to the receiver.
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
  # No connections: this process serves nothing, or networkPolicy.metricsFrom is empty.
  ingress: []
  {{- end }}
  {{- if $policy.egress.enabled }}
  egress:
    # Every process may look up names in DNS.
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

{{/* The ports of the destination `.of` in `.egress`, as a JSON list. It must not be empty: in a policy an empty list means every port. */}}
{{- define "smschannel.ports" -}}
{{- $ports := get .egress (printf "%sPorts" .of) }}
{{- if not $ports }}
{{- fail (printf "networkPolicy.egress.%sPorts must name a port" .of) }}
{{- end }}
{{- toJson $ports }}
{{- end }}
