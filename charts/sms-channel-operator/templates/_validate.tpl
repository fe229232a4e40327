{{/*
What the schema cannot say, or cannot say in a sentence. All mistakes at once, each with what to write instead; a list of
strings, as JSON.
*/}}
{{- define "smschannel.mistakes" -}}
{{- $v := .Values }}
{{- $mistakes := list }}

{{- if not $v.publicUrl }}
{{- $mistakes = append $mistakes "publicUrl is empty: set it to the https URL under which Twilio reaches the receiver, such as https://sms.example.com" }}
{{- end }}
{{- range $name := list "publicUrl" "fallbackPublicUrl" }}
{{- with get $v $name }}
{{- with include "smschannel.urlMistake" (dict "url" . "insecure" $v.allowInsecurePublicUrl) }}
{{- $mistakes = append $mistakes (printf "%s %s" $name .) }}
{{- end }}
{{- end }}
{{- end }}

{{- if and $v.ingress.enabled $v.httpRoute.enabled }}
{{- $mistakes = append $mistakes "ingress.enabled and httpRoute.enabled are both true: choose one way in" }}
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}
{{- $mistakes = append $mistakes "httpRoute.parentRefs is empty: name the Gateway, such as [{name: public, namespace: gateways}]" }}
{{- end }}
{{- range $by := list "ingress" "httpRoute" }}
{{- $values := get $v $by }}
{{- if and $values.enabled $values.fallbackHost (not $v.fallbackPublicUrl) }}
{{- $mistakes = append $mistakes (printf "%s.fallbackHost is true but fallbackPublicUrl is empty: set the one or unset the other" $by) }}
{{- end }}
{{- if and $values.enabled (regexMatch "^([0-9.]+|\\[.*\\])$" (include "smschannel.hostOf" $v.publicUrl)) }}
{{- $mistakes = append $mistakes (printf "%s.enabled needs a host name in publicUrl, not an address" $by) }}
{{- end }}
{{- end }}
{{- if and $v.receiver.service.nodePort (eq $v.receiver.service.type "ClusterIP") }}
{{- $mistakes = append $mistakes "receiver.service.nodePort is set but receiver.service.type is ClusterIP: set the type to NodePort or LoadBalancer" }}
{{- end }}

{{- range $name, $image := dict "image" $v.image "evaluationDatabase.image" $v.evaluationDatabase.image }}
{{- if and (not $image.digest) (eq $image.tag "latest") }}
{{- $mistakes = append $mistakes (printf "%s.tag is latest, which may be another image on every node: name a version, or set %s.digest" $name $name) }}
{{- end }}
{{- end }}
{{- if and $v.receiver.autoscaling.enabled (gt (int $v.receiver.autoscaling.minReplicas) (int $v.receiver.autoscaling.maxReplicas)) }}
{{- $mistakes = append $mistakes "receiver.autoscaling.minReplicas is greater than maxReplicas" }}
{{- end }}

{{- $keys := list }}
{{- range $role := list "owner" "receiver" "controller" }}
{{- $key := get $v.database (printf "%sUrlKey" $role) }}
{{- if or (ne $role "owner") $v.migrations.enabled }}
{{- if and $key (not (include "smschannel.databaseSecretOf" (dict "root" $ "role" $role))) }}
{{- $keys = append $keys $key }}
{{- end }}
{{- if and (not $key) (ne $role "controller") }}
{{- $mistakes = append $mistakes (printf "database.%sUrlKey is empty: name the key that holds the %s's postgres:// URL" $role $role) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $keys }}
{{- $mistakes = append $mistakes (printf "database.existingSecret is empty: name a Secret of namespace %s with a postgres:// URL under each of the keys %s, or set evaluationDatabase.enabled to try it out" $.Release.Namespace (join ", " $keys)) }}
{{- end }}

