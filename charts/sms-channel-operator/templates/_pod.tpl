{{/*
What the pods of all processes have in common. Each takes a dict with `root`, `component`, and `values`: the process's own;
some more.
*/}}

{{/* Metadata of a pod template. `.container` is the one that kubectl means when none is named. */}}
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

{{/* Pod spec: who runs where. `.token` says whether the process speaks to Kubernetes. */}}
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

{{/* Where a pod may run: as the process's own values say, else as those of all pods do. */}}
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

{{/* How the pods of a Deployment spread. Not fitting is better than not running. */}}
{{- define "smschannel.spread" -}}
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

{{/* How a Deployment replaces its pods. `rollingUpdate` stays a default when another type is chosen, and Kubernetes refuses both. */}}
{{- define "smschannel.strategy" -}}
{{- if eq .values.strategy.type "RollingUpdate" }}
{{- toYaml .values.strategy }}
{{- else }}
{{- toYaml (omit .values.strategy "rollingUpdate") }}
{{- end }}
{{- end }}

{{/* The one container of a process, with `.args` before the user's; `.ports` and `.probes` are YAML, or nothing. */}}
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

{{/* Volumes of the pod, the chart's and the user's; nothing where there are none. */}}
{{- define "smschannel.podVolumes" -}}
{{- with concat (include "smschannel.volumes" . | fromYamlArray) .values.extraVolumes -}}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Those of the chart, as YAML lists. */}}
{{- define "smschannel.volumes" -}}
{{- $database := dict "root" .root "database" (include "smschannel.databaseOf" .component | fromJsonArray) }}
{{- list (include "smschannel.databaseVolume" $database) (include "smschannel.trustVolume" .) | compact | join "\n" }}
{{- end }}

{{- define "smschannel.mounts" -}}
{{- $database := dict "root" .root "database" (include "smschannel.databaseOf" .component | fromJsonArray) }}
{{- list (include "smschannel.databaseMount" $database) (include "smschannel.trustMount" .) | compact | join "\n" }}
{{- end }}

{{/*
Resources without the amounts that are `none`: an empty one would be refused with all other empty values, as it is mostly a
slip of the pen.
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
