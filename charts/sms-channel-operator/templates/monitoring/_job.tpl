{{/* Value of the label `job` for everything that is scraped: rules and dashboard go by it. */}}
{{- define "smschannel.scrapeJob" -}}
{{ .Release.Namespace }}/{{ include "smschannel.fullname" . }}
{{- end }}

{{/* One endpoint of a PodMonitor or ServiceMonitor. */}}
{{- define "smschannel.scrapeEndpoint" -}}
port: metrics
{{- with .Values.monitoring.interval }}
interval: {{ . }}
{{- end }}
# `namespace` of a metric is that of the object it speaks of.
honorLabels: true
relabelings:
  - { targetLabel: job, replacement: {{ include "smschannel.scrapeJob" . }} }
{{- end }}

{{- define "smschannel.scrapeSelector" -}}
matchLabels:
  app.kubernetes.io/name: {{ include "smschannel.name" . }}
  app.kubernetes.io/instance: {{ .Release.Name }}
matchExpressions:
  - { key: app.kubernetes.io/component, operator: In, values: [controller, receiver] }
{{- end }}

{{- define "smschannel.monitoringMetadata" -}}
name: {{ include "smschannel.fullname" .root }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "smschannel.labels" (dict "root" .root "component" "monitoring") | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