{{- if and $v.networkPolicy.enabled $v.networkPolicy.egress.enabled }}
{{- $ports := list }}
{{- range $v.networkPolicy.egress.httpsPorts }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- /* Through a proxy everything goes to its port; without one Twilio, by default on 443, and the self-check are reached directly. */}}
{{- $urls := dict "twilio.baseUrl" (default "https://api.twilio.com" $v.twilio.baseUrl) }}
{{- if $v.urlCheck.address }}
{{- $urls = set $urls "urlCheck.address" (printf "https://%s" $v.urlCheck.address) }}
{{- else if ne $v.urlCheck.mode "off" }}
{{- $urls = set $urls "publicUrl" $v.publicUrl }}
{{- end }}
{{- if or $v.proxy.https $v.proxy.http }}
{{- $urls = dict "proxy.https" $v.proxy.https "proxy.http" $v.proxy.http }}
{{- end }}
{{- range $name, $url := $urls }}
{{- if regexMatch "^https?://" $url }}
{{- $port := regexFind ":[0-9]+$" (urlParse $url).host | trimPrefix ":" | default (ternary "443" "80" (hasPrefix "https:" $url)) | int }}
{{- if not (has $port $ports) }}
{{- $mistakes = append $mistakes (printf "networkPolicy.egress.httpsPorts lacks %d, the port of %s: the controller could not connect to it" $port $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- if and $v.trustedCertificates.configMap $v.trustedCertificates.secret }}
{{- $mistakes = append $mistakes "trustedCertificates.configMap and trustedCertificates.secret are both set: choose one" }}
{{- end }}
{{- range $name, $value := dict "resyncInterval" $v.resyncInterval "deleteTimeout" $v.deleteTimeout "migrations.databaseWait" $v.migrations.databaseWait "uninstall.timeout" $v.uninstall.timeout }}
{{- if not (regexMatch "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$" (required (printf "%s is empty" $name) $value)) }}
{{- $mistakes = append $mistakes (printf "%s is %q: write a duration such as 90s, 10m or 1h30m" $name $value) }}
{{- end }}
{{- end }}
{{- range $v.watchNamespaces }}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" .) }}
{{- $mistakes = append $mistakes (printf "watchNamespaces: %q is no name of a namespace; patterns are not possible" .) }}
{{- end }}
{{- end }}
{{- if and (not $v.rbac.clusterWideKinds) (not $v.watchNamespaces) }}
{{- $mistakes = append $mistakes "rbac.clusterWideKinds is false but watchNamespaces is empty: name the namespaces, or leave the kinds cluster-wide" }}
{{- end }}
{{- with $v.instance }}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$" .) }}
{{- $mistakes = append $mistakes (printf "instance is %q: write lower-case letters, digits and dashes, 53 at most" .) }}
{{- end }}
{{- end }}
{{- with $v.takeOverFrom }}
{{- if not (regexMatch "^[^/]+/[^/]+$" .) }}
{{- $mistakes = append $mistakes (printf "takeOverFrom is %q: write it as status.managedBy does, {namespace}/{release}" .) }}
{{- end }}
{{- end }}
{{- with $v.urlCheck.address }}
{{- if not (regexMatch "^([a-zA-Z0-9.-]+|\\[[0-9a-fA-F:.]+\\])(:[0-9]{1,5})?$" .) }}
{{- $mistakes = append $mistakes (printf "urlCheck.address is %q: write host or host:port" .) }}
{{- end }}
{{- end }}
{{- toJson $mistakes }}
{{- end }}

{{/* What is wrong with `.url`, as the end of a sentence; nothing when it is fine. The operator itself looks more closely. */}}
{{- define "smschannel.urlMistake" -}}
{{- $allowed := ternary "^https?://[^/?#@]+(/[^?#]*)?$" "^https://[^/?#@]+(/[^?#]*)?$" .insecure }}
{{- if not (regexMatch "^https?://" .url) -}}
must begin with https://
{{- else if and (not .insecure) (hasPrefix "http://" .url) -}}
must begin with https://, or a stranger on the way could read and forge texts; allowInsecurePublicUrl is for demos
{{- else if not (regexMatch $allowed .url) -}}
must be https://host/path without user, query or fragment
{{- else if and (not .insecure) (not (contains "." (include "smschannel.hostOf" .url))) -}}
has a host name that is known only inside the cluster; Twilio needs a public one
{{- end }}
{{- end }}
