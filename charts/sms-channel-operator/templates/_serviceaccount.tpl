{{/*
The ServiceAccount of the process `.component`, from its `.values` and with `.own` annotations. Its token is not mounted by default:
a pod that needs the token asks for it.
*/}}
{{- define "smschannel.serviceaccount" -}}
{{- if .values.serviceAccount.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "smschannel.metadata" (merge (dict "name" (include "smschannel.serviceAccount" .) "annotations" .values.serviceAccount.annotations) .) | nindent 2 }}
automountServiceAccountToken: false
{{- end }}
{{- end }}
