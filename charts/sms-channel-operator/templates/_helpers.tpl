{{/* Names and labels ------------------------------------------------------------------------------------------------- */}}

{{- define "smschannel.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Short enough that every name made of it stays a DNS label. */}}
{{- define "smschannel.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- include "smschannel.short" .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- include "smschannel.short" .Release.Name }}
{{- else }}
{{- include "smschannel.short" (printf "%s-%s" .Release.Name $name) }}
{{- end }}
{{- end }}

{{/* A name of 40 characters at most. What is cut off stands in a hash, so that two long names stay two. */}}
{{- define "smschannel.short" -}}
{{- if gt (len .) 40 }}
{{- printf "%s-%s" (trunc 31 . | trimSuffix "-") (sha256sum . | trunc 8) }}
{{- else }}
{{- trimSuffix "-" . }}
{{- end }}
{{- end }}

{{/* What the program calls its release: names Lease and Secrets, so it follows no override of the chart's names. */}}
{{- define "smschannel.instance" -}}
{{- default .Release.Name .Values.instance }}
{{- end }}

{{/*
Names of the Secrets `{instance}-{part}-{shard}` for each of `.parts`, as a YAML list. It must not be empty: in a Role an empty
list of names means every Secret.
*/}}
{{- define "smschannel.shards" -}}
{{- $shards := int .root.Values.routeShards }}
{{- if lt $shards 1 }}
{{- fail "routeShards must be 1 or more" }}
{{- end }}
{{- $names := list }}
{{- range $part := .parts }}
{{- range $shard := until $shards }}
{{- $names = append $names (printf "%s-%s-%d" (include "smschannel.instance" $.root) $part $shard) }}
{{- end }}
{{- end }}
{{- toYaml $names }}
{{- end }}

{{/* Cluster-wide objects, and those in users' namespaces: two releases of one name must not share them. */}}
{{- define "smschannel.clusterName" -}}
{{ include "smschannel.fullname" . }}-{{ .Release.Namespace }}
{{- end }}

{{- define "smschannel.selector" -}}
app.kubernetes.io/name: {{ include "smschannel.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of an object; `.labels` are more of them. Those of the chart's own win, as selectors go by them. */}}
{{- define "smschannel.labels" -}}
{{- $own := include "smschannel.selector" . | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/part-of" "sms-channel-operator" }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- toYaml (mustMerge $own (default (dict) .labels) .root.Values.commonLabels) }}
{{- end }}

{{/*
The metadata of an object of `.component`. `.name`: absent, `{fullname}-{component}`. `.wave`: see below. `.own`: annotations of the
chart's. `.labels` and `.annotations`: more, from the values. `.namespace`: another than the release's. `.clusterWide`: in none.
*/}}
{{- define "smschannel.metadata" -}}
{{- $own := deepCopy (default (dict) .own) }}
{{- with .wave }}
{{- $_ := set $own "argocd.argoproj.io/sync-wave" (include "smschannel.wave" .) }}
{{- end -}}
name: {{ default (printf "%s-%s" (include "smschannel.fullname" .root) .component) .name | quote }}
{{- if not .clusterWide }}
namespace: {{ default .root.Release.Namespace .namespace | quote }}
{{- end }}
labels:
  {{- include "smschannel.labels" . | nindent 2 }}
{{- with mustMerge $own (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Argo CD applies lower waves first and waits until they are healthy, Jobs done: CRDs, then what pods need, then the database,
then the schema, then everything else. Helm applies all at once; there the receivers themselves wait for the schema.
*/}}
{{- define "smschannel.wave" -}}
{{ get (dict "crds" "-4" "needs" "-3" "database" "-2" "schema" "-1") . }}
{{- end }}

{{/* The image ---------------------------------------------------------------------------------------------------------- */}}

{{/* Name of `.image` (values of that form), whose tag is `.tag` when it names none. */}}
{{- define "smschannel.image" -}}
{{- $repository := include "smschannel.repository" . }}
{{- if .image.digest }}
{{- printf "%s@%s" $repository .image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .tag .image.tag) }}
{{- end }}
{{- end }}

{{/* Registry and repository of `.image`. `global.imageRegistry` takes the place of a registry that stands in the repository too. */}}
{{- define "smschannel.repository" -}}
{{- $registry := .image.registry }}
{{- $repository := .image.repository }}
{{- with .root.Values.global.imageRegistry }}
{{- $host := splitList "/" $repository | first }}
{{- if and (not $registry) (contains "/" $repository) (regexMatch "[.:]|^localhost$" $host) }}
{{- $repository = trimPrefix (printf "%s/" $host) $repository }}
{{- end }}
{{- $registry = . }}
{{- end }}
{{- list $registry $repository | compact | join "/" }}
{{- end }}

{{/* Secrets with which images are pulled, as a YAML list of references; nothing where there are none. */}}
{{- define "smschannel.imagePullSecrets" -}}
{{- $references := list }}
{{- range concat .Values.imagePullSecrets .Values.global.imagePullSecrets }}
{{- $references = append $references (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- with uniq $references }}
{{- toYaml . }}
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
{{- /* As it is written: urlParse decodes the path, and a percent-encoded one would be refused or lead elsewhere. */}}
{{- $base := regexReplaceAll "^[^:/]+://[^/?#]*|[?#].*$" . "" | trimSuffix "/" }}
{{- $paths = concat $paths (list (printf "%s/inbound" $base) (printf "%s/fallback" $base) (printf "%s/status" $base)) }}
{{- end }}
{{- $paths | uniq | toJson }}
{{- end }}
