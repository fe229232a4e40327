{{/* Names and labels ------------------------------------------------------------------------------------------------- */}}

{{- define "smschannel.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Short enough that every name made of it stays a DNS label. */}}
{{- define "smschannel.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the program calls its release: names Lease and Secrets, so it follows no override of the chart's names. */}}
{{- define "smschannel.instance" -}}
{{- default .Release.Name .Values.instance }}
{{- end }}

{{/* Cluster-wide objects, and those in users' namespaces: two releases of one name must not share them. */}}
{{- define "smschannel.clusterName" -}}
{{ include "smschannel.fullname" . }}-{{ .Release.Namespace }}
{{- end }}

{{- define "smschannel.selector" -}}
app.kubernetes.io/name: {{ include "smschannel.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "smschannel.labels" -}}
{{ include "smschannel.selector" . }}
app.kubernetes.io/part-of: sms-channel-operator
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Argo CD applies lower waves first and waits until they are healthy, Jobs done: CRDs, then what pods need, then the database,
then the schema, then everything else. Helm applies all at once; there the receivers themselves wait for the schema.
*/}}
{{- define "smschannel.wave" -}}
argocd.argoproj.io/sync-wave: {{ get (dict "crds" "-4" "needs" "-3" "database" "-2" "schema" "-1") . | quote }}
{{- end }}

{{/* The image ---------------------------------------------------------------------------------------------------------- */}}

{{/* Name of `.image` (values of that form), whose tag is `.tag` when it names none. */}}
{{- define "smschannel.image" -}}
{{- $repository := list .image.registry .image.repository | compact | join "/" }}
{{- if .image.digest }}
{{- printf "%s@%s" $repository .image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .tag .image.tag) }}
{{- end }}
{{- end }}

{{/* The public URL ----------------------------------------------------------------------------------------------------- */}}

{{/* Host without its port, of the URL given; in lower case, as an Ingress takes no other. */}}
{{- define "smschannel.hostOf" -}}
{{- regexReplaceAll ":[0-9]+$" (urlParse .).host "" | lower }}
{{- end }}

{{/* Hosts that an Ingress or HTTPRoute (`.by`, its values) answers for, as a JSON list. */}}
{{- define "smschannel.hosts" -}}
{{- $hosts := list (include "smschannel.hostOf" .root.Values.publicUrl) }}
{{- if and .by.fallbackHost .root.Values.fallbackPublicUrl }}
{{- $hosts = append $hosts (include "smschannel.hostOf" .root.Values.fallbackPublicUrl) }}
{{- end }}
{{- $hosts | uniq | toJson }}
{{- end }}

{{/*
Paths that lead to the receiver, as a JSON list. Nothing else of the host is ours. Where `.by` answers for the host of
fallbackPublicUrl too, the paths below that URL are among them.
*/}}
{{- define "smschannel.paths" -}}
{{- $urls := list .root.Values.publicUrl }}
{{- if and .by.fallbackHost .root.Values.fallbackPublicUrl }}
{{- $urls = append $urls .root.Values.fallbackPublicUrl }}
{{- end }}
{{- $paths := list }}
{{- range $urls }}
{{- $base := (urlParse .).path | trimSuffix "/" }}
{{- $paths = concat $paths (list (printf "%s/inbound" $base) (printf "%s/fallback" $base) (printf "%s/status" $base)) }}
{{- end }}
{{- $paths | uniq | toJson }}
{{- end }}

{{/* The database ------------------------------------------------------------------------------------------------------- */}}

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
      name: {{ include "smschannel.databaseSecretOf" . }}
      key: {{ $key }}
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
    secretName: {{ include "smschannel.databaseSecretOf" . }}
    items: [{ key: {{ $key | quote }}, path: url }]
{{- end }}
{{- end }}
