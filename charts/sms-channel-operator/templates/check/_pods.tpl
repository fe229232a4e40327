{{/* Mistakes in what values add to pods. Helm applies on the server side, where a name that is listed twice fails an upgrade halfway. */}}
{{- define "smschannel.mistakes.pods" -}}
{{- $v := .Values }}
{{- if and $v.receiver.autoscaling.enabled (gt (int $v.receiver.autoscaling.minReplicas) (int $v.receiver.autoscaling.maxReplicas)) }}
{{- printf "receiver.autoscaling.minReplicas is greater than maxReplicas\n" }}
{{- end }}
{{- $accounts := dict }}
{{- range $component, $key := dict "controller" "controller" "receiver" "receiver" "migrations" "migrations" "release" "uninstall" "test" "tests" }}
{{- $values := get $v $key }}
{{- $of := dict "root" $ "component" $component "values" $values "name" $key }}
{{- include "smschannel.mistakes.env" $of }}
{{- include "smschannel.mistakes.volumes" $of }}
{{- include "smschannel.mistakes.resources" (dict "name" (printf "%s.resources" $key) "resources" $values.resources) }}
{{- if not (or $values.serviceAccount.create $values.serviceAccount.name) }}
{{- printf "%s.serviceAccount.create is false but name is empty: name an existing ServiceAccount\n" $key }}
{{- end }}
{{- if and (eq $values.dnsPolicy "None") (not $values.dnsConfig.nameservers) }}
{{- printf "%s.dnsPolicy is None but dnsConfig.nameservers is empty: name at least one name server\n" $key }}
{{- end }}
{{- $account := include "smschannel.serviceAccount" $of }}
{{- if hasKey $accounts $account }}
{{- printf "%s.serviceAccount.name and %s.serviceAccount.name are the same: each process would have the other's rights\n" (get $accounts $account) $key }}
{{- end }}
{{- $_ := set $accounts $account $key }}
{{- end }}
{{- include "smschannel.mistakes.resources" (dict "name" "evaluationDatabase.resources" "resources" $v.evaluationDatabase.resources) }}
{{- end }}

{{- define "smschannel.mistakes.env" -}}
{{- $names := list }}
{{- range include "smschannel.env" . | fromYamlArray }}
{{- $names = append $names .name }}
{{- end }}
{{- /* The program takes a database URL or a file with that URL, and refuses both together. */}}
{{- range $names }}
{{- if hasSuffix "DATABASE_URL_FILE" . }}
{{- $names = append $names (trimSuffix "_FILE" .) }}
{{- end }}
{{- end }}
{{- range .values.extraEnv }}
{{- if has .name $names }}
{{- printf "%s.extraEnv sets %s, which the chart sets or which is listed twice: remove it; if it can be changed, the chart has a value for it\n" $.name .name }}
{{- end }}
{{- $names = append $names .name }}
{{- if and (hasKey . "value") (not (kindIs "string" .value)) }}
{{- printf "%s.extraEnv: the value of %s is not a string: write it in quotes, %q\n" $.name .name (toString .value) }}
{{- else if and .value .valueFrom }}
{{- printf "%s.extraEnv: %s has both value and valueFrom: choose one\n" $.name .name }}
{{- end }}
{{- if not (regexMatch "^[ -<>-~]+$" .name) }}
{{- printf "%s.extraEnv: %q is not a valid name of a variable\n" $.name .name }}
{{- end }}
{{- end }}
{{- end }}

{{- define "smschannel.mistakes.volumes" -}}
{{- $names := list }}
{{- range include "smschannel.volumes" . | fromYamlArray }}
{{- $names = append $names .name }}
{{- end }}
{{- range .values.extraVolumes }}
{{- if has .name $names }}
{{- printf "%s.extraVolumes has a volume %q, which the chart has already or which is listed twice: choose another name\n" $.name .name }}
{{- end }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" .name) }}
{{- printf "%s.extraVolumes: %q is not a valid name of a volume: write lower-case letters, digits and dashes\n" $.name .name }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- $paths := list }}
{{- range include "smschannel.mounts" . | fromYamlArray }}
{{- $paths = append $paths .mountPath }}
{{- end }}
{{- range .values.extraVolumeMounts }}
{{- if not (has .name $names) }}
{{- printf "%s.extraVolumeMounts: there is no volume %q: add it to %s.extraVolumes\n" $.name .name $.name }}
{{- end }}
{{- if has .mountPath $paths }}
{{- printf "%s.extraVolumeMounts: %s is taken, by the chart or by another mount: choose another path\n" $.name .mountPath }}
{{- end }}
{{- $paths = append $paths .mountPath }}
{{- end }}
{{- end }}

{{/* Amounts -------------------------------------------------------------------------------------------------------------- */}}

{{- define "smschannel.mistakes.resources" -}}
{{- range $kind := list "requests" "limits" }}
{{- range $resource, $amount := get $.resources $kind }}
{{- if ne (toString $amount) "none" }}
{{- include "smschannel.mistakes.amount" (dict "name" (printf "%s.%s.%s" $.name $kind $resource) "amount" $amount "optional" true) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $resource, $amount := .resources.requests }}
{{- $limit := get (default dict $.resources.limits) $resource | toString }}
{{- if and (include "smschannel.isAmount" $amount) (include "smschannel.isAmount" $limit) }}
{{- if gt (include "smschannel.number" $amount | float64) (include "smschannel.number" $limit | float64) }}
{{- printf "%s.requests.%s is %v, more than the limit %s\n" $.name $resource $amount $limit }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "smschannel.mistakes.amount" -}}
{{- if not (include "smschannel.isAmount" .amount) }}
{{- printf "%s is %q, which is not a valid amount: write one such as 100m or 0.5 (processors) or 512Mi or 1Gi (memory)%s\n" .name (toString .amount) (ternary ", or none to leave it out" "" (default false .optional)) }}
{{- end }}
{{- end }}

{{- define "smschannel.isAmount" -}}
{{- if regexMatch "^[0-9]+(\\.[0-9]*)?([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?$" (toString .) }}yes{{ end }}
{{- end }}

{{- define "smschannel.number" -}}
{{- $text := toString . }}
{{- $unit := regexFind "[KMGTPE]i$|[numkMGTPE]$" $text }}
{{- $units := dict "n" 1e-9 "u" 1e-6 "m" 1e-3 "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 }}
{{- mulf (trimSuffix $unit $text | float64) (get $units $unit) }}
{{- end }}
