{{/* Names and labels ------------------------------------------------------------------------------------------------- */}}

{{- define "smschannel.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The start of the objects' names. It is so short that every name made from it is a valid DNS label. */}}
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

{{/* A name of at most 40 characters. A longer name is cut and ends with a hash of the whole, so that two long names stay different. */}}
{{- define "smschannel.short" -}}
{{- if gt (len .) 40 }}
{{- printf "%s-%s" (trunc 31 . | trimSuffix "-") (sha256sum . | trunc 8) }}
{{- else }}
{{- trimSuffix "-" . }}
{{- end }}
{{- end }}

{{/* The program's name for its release. Lease and Secrets are named after it, so nameOverride and fullnameOverride do not change it. */}}
{{- define "smschannel.instance" -}}
{{- default .Release.Name .Values.instance }}
{{- end }}

{{/*
The names of the Secrets `{instance}-{part}-{shard}` for each of `.parts`, as a YAML list. The list must not be empty: in a Role an
empty list of resource names means every Secret.
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

{{/*
The start of the names of cluster-wide objects and of objects in users' namespaces. It contains the release's namespace, so that two
releases with the same name do not share these objects.
*/}}
{{- define "smschannel.clusterName" -}}
{{ include "smschannel.fullname" . }}-{{ .Release.Namespace }}
{{- end }}

{{- define "smschannel.selector" -}}
app.kubernetes.io/name: {{ include "smschannel.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of an object. `.labels` adds more. The chart's own labels win over added ones, because selectors depend on them. */}}
{{- define "smschannel.labels" -}}
{{- $own := include "smschannel.selector" . | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/part-of" "sms-channel-operator" }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- toYaml (mustMerge $own (default (dict) .labels) .root.Values.commonLabels) }}
{{- end }}

{{/*
The metadata of an object of `.component`. `.name` is its name, by default `{fullname}-{component}`. `.wave` is a name that the
template smschannel.wave knows. `.own` are annotations that the chart sets. `.labels` and `.annotations` come from the values.
`.namespace` is its namespace, by default the release's. `.clusterWide` says that the object has no namespace.
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
The sync wave of an object. Argo CD applies lower waves first, and waits until their objects are healthy and their Jobs are done.
The order is: CRDs, what pods need, the database, its schema, everything else. Helm applies everything at once, so there the receivers
themselves wait for the schema.
*/}}
{{- define "smschannel.wave" -}}
{{ get (dict "crds" "-4" "needs" "-3" "database" "-2" "schema" "-1") . }}
{{- end }}

{{/* The image ---------------------------------------------------------------------------------------------------------- */}}

{{/* The full name of `.image`, a map in the form of the value `image`. `.tag` is used when that map has no tag. */}}
{{- define "smschannel.image" -}}
{{- $repository := include "smschannel.repository" . }}
{{- if .image.digest }}
{{- printf "%s@%s" $repository .image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .tag .image.tag) }}
{{- end }}
{{- end }}

{{/* Registry and repository of `.image`. `global.imageRegistry` replaces the registry, also one at the start of the repository. */}}
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

{{/* The image pull Secrets as a YAML list of references, and nothing when there are none. */}}
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

{{/* The host of a URL, without its port and in lower case, because an Ingress accepts only lower case. */}}
{{- define "smschannel.hostOf" -}}
{{- regexReplaceAll ":[0-9]+$" (urlParse .).host "" | lower }}
{{- end }}

{{/* The hosts that an Ingress or HTTPRoute serves, as a JSON list. `.by` is the value `ingress` or `httpRoute`. */}}
{{- define "smschannel.hosts" -}}
{{- $hosts := list (include "smschannel.hostOf" .root.Values.publicUrl) }}
{{- if and .by.fallbackHost .root.Values.fallbackPublicUrl }}
{{- $hosts = append $hosts (include "smschannel.hostOf" .root.Values.fallbackPublicUrl) }}
{{- end }}
{{- $hosts | uniq | toJson }}
{{- end }}

{{/*
The paths that lead to the receiver, as a JSON list. All other paths of the host may belong to other programs. `.by` is the value
`ingress` or `httpRoute`. When it also serves the host of fallbackPublicUrl, the list includes the paths below that URL.
*/}}
{{- define "smschannel.paths" -}}
{{- $urls := list .root.Values.publicUrl }}
{{- if and .by.fallbackHost .root.Values.fallbackPublicUrl }}
{{- $urls = append $urls .root.Values.fallbackPublicUrl }}
{{- end }}
{{- $paths := list }}
{{- range $urls }}
{{- /* Take the path as it is written. urlParse would decode it, and a decoded path would be refused or lead elsewhere. */}}
{{- $base := regexReplaceAll "^[^:/]+://[^/?#]*|[?#].*$" . "" | trimSuffix "/" }}
{{- $paths = concat $paths (list (printf "%s/inbound" $base) (printf "%s/fallback" $base) (printf "%s/status" $base)) }}
{{- end }}
{{- $paths | uniq | toJson }}
{{- end }}
