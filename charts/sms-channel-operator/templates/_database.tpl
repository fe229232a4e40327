{{/* Where a process finds its database's URL. */}}

{{/* Secret that the chart makes for the evaluation database, unless there is one already. */}}
{{- define "smschannel.databaseSecret" -}}
{{- default (ternary (printf "%s-database" (include "smschannel.fullname" .)) "" .Values.evaluationDatabase.enabled) .Values.database.existingSecret }}
{{- end }}

{{/* Secret with the URL of `.role`. */}}
{{- define "smschannel.databaseSecretOf" -}}
{{- default (include "smschannel.databaseSecret" .root) (get .root.Values.database (printf "%sSecret" .role)) }}
{{- end }}

{{/*
The URLs that a process gets, as files, which follow their Secrets: a password may change without a restart, and a Secret that
was wrong can be mended while the Job waits. `.database` is a list of roles, the process's own first: its file is `url`, others' are
`{role}-url`. Three parts of a pod; a role without a URL is left out, and with all of them the whole.
*/}}
{{- define "smschannel.databaseEnv" -}}
{{- range $at, $role := include "smschannel.databaseRoles" . | fromJsonArray }}
- name: {{ ternary "" (printf "%s_" (upper $role)) (eq $role (first $.database)) }}DATABASE_URL_FILE
  value: /etc/smschannel/database/{{ include "smschannel.databaseFile" (dict "database" $.database "role" $role) }}
{{- end }}
{{- end }}

{{- define "smschannel.databaseMount" -}}
{{- if include "smschannel.databaseRoles" . | fromJsonArray -}}
- name: database
  mountPath: /etc/smschannel/database
  readOnly: true
{{- end }}
{{- end }}

{{- define "smschannel.databaseVolume" -}}
{{- $roles := include "smschannel.databaseRoles" . | fromJsonArray }}
{{- $sources := list }}
{{- range $role := $roles }}
{{- $item := dict "key" (get $.root.Values.database (printf "%sUrlKey" $role)) "path" (include "smschannel.databaseFile" (dict "database" $.database "role" $role)) }}
{{- $secret := include "smschannel.databaseSecretOf" (dict "root" $.root "role" $role) }}
{{- $sources = append $sources (dict "secret" (dict "name" $secret "items" (list $item))) }}
{{- end }}
{{- if eq (len $sources) 1 }}
{{- $secret := (first $sources).secret }}
{{- list (dict "name" "database" "secret" (dict "secretName" $secret.name "items" $secret.items)) | toYaml }}
{{- else if $sources }}
{{- list (dict "name" "database" "projected" (dict "sources" $sources)) | toYaml }}
{{- end }}
{{- end }}

{{/* Those of `.database` that have a URL, as a JSON list. */}}
{{- define "smschannel.databaseRoles" -}}
{{- $roles := list }}
{{- range .database }}
{{- if get $.root.Values.database (printf "%sUrlKey" .) }}
{{- $roles = append $roles . }}
{{- end }}
{{- end }}
{{- toJson $roles }}
{{- end }}

{{- define "smschannel.databaseFile" -}}
{{- ternary "url" (printf "%s-url" .role) (eq .role (first .database)) }}
{{- end }}

{{/* Which roles' URLs each process gets; one that is not named gets none. Only the migrations get the owner's. */}}
{{- define "smschannel.databaseOf" -}}
{{- $roles := dict "controller" (list "controller") "receiver" (list "receiver") "test" (list "receiver") "migrations" (list "owner" "receiver" "controller") }}
{{- get $roles . | default list | toJson }}
{{- end }}
