{{/* The value of the label `job` in all metrics of this release. Alerts and dashboard select metrics by this label. */}}
{{- define "smschannel.scrapeJob" -}}
{{ .Release.Namespace }}/{{ include "smschannel.fullname" . }}
{{- end }}

{{/* One endpoint of a PodMonitor or ServiceMonitor. */}}
{{- define "smschannel.scrapeEndpoint" -}}
port: metrics
{{- with .Values.monitoring.interval }}
interval: {{ . | quote }}
{{- end }}
# Keep the metrics' own label `namespace`: it is the namespace of the object that a metric is about.
honorLabels: true
relabelings:
  - { targetLabel: job, replacement: {{ include "smschannel.scrapeJob" . | quote }} }
{{- end }}

{{- define "smschannel.scrapeSelector" -}}
matchLabels:
  app.kubernetes.io/name: {{ include "smschannel.name" . | quote }}
  app.kubernetes.io/instance: {{ .Release.Name | quote }}
matchExpressions:
  - { key: app.kubernetes.io/component, operator: In, values: [controller, receiver] }
{{- end }}

{{- define "smschannel.monitoringMetadata" -}}
{{- include "smschannel.metadata" (merge (dict "component" "monitoring" "name" (include "smschannel.fullname" .root)) .) }}
{{- end }}
