{{/*
Every template includes this check before anything else. The check renders nothing, and fails a wrong install or upgrade before
anything is applied. It first reports all keys without a value, and if there are none, all other mistakes. It runs once per rendering.
*/}}
{{- define "smschannel.check" -}}
{{- if not (hasKey .Values "checked") -}}
{{- $empty := include "smschannel.emptyKeys" . | splitList "\n" | compact }}
{{- if $empty }}
{{- $advice := ternary "With --reuse-values Helm takes the defaults of the older chart, which lack the keys that were added since: upgrade with --reset-then-reuse-values instead.\n\n" "" .Release.IsUpgrade }}
{{- fail (printf "\n\n%s  * %s\n" $advice (join "\n  * " $empty)) }}
{{- end }}
{{- $mistakes := include "smschannel.mistakes" . | splitList "\n" | compact }}
{{- if $mistakes }}
{{- fail (printf "\n\n  * %s\n" (join "\n  * " $mistakes)) }}
{{- end }}
{{- $_ := set .Values "checked" true }}
{{- end }}
{{- end }}

{{/* One line for each key of values.yaml that is missing, and for each value that is null. */}}
{{- define "smschannel.emptyKeys" -}}
{{- include "smschannel.missing" (dict "keys" (include "smschannel.keys" . | fromJson) "values" .Values "path" "") }}
{{- /* Leave `global` out: a parent chart also puts values for other charts there. */}}
{{- include "smschannel.nulls" (dict "value" (omit .Values "global") "path" "") }}
{{- end }}

{{/* One line for each missing key. When a whole map is missing, only the map itself is reported. */}}
{{- define "smschannel.missing" -}}
{{- range $key, $below := .keys }}
{{- $name := printf "%s%s" $.path $key }}
{{- $value := index $.values $key }}
{{- if kindIs "invalid" $value }}
{{- include "smschannel.isEmpty" $name }}
{{- else if and $below (kindIs "map" $value) }}
{{- include "smschannel.missing" (dict "keys" $below "values" $value "path" (printf "%s." $name)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "smschannel.nulls" -}}
{{- if kindIs "invalid" .value }}
{{- include "smschannel.isEmpty" .path }}
{{- else if kindIs "map" .value }}
{{- range $key, $value := .value }}
{{- include "smschannel.nulls" (dict "value" $value "path" (ternary $key (printf "%s.%s" $.path $key) (eq $.path ""))) }}
{{- end }}
{{- else if kindIs "slice" .value }}
{{- range $at, $value := .value }}
{{- include "smschannel.nulls" (dict "value" $value "path" (printf "%s[%d]" $.path $at)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "smschannel.isEmpty" -}}
{{- printf "value %q is empty: give it a value or remove the line\n" . }}
{{- end }}

{{/* Mistakes that the schema cannot find or cannot explain: one line for each mistake, with what to write instead. */}}
{{- define "smschannel.mistakes" -}}
{{- include "smschannel.mistakes.names" . }}
{{- include "smschannel.mistakes.labels" . }}
{{- include "smschannel.mistakes.wayIn" . }}
{{- include "smschannel.mistakes.images" . }}
{{- include "smschannel.mistakes.database" . }}
{{- include "smschannel.mistakes.operator" . }}
{{- include "smschannel.mistakes.pods" . }}
{{- include "smschannel.mistakes.network" . }}
{{- include "smschannel.mistakes.filled" . }}
{{- end }}

{{/* Keys that must not be an empty text or an empty list. */}}
{{- define "smschannel.mistakes.filled" -}}
{{- range $path := include "smschannel.filledKeys" . | fromJsonArray }}
{{- $value := include "smschannel.at" (dict "values" $.Values "path" $path) | fromJson }}
{{- if not $value.at }}
{{- printf "%s is empty: give it a value or remove the line\n" $path }}
{{- end }}
{{- end }}
{{- end }}

{{/* The value at `.path`, as JSON: `{"at": …}`. */}}
{{- define "smschannel.at" -}}
{{- $at := .values }}
{{- range splitList "." .path }}
{{- $at = get $at . }}
{{- end }}
{{- dict "at" $at | toJson }}
{{- end }}
