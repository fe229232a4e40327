{{/* Mistakes in network policies: ports that a process needs and the egress policy lacks, and invalid peers. */}}
{{- define "smschannel.mistakes.network" -}}
{{- $v := .Values }}
{{- if and $v.networkPolicy.enabled $v.networkPolicy.egress.enabled }}
{{- $ports := list }}
{{- range $v.networkPolicy.egress.httpsPorts }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- /*
With a proxy, every request goes to the proxy's port. Without a proxy, requests go directly to Twilio (by default on port 443) and to
the address of the self-check.
*/}}
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
{{- printf "networkPolicy.egress.httpsPorts lacks %d, the port of %s: the controller could not connect to it\n" $port $name }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $path := list "receiverFrom" "metricsFrom" "egress.kubernetesTo" "egress.databaseTo" "egress.httpsTo" }}
{{- range $at, $peer := (include "smschannel.at" (dict "values" $v.networkPolicy "path" $path) | fromJson).at }}
{{- if and $peer.ipBlock (or (hasKey $peer "podSelector") (hasKey $peer "namespaceSelector")) }}
{{- printf "networkPolicy.%s[%d] has an ipBlock and a selector: write two entries instead\n" $path $at }}
{{- end }}
{{- range concat (list (dig "ipBlock" "cidr" "" $peer)) (dig "ipBlock" "except" list $peer) | compact }}
{{- if not (include "smschannel.isRange" .) }}
{{- printf "networkPolicy.%s[%d]: %q is not a valid range of addresses: write one such as 10.0.0.0/8\n" $path $at . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
