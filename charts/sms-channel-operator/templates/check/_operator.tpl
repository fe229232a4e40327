{{/* Mistakes in images, in the database and in the operator's settings. */}}
{{- define "smschannel.mistakes.images" -}}
{{- $root := . }}
{{- $images := dict "image" .Values.image }}
{{- if .Values.evaluationDatabase.enabled }}
{{- $_ := set $images "evaluationDatabase.image" .Values.evaluationDatabase.image }}
{{- end }}
{{- range $name, $image := $images }}
{{- $repository := include "smschannel.repository" (dict "root" $root "image" $image) }}
{{- if not $image.repository }}
{{- /* An empty repository is reported with the other empty values. */}}
{{- else if contains "://" $repository }}
{{- printf "%s is %q: leave out the scheme before the host\n" $name $repository }}
{{- else if regexMatch "(@|:[^/]*$)" $repository }}
{{- printf "%s.repository is %q: put the tag into %s.tag, a digest into %s.digest\n" $name $image.repository $name $name }}
{{- else if not (regexMatch "^([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+((\\.|_{1,2}|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_{1,2}|-+)[a-z0-9]+)*)*$" $repository) }}
{{- printf "%s is %q, which is not a valid name of an image: write registry/repository, with the repository in lower case\n" $name $repository }}
{{- end }}
{{- if and $image.digest (not (regexMatch "^sha256:[0-9a-f]{64}$|^sha512:[0-9a-f]{128}$" $image.digest)) }}
{{- printf "%s.digest is %q: write sha256: and 64 digits and letters a to f, as `docker inspect` and registries show it\n" $name $image.digest }}
{{- end }}
{{- if and (not $image.digest) (eq $image.tag "latest") }}
{{- printf "%s.tag is latest, which may be another image on every node: name a version, or set %s.digest\n" $name $name }}
{{- else if and $image.tag (not (regexMatch "^[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}$" $image.tag)) }}
{{- printf "%s.tag is %q: write letters, digits, dashes, dots and underscores\n" $name $image.tag }}
{{- else if not (or $image.digest $image.tag (eq $name "image")) }}
{{- printf "%s.tag is empty: name a version, or set %s.digest\n" $name $name }}
{{- end }}
{{- end }}
{{- end }}

{{- define "smschannel.mistakes.database" -}}
{{- $v := .Values }}
{{- $keys := list }}
{{- range $role := list "owner" "receiver" "controller" }}
{{- $key := get $v.database (printf "%sUrlKey" $role) }}
{{- if or (ne $role "owner") $v.migrations.enabled }}
{{- if and $key (not (include "smschannel.databaseSecretOf" (dict "root" $ "role" $role))) }}
{{- $keys = append $keys $key }}
{{- end }}
{{- if and (not $key) (ne $role "controller") }}
{{- printf "database.%sUrlKey is empty: name the key that holds the %s's postgres:// URL\n" $role $role }}
{{- end }}
{{- end }}
{{- end }}
{{- if $keys }}
{{- printf "database.existingSecret is empty: name a Secret of namespace %s with a postgres:// URL under each of the keys %s, or set evaluationDatabase.enabled to try it out\n" $.Release.Namespace (join ", " $keys) }}
{{- end }}
{{- include "smschannel.mistakes.amount" (dict "name" "evaluationDatabase.storage.size" "amount" $v.evaluationDatabase.storage.size) }}
{{- end }}

{{- define "smschannel.mistakes.operator" -}}
{{- $v := .Values }}
{{- range $name, $value := dict "resyncInterval" $v.resyncInterval "deleteTimeout" $v.deleteTimeout "migrations.databaseWait" $v.migrations.databaseWait "uninstall.timeout" $v.uninstall.timeout }}
{{- if not $value }}
{{- printf "%s is empty: write a duration such as 90s, 10m or 1h30m\n" $name }}
{{- else if not (regexMatch "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$" $value) }}
{{- printf "%s is %q: write a duration such as 90s, 10m or 1h30m\n" $name $value }}
{{- end }}
{{- end }}
{{- with $v.monitoring.interval }}
{{- if not (regexMatch "^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$" .) }}
{{- printf "monitoring.interval is %q: write a duration such as 30s or 1m\n" . }}
{{- end }}
{{- end }}
{{- $trust := $v.trustedCertificates }}
{{- $given := list (ternary "trustedCertificates.configMap" "" (not (not $trust.configMap))) (ternary "trustedCertificates.secret" "" (not (not $trust.secret))) (ternary "trustedCertificates.pem" "" (not (not $trust.pem))) | compact }}
{{- if gt (len $given) 1 }}
{{- printf "%s are both set: choose one\n" (join " and " $given) }}
{{- end }}
{{- if and $trust.pem (not (contains "-----BEGIN CERTIFICATE-----" $trust.pem)) }}
{{- printf "trustedCertificates.pem holds no certificate: a certificate begins with -----BEGIN CERTIFICATE-----\n" }}
{{- end }}
{{- if contains "PRIVATE KEY-----" $trust.pem }}
{{- printf "trustedCertificates.pem holds a private key, which is not needed here: give only the certificates\n" }}
{{- end }}
{{- if and (not $v.rbac.clusterWideKinds) (not $v.watchNamespaces) }}
{{- printf "rbac.clusterWideKinds is false but watchNamespaces is empty: name the namespaces, or set rbac.clusterWideKinds to true\n" }}
{{- end }}
{{- range $at, $object := $v.extraObjects }}
{{- if and (kindIs "map" $object) (not (and $object.apiVersion $object.kind (dig "metadata" "name" "" $object))) }}
{{- printf "extraObjects[%d] is not a manifest: it needs apiVersion, kind and metadata.name\n" $at }}
{{- end }}
{{- end }}
{{- end }}
