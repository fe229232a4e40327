{{/* What the pods of all processes have in common. Each takes a dict with `root`; some more. */}}

{{/* Pod spec: who runs where. `.serviceAccount` is a suffix; `.token` says whether the process speaks to Kubernetes. */}}
{{- define "smschannel.podSpec" -}}
serviceAccountName: {{ include "smschannel.fullname" .root }}-{{ .serviceAccount }}
automountServiceAccountToken: {{ .token }}
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Pod spec of a Deployment: `.component`, and its `.values`. Not fitting the spread is better than not running. */}}
{{- define "smschannel.spread" -}}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    # Of one revision only: else the pods that a rollout replaces would push the new ones together.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "smschannel.selector" $ | nindent 8 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Container: image and what it may not do. */}}
{{- define "smschannel.container" -}}
image: {{ include "smschannel.image" (dict "image" .root.Values.image "tag" .root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{ include "smschannel.containerSecurity" . }}
{{- end }}

{{- define "smschannel.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/*
Start, alive and ready apart. Started: the process answers at all. Alive: only a restart would help when this fails. Ready:
it has what it needs; the text of /readyz says what is missing.
*/}}
{{- define "smschannel.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{/* Environment of every process that goes by `logLevel`. */}}
{{- define "smschannel.env" -}}
- name: LOG_LEVEL
  value: {{ .root.Values.logLevel }}
{{ include "smschannel.noRoot" . }}
{{- end }}

{{/* Environment of every process. Whatever becomes of the security contexts: none of this chart's runs as root. */}}
{{- define "smschannel.noRoot" -}}
- name: REFUSE_ROOT
  value: "true"
{{- end }}

{{/* Environment of a process that speaks to Kubernetes. */}}
{{- define "smschannel.kubeEnv" -}}
- name: OPERATOR_NAMESPACE
  valueFrom:
    fieldRef: { fieldPath: metadata.namespace }
- name: INSTANCE
  value: $(OPERATOR_NAMESPACE)/{{ include "smschannel.instance" .root }}
- name: ROUTE_SHARDS
  value: {{ .root.Values.routeShards | quote }}
{{- end }}

{{/* Environment of a process that speaks to Twilio. */}}
{{- define "smschannel.twilioEnv" -}}
{{- with .root.Values.twilio.baseUrl }}
- name: TWILIO_BASE_URL
  value: {{ . | quote }}
{{- end }}
{{- with .root.Values.proxy.https }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .root.Values.proxy.http }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .root.Values.proxy.exclude }}
- name: NO_PROXY
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Authorities to trust, for every process that opens TLS connections: three parts of a pod. */}}
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
{{- if $trust.configMap -}}
- name: trust
  configMap:
    name: {{ $trust.configMap }}
    items: [{ key: {{ $trust.key | quote }}, path: ca.crt }]
{{- else if $trust.secret -}}
- name: trust
  secret:
    secretName: {{ $trust.secret }}
    items: [{ key: {{ $trust.key | quote }}, path: ca.crt }]
{{- end }}
{{- end }}
