{{/*
A Role or ClusterRole `.name` with `.rules` (YAML), or its binding to the ServiceAccounts `.accounts` of the release's namespace.
`.clusterWide` or `.namespace`, `.component`, `.own` and `.wave` are those of the metadata.
*/}}
{{- define "smschannel.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "ClusterRole" "Role" (not (not .clusterWide)) }}
metadata:
  {{- include "smschannel.metadata" . | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
{{- end }}

{{/* `.of`: name of what is bound; absent: that of the binding. `.ofKind`: absent, Role or ClusterRole as the binding is. */}}
{{- define "smschannel.binding" -}}
{{- $kind := ternary "ClusterRole" "Role" (not (not .clusterWide)) -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  {{- include "smschannel.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ default .name .of | quote }}
subjects:
  {{- range .accounts }}
  - kind: ServiceAccount
    name: {{ . | quote }}
    namespace: {{ $.root.Release.Namespace | quote }}
  {{- end }}
{{- end }}

{{/* Status is written by server-side apply, finalizers by a merge patch: both are patches. Nothing is created or deleted. */}}
{{- define "smschannel.kindsRules" -}}
- apiGroups: [smschannel.dev]
  resources: [workstreams, smsnumbers, operatinghours, queues, agents]
  verbs: [get, list, watch, patch]
- apiGroups: [smschannel.dev]
  resources: [workstreams/status, smsnumbers/status, operatinghours/status, queues/status, agents/status]
  verbs: [get, list, watch, patch]
{{- end }}

{{/* In the namespaces that are looked after. Kubernetes cannot grant "the Secrets that a WorkStream names". */}}
{{- define "smschannel.watchedRules" -}}
# Watched as metadata; only those that a WorkStream names are read, by name.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
# For its UID: a namespace that was made anew is another tenant.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* The operator's own: its Lease, and the Secrets that are its memory. */}}
{{- define "smschannel.ownRules" -}}
# Creating cannot be limited by name: an object that is not there yet has none.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ printf "%s-controller" (include "smschannel.instance" .) | quote }}]
  verbs: [get, update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames:
    {{- include "smschannel.shards" (dict "root" . "parts" (list "controller" "receiver")) | nindent 4 }}
  verbs: [get, update]
# `{{ include "smschannel.instance" . }}-previous-{uid of an SmsNumber}`, the webhook as it was before us: names that nobody can list beforehand.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, delete]
{{- end }}

{{/* Where the kinds are seen in all namespaces; nothing where not. */}}
{{- define "smschannel.kindsAreClusterWide" -}}
{{- if or .Values.rbac.clusterWideKinds (not .Values.watchNamespaces) }}yes{{ end }}
{{- end }}
