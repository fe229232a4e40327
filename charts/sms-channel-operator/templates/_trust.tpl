{{/*
Certificate authorities that every process trusts in its TLS connections. The next three templates render the environment, the mount
and the volume. Without trusted certificates they render nothing.
*/}}

{{- define "smschannel.trustEnv" -}}
{{- if (include "smschannel.trustVolume" .) -}}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/smschannel/trust/ca.crt
{{- end }}
{{- end }}

{{- define "smschannel.trustMount" -}}
{{- if (include "smschannel.trustVolume" .) -}}
- name: trust
  mountPath: /etc/smschannel/trust
  readOnly: true
{{- end }}
{{- end }}

{{- define "smschannel.trustVolume" -}}
{{- $trust := .root.Values.trustedCertificates }}
{{- if $trust.pem -}}
- name: trust
  configMap:
    name: {{ include "smschannel.fullname" .root }}-trust
    items: [{ key: ca.crt, path: ca.crt }]
{{- else if $trust.configMap -}}
- name: trust
  configMap:
    name: {{ $trust.configMap | quote }}
    items: [{ key: {{ $trust.key | quote }}, path: ca.crt }]
{{- else if $trust.secret -}}
- name: trust
  secret:
    secretName: {{ $trust.secret | quote }}
    items: [{ key: {{ $trust.key | quote }}, path: ca.crt }]
{{- end }}
{{- end }}

{{/*
A hash of the trusted certificates, for an annotation of pods. A process reads the certificates only when it starts, so new
certificates need new pods. Certificates in a ConfigMap or Secret are looked up in the cluster. `helm template` and Argo CD cannot look
them up, and then there is no hash.
*/}}
{{- define "smschannel.trustChecksum" -}}
{{- $trust := .Values.trustedCertificates }}
{{- $text := $trust.pem }}
{{- if and (not $text) $trust.configMap }}
{{- $text = dig "data" $trust.key "" (lookup "v1" "ConfigMap" .Release.Namespace $trust.configMap) }}
{{- else if and (not $text) $trust.secret }}
{{- $text = dig "data" $trust.key "" (lookup "v1" "Secret" .Release.Namespace $trust.secret) }}
{{- end }}
{{- with $text }}
{{- sha256sum . }}
{{- end }}
{{- end }}
