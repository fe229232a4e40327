{{/* Mistakes in the public URL, and in the Ingress, HTTPRoute or Service that leads to the receiver. */}}
{{- define "smschannel.mistakes.wayIn" -}}
{{- $v := .Values }}
{{- if not $v.publicUrl }}
{{- printf "publicUrl is empty: set it to the https URL under which Twilio reaches the receiver, such as https://sms.example.com\n" }}
{{- end }}
{{- range $name := list "publicUrl" "fallbackPublicUrl" }}
{{- with get $v $name }}
{{- with include "smschannel.urlMistake" (dict "url" . "insecure" $v.allowInsecurePublicUrl) }}
{{- printf "%s %s\n" $name . }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.ingress.enabled $v.httpRoute.enabled }}
{{- printf "ingress.enabled and httpRoute.enabled are both true: choose one way in\n" }}
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}
{{- printf "httpRoute.parentRefs is empty: name the Gateway, such as [{name: public, namespace: gateways}]\n" }}
{{- end }}
{{- range $by := list "ingress" "httpRoute" }}
{{- $values := get $v $by }}
{{- if and $values.enabled $values.fallbackHost (not $v.fallbackPublicUrl) }}
{{- printf "%s.fallbackHost is true but fallbackPublicUrl is empty: set fallbackPublicUrl, or set %s.fallbackHost to false\n" $by $by }}
{{- end }}
{{- range $name := list "publicUrl" (ternary "fallbackPublicUrl" "" $values.fallbackHost) | compact }}
{{- if and $values.enabled (regexMatch "^([0-9.]+|\\[.*\\])$" (include "smschannel.hostOf" (get $v $name))) }}
{{- printf "%s.enabled needs a host name in %s, not an address\n" $by $name }}
{{- end }}
{{- end }}
{{- end }}
{{- include "smschannel.mistakes.service" .Values.receiver.service }}
{{- with $v.urlCheck.address }}
{{- if not (regexMatch "^([a-zA-Z0-9.-]+|\\[[0-9a-fA-F:.]+\\])(:[0-9]{1,5})?$" .) }}
{{- printf "urlCheck.address is %q: write host or host:port\n" . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings of the receiver's Service that do not fit its type. */}}
{{- define "smschannel.mistakes.service" -}}
{{- $fits := dict "nodePort" (list "NodePort" "LoadBalancer") "externalTrafficPolicy" (list "NodePort" "LoadBalancer") "loadBalancerClass" (list "LoadBalancer") "loadBalancerSourceRanges" (list "LoadBalancer") }}
{{- range $name, $types := $fits }}
{{- if and (get $ $name) (not (has $.type $types)) }}
{{- printf "receiver.service.%s is set but receiver.service.type is %s: set the type to %s\n" $name $.type (join " or " $types) }}
{{- end }}
{{- end }}
{{- with .loadBalancerClass }}
{{- if not (include "smschannel.isKey" .) }}
{{- printf "receiver.service.loadBalancerClass is %q: write a name, optionally after a domain and a slash\n" . }}
{{- end }}
{{- end }}
{{- range .loadBalancerSourceRanges }}
{{- if not (include "smschannel.isRange" .) }}
{{- printf "receiver.service.loadBalancerSourceRanges: %q is not a valid range of addresses: write one such as 203.0.113.0/24\n" . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Renders `yes` for a range of addresses, as far as a pattern can recognize one. */}}
{{- define "smschannel.isRange" -}}
{{- if regexMatch "^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\\.(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}/(3[0-2]|[12]?[0-9])|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$" . }}yes{{ end }}
{{- end }}

{{/*
Renders what is wrong with `.url`, as the end of a sentence, and nothing when the URL is fine. The operator itself checks the URL more
strictly when it starts.
*/}}
{{- define "smschannel.urlMistake" -}}
{{- $allowed := ternary "^https?://[^/?#@]+(/[^?#]*)?$" "^https://[^/?#@]+(/[^?#]*)?$" .insecure }}
{{- if not (regexMatch "^https?://" .url) -}}
must begin with https://
{{- else if and (not .insecure) (hasPrefix "http://" .url) -}}
must begin with https://, or somebody on the network could read and forge texts; set allowInsecurePublicUrl only for demos
{{- else if not (regexMatch $allowed .url) -}}
must be https://host/path without user, query or fragment
{{- else -}}
{{- $host := regexReplaceAll "^https?://([^/]*).*$" .url "${1}" }}
{{- $path := regexReplaceAll "^https?://[^/]*" .url "" }}
{{- if regexMatch "[^\\x00-\\x7f]" $host -}}
has a host with letters beyond a to z: write it in the form that DNS uses, which begins with xn--
{{- else if contains "_" $host -}}
has a host with an underscore, which neither a certificate nor an Ingress can have: choose another name
{{- else if not (regexMatch "^(\\[[0-9a-fA-F:.]+\\]|([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)(\\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*)(:[0-9]+)?$" $host) -}}
has a host that is not a DNS name: write letters, digits, dashes and dots
{{- else if gt (int (regexFind "[0-9]*$" (regexFind ":[0-9]+$" $host))) 65535 -}}
has a port above 65535
{{- else if and (not .insecure) (not (contains "." $host)) -}}
has a host name that is known only inside the cluster; Twilio needs a public one
{{- else if not (regexMatch "^([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$" $path) -}}
has a path with characters that must be percent-encoded
{{- else if regexMatch "//|/\\.\\.?(/|$)|(?i:%2f)" $path -}}
has a path with //, /./, /../ or %2F, which an Ingress refuses
{{- end }}
{{- end }}
{{- end }}
