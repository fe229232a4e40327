{{/*
Draining nodes may evict one pod of a process at a time. The budget sets maxUnavailable, because with minAvailable a process with only
one replica would block every drain.
*/}}
{{- define "smschannel.poddisruptionbudget" -}}
{{- if .values.podDisruptionBudget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "smschannel.metadata" (dict "root" .root "component" .component) | nindent 2 }}
spec:
  maxUnavailable: 1
  # Pods that are not ready, such as a receiver that waits for its schema, do not block a drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "smschannel.selector" . | nindent 6 }}
{{- end }}
{{- end }}
