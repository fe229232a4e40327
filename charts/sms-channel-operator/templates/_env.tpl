{{/*
The environment variables that the chart gives a process, as a YAML list: those of `smschannel.env.{component}`, the trusted
certificates and the database URLs. Each template in this file takes a dict with `root`, `component`, and `values`, which are the
values of that process.
*/}}
{{- define "smschannel.env" -}}
{{- $database := dict "root" .root "database" (include "smschannel.databaseOf" .component | fromJsonArray) }}
{{- list (include (printf "smschannel.env.%s" .component) .) (include "smschannel.trustEnv" .) (include "smschannel.databaseEnv" $database | trim) | compact | join "\n" }}
{{- end }}

{{- define "smschannel.env.controller" -}}
{{ include "smschannel.logEnv" . }}
{{ include "smschannel.kubeEnv" . }}
{{- if not (include "smschannel.hasEnv" (dict "env" .values.extraEnv "name" "NODE_OPTIONS")) }}
# Keep V8's space for new objects small. With more, memory grows to twice the size of the live objects before garbage is
# collected. Node derives the size of the whole heap from the memory limit.
- name: NODE_OPTIONS
  value: --max-semi-space-size=4
{{- end }}
- name: METRICS_PORT
  value: "9090"
- name: PUBLIC_URL
  value: {{ .root.Values.publicUrl | quote }}
{{- with .root.Values.fallbackPublicUrl }}
- name: FALLBACK_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- if .root.Values.allowInsecurePublicUrl }}
- name: ALLOW_INSECURE_PUBLIC_URL
  value: "true"
{{- end }}
{{- with .root.Values.watchNamespaces }}
- name: WATCH_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
- name: URL_CHECK
  value: {{ .root.Values.urlCheck.mode | quote }}
{{- with .root.Values.urlCheck.address }}
- name: URL_CHECK_ADDRESS
  value: {{ . | quote }}
{{- end }}
- name: RESYNC_INTERVAL
  value: {{ .root.Values.resyncInterval | quote }}
- name: DELETE_TIMEOUT
  value: {{ .root.Values.deleteTimeout | quote }}
- name: MAX_STREAMS_PER_NAMESPACE
  value: {{ .root.Values.maxStreamsPerNamespace | quote }}
{{- with .root.Values.takeOverFrom }}
- name: TAKE_OVER_FROM
  value: {{ . | quote }}
{{- end }}
{{- if .root.Values.tests.enabled }}
- name: TEST_ROUTE
  value: "true"
{{- end }}
{{ include "smschannel.twilioEnv" . }}
{{- end }}

{{- define "smschannel.env.receiver" -}}
{{ include "smschannel.logEnv" . }}
{{ include "smschannel.kubeEnv" . }}
- name: PORT
  value: "8080"
- name: METRICS_PORT
  value: "9090"
- name: SHUTDOWN_DELAY
  value: {{ .root.Values.receiver.shutdownDelaySeconds }}s
{{- end }}

{{- define "smschannel.env.migrations" -}}
{{ include "smschannel.logEnv" . }}
- name: DATABASE_WAIT
  value: {{ .root.Values.migrations.databaseWait | quote }}
- name: CREATE_ROLES
  value: {{ or .root.Values.database.createRoles .root.Values.evaluationDatabase.enabled | quote }}
{{- end }}

{{- define "smschannel.env.release" -}}
{{ include "smschannel.noRoot" . }}
{{ include "smschannel.kubeEnv" . }}
- name: PUBLIC_URL
  value: {{ .root.Values.publicUrl | quote }}
{{- with .root.Values.watchNamespaces }}
- name: WATCH_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
- name: DELETE_TIMEOUT
  value: {{ .root.Values.uninstall.timeout | quote }}
{{ include "smschannel.twilioEnv" . }}
{{- end }}

{{- define "smschannel.env.test" -}}
{{- $fullname := include "smschannel.fullname" .root }}
{{- $secret := printf "%s-test" (include "smschannel.instance" .root) }}
{{- include "smschannel.noRoot" . }}
- name: OPERATOR_NAMESPACE
  valueFrom:
    fieldRef: { fieldPath: metadata.namespace }
- name: PUBLIC_URL
  value: {{ .root.Values.publicUrl | quote }}
- name: RECEIVER_URL
  value: http://{{ $fullname }}-receiver.{{ .root.Release.Namespace }}.svc:{{ .root.Values.receiver.service.port }}
- name: TEST_ACCOUNT_SID
  valueFrom:
    secretKeyRef: { name: {{ $secret | quote }}, key: accountSid }
- name: TEST_AUTH_TOKEN
  valueFrom:
    secretKeyRef: { name: {{ $secret | quote }}, key: authToken }
{{- end }}

{{/* The environment of every process that follows the value `logLevel`. */}}
{{- define "smschannel.logEnv" -}}
- name: LOG_LEVEL
  value: {{ .root.Values.logLevel }}
{{ include "smschannel.noRoot" . }}
{{- end }}

{{/* The environment of every process. With it a process refuses to run as root, even when somebody changes the security contexts. */}}
{{- define "smschannel.noRoot" -}}
- name: REFUSE_ROOT
  value: "true"
{{- end }}

{{/* The environment of a process that calls the Kubernetes API. */}}
{{- define "smschannel.kubeEnv" -}}
- name: OPERATOR_NAMESPACE
  valueFrom:
    fieldRef: { fieldPath: metadata.namespace }
- name: INSTANCE
  value: $(OPERATOR_NAMESPACE)/{{ include "smschannel.instance" .root }}
- name: ROUTE_SHARDS
  value: {{ .root.Values.routeShards | quote }}
{{- end }}

{{/* The environment of a process that calls Twilio. */}}
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

{{/* Renders `yes` when the list `.env` has a variable `.name`, and nothing otherwise. */}}
{{- define "smschannel.hasEnv" -}}
{{- range .env }}
{{- if eq (toString .name) $.name }}yes{{ end }}
{{- end }}
{{- end }}
