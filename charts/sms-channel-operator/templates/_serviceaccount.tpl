{{/* The ServiceAccount of a process: `.component`, its `.values`, and `.own` annotations. Pods ask for the token where they need one. */}}
{{- define "smschannel.serviceaccount" -}}
{{- if .values.serviceAccount.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "smschannel.metadata" (merge (dict "name" (include "smschannel.serviceAccount" .) "annotations" .values.serviceAccount.annotations) .) | nindent 2 }}
automountServiceAccountToken: false
{{- end }}
{{- end }}
