{{/* Authorities to trust, for every process that opens TLS connections: three parts of a pod, each nothing where there are none. */}}

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
A hash of the certificates, as an annotation of pods: a process reads them at its start, so other ones need other pods. Those of a
ConfigMap or Secret are looked up in the cluster, which `helm template` and Argo CD cannot do: then there is none.
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
