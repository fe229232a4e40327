{{/* A node that is drained takes one pod at a time. By the number that may be away, so that one replica blocks no drain. */}}
{{- define "smschannel.poddisruptionbudget" -}}
{{- if .values.podDisruptionBudget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "smschannel.metadata" (dict "root" .root "component" .component) | nindent 2 }}
spec:
  maxUnavailable: 1
  # Pods that are not ready (a receiver that waits for its schema) hold no node.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "smschannel.selector" . | nindent 6 }}
{{- end }}
{{- end }}
