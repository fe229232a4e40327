{{/* Where a process finds its database's URL. */}}

{{/* Secret that the chart makes for the evaluation database, unless there is one already. */}}
{{- define "smschannel.databaseSecret" -}}
{{- default (ternary (printf "%s-database" (include "smschannel.fullname" .)) "" .Values.evaluationDatabase.enabled) .Values.database.existingSecret }}
{{- end }}

{{/* Secret with the URL of `.role`. */}}
{{- define "smschannel.databaseSecretOf" -}}
{{- default (include "smschannel.databaseSecret" .root) (get .root.Values.database (printf "%sSecret" .role)) }}
{{- end }}

{{/* Environment variable `.name` from the Secret and key of `.role`'s URL; nothing where the role has no URL. */}}
{{- define "smschannel.databaseUrl" -}}
{{- $key := get .root.Values.database (printf "%sUrlKey" .role) }}
{{- if $key -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ include "smschannel.databaseSecretOf" . | quote }}
      key: {{ $key | quote }}
{{- end }}
{{- end }}

{{/*
The URL of `.role` for a process that lives long: as a file, which follows its Secret, so that a password may change without
a restart. Three parts of a pod, each nothing where the role has no URL.
*/}}
{{- define "smschannel.databaseFileEnv" -}}
{{- if get .root.Values.database (printf "%sUrlKey" .role) -}}
- name: DATABASE_URL_FILE
  value: /etc/smschannel/database/url
{{- end }}
{{- end }}

{{- define "smschannel.databaseFileMount" -}}
{{- if get .root.Values.database (printf "%sUrlKey" .role) -}}
- name: database
  mountPath: /etc/smschannel/database
  readOnly: true
{{- end }}
{{- end }}

{{- define "smschannel.databaseFileVolume" -}}
{{- $key := get .root.Values.database (printf "%sUrlKey" .role) }}
{{- if $key -}}
- name: database
  secret:
    secretName: {{ include "smschannel.databaseSecretOf" . | quote }}
    items: [{ key: {{ $key | quote }}, path: url }]
{{- end }}
{{- end }}
