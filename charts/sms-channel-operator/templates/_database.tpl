{{/* How each process gets the URL of its database. */}}

{{/*
The name of the Secret with all database URLs: `database.existingSecret`, or else the Secret that the chart creates for the evaluation
database.
*/}}
{{- define "smschannel.databaseSecret" -}}
{{- default (ternary (printf "%s-database" (include "smschannel.fullname" .)) "" .Values.evaluationDatabase.enabled) .Values.database.existingSecret }}
{{- end }}

{{/* Name of the Secret that holds the database URL of `.role`. */}}
{{- define "smschannel.databaseSecretOf" -}}
{{- default (include "smschannel.databaseSecret" .root) (get .root.Values.database (printf "%sSecret" .role)) }}
{{- end }}

{{/*
Database URLs reach a process as mounted files, because a mounted file follows its Secret: a password can change without a restart,
and a wrong Secret can be corrected while the migrations Job waits. `.database` is a list of roles, the process's own role first.
The file of that first role is `url`, the file of any other role is `{role}-url`. The next three templates render the environment,
the mount and the volume. A role without a URL is left out, and without any role they render nothing.
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

{{/* The roles in `.database` that have a URL, as a JSON list. */}}
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

{{/* The roles whose database URLs a process gets. A process that is not listed gets no URL. Only the migrations get the owner's. */}}
{{- define "smschannel.databaseOf" -}}
{{- $roles := dict "controller" (list "controller") "receiver" (list "receiver") "test" (list "receiver") "migrations" (list "owner" "receiver" "controller") }}
{{- get $roles . | default list | toJson }}
{{- end }}
