{{/*
What the pods of all processes have in common. Each template in this file takes a dict with `root`, `component`, and `values`, which
are the values of that process. Some templates take more.
*/}}

{{/* The metadata of a pod template. `.container` names the container that kubectl uses by default. */}}
{{- define "smschannel.podMetadata" -}}
{{- $annotations := dict }}
{{- with .container }}
{{- $_ := set $annotations "kubectl.kubernetes.io/default-container" . }}
{{- with include "smschannel.trustChecksum" $.root }}
{{- $_ := set $annotations "checksum/trusted-certificates" . }}
{{- end }}
{{- end -}}
labels:
  {{- mustMerge (include "smschannel.selector" . | fromYaml) .values.podLabels .root.Values.commonLabels | toYaml | nindent 2 }}
{{- with mustMerge $annotations .values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "smschannel.serviceAccount" -}}
{{- default (printf "%s-%s" (include "smschannel.fullname" .root) .component) .values.serviceAccount.name }}
{{- end }}

{{/* The pod spec without its containers. `.token` says whether the pod gets a token, which it needs to call the Kubernetes API. */}}
{{- define "smschannel.podSpec" -}}
serviceAccountName: {{ include "smschannel.serviceAccount" . | quote }}
automountServiceAccountToken: {{ .token }}
enableServiceLinks: false
{{- with include "smschannel.imagePullSecrets" .root }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .values.dnsPolicy }}
dnsPolicy: {{ . | quote }}
{{- end }}
{{- with .values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "smschannel.placement" . }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where a pod may run. The values of its process override the values for all pods. */}}
{{- define "smschannel.placement" -}}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with default .root.Values.nodeSelector .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default .root.Values.tolerations .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* How the pods of a Deployment spread over zones and nodes. The default only prefers an even spread, so that every pod can run. */}}
{{- define "smschannel.spread" -}}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    # Count pods of the same revision only. Otherwise the old pods of a rollout would crowd the new pods together.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "smschannel.selector" $ | nindent 8 }}
{{- end }}
{{- end }}
{{- end }}

{{/*
How a Deployment replaces its pods. The chart's default for `rollingUpdate` is left out when the user chooses another type, because
Kubernetes refuses the two together.
*/}}
{{- define "smschannel.strategy" -}}
{{- if eq .values.strategy.type "RollingUpdate" }}
{{- toYaml .values.strategy }}
{{- else }}
{{- toYaml (omit .values.strategy "rollingUpdate") }}
{{- end }}
{{- end }}

{{/* The only container of a process. `.args` come before the user's arguments. `.ports` and `.probes` are YAML, or absent. */}}
{{- define "smschannel.container" -}}
- name: {{ .component }}
  image: {{ include "smschannel.image" (dict "root" .root "image" .root.Values.image "tag" .root.Chart.AppVersion) | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  securityContext:
    {{- toYaml .root.Values.containerSecurityContext | nindent 4 }}
  args: {{ concat .args .values.extraArgs | toJson }}
  env:
    {{- include "smschannel.env" . | nindent 4 }}
    {{- with .values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .ports }}
  ports:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .probes }}
  {{- . | nindent 2 }}
  {{- end }}
  resources:
    {{- include "smschannel.resources" .values.resources | nindent 4 }}
  {{- with concat (include "smschannel.mounts" . | fromYamlArray) .values.extraVolumeMounts }}
  volumeMounts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* All volumes of a pod, the chart's and the user's. Renders nothing when there are none. */}}
{{- define "smschannel.podVolumes" -}}
{{- with concat (include "smschannel.volumes" . | fromYamlArray) .values.extraVolumes -}}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The volumes, and below them the mounts, that the chart adds to a pod, as YAML lists. */}}
{{- define "smschannel.volumes" -}}
{{- $database := dict "root" .root "database" (include "smschannel.databaseOf" .component | fromJsonArray) }}
{{- list (include "smschannel.databaseVolume" $database) (include "smschannel.trustVolume" .) | compact | join "\n" }}
{{- end }}

{{- define "smschannel.mounts" -}}
{{- $database := dict "root" .root "database" (include "smschannel.databaseOf" .component | fromJsonArray) }}
{{- list (include "smschannel.databaseMount" $database) (include "smschannel.trustMount" .) | compact | join "\n" }}
{{- end }}

{{/*
Resources without the amounts that are `none`. Users write `none` to remove a default amount. They cannot write an empty value for
this, because the chart refuses every empty value as a likely mistake.
*/}}
{{- define "smschannel.resources" -}}
{{- $kept := pick . "claims" }}
{{- range $kind := list "requests" "limits" }}
{{- $amounts := dict }}
{{- range $name, $amount := get $ $kind }}
{{- if ne (toString $amount) "none" }}
{{- $_ := set $amounts $name $amount }}
{{- end }}
{{- end }}
{{- if $amounts }}
{{- $_ := set $kept $kind $amounts }}
{{- end }}
{{- end }}
{{- toYaml $kept }}
{{- end }}

{{/*
The three probes of a process. The startup probe waits, for a minute at most, until the process answers at all. The liveness probe
fails only when nothing but a restart would help. The readiness probe asks whether the process has what it needs; the text of /readyz
says what is missing.
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
