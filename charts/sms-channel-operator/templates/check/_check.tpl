{{/*
Every template includes this before anything else. It renders nothing, and stops a wrong install or upgrade before anything is
applied: first keys without a value, then everything else that is wrong, all at once. It looks once for each rendering.
*/}}
{{- define "smschannel.check" -}}
{{- if not (hasKey .Values "checked") -}}
{{- $empty := include "smschannel.emptyKeys" . | splitList "\n" | compact }}
{{- if $empty }}
{{- $advice := ternary "With --reuse-values Helm takes the defaults of the older chart, which lack the keys that are new since: upgrade with --reset-then-reuse-values instead.\n\n" "" .Release.IsUpgrade }}
{{- fail (printf "\n\n%s  * %s\n" $advice (join "\n  * " $empty)) }}
{{- end }}
{{- $mistakes := include "smschannel.mistakes" . | splitList "\n" | compact }}
{{- if $mistakes }}
{{- fail (printf "\n\n  * %s\n" (join "\n  * " $mistakes)) }}
{{- end }}
{{- $_ := set .Values "checked" true }}
{{- end }}
{{- end }}

{{/* A line for each key of values.yaml that is not there, and each value that is null. */}}
{{- define "smschannel.emptyKeys" -}}
{{- include "smschannel.missing" (dict "keys" (include "smschannel.keys" . | fromJson) "values" .Values "path" "") }}
{{- /* A parent chart puts other charts' values into `global`. */}}
{{- include "smschannel.nulls" (dict "value" (omit .Values "global") "path" "") }}
{{- end }}

{{/* Of a map that is missing as a whole, the map alone. */}}
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

{{/* What the schema cannot say, or cannot say in a sentence: a line for each mistake, with what to write instead. */}}
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
