{{/*
A Role named `.name` with `.rules` (YAML), or a ClusterRole when `.clusterWide` is set. `.namespace`, `.component`, `.own` and `.wave`
are passed to the template smschannel.metadata.
*/}}
{{- define "smschannel.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "ClusterRole" "Role" (not (not .clusterWide)) }}
metadata:
  {{- include "smschannel.metadata" . | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
{{- end }}

{{/*
Binds a Role, or a ClusterRole when `.clusterWide` is set, to the ServiceAccounts `.accounts` of the release's namespace. `.of` names
the bound role, which by default has the name of the binding.
*/}}
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

{{/*
The operator's rights on its kinds. It writes status by server-side apply and finalizers by a merge patch, and both need only the verb
`patch`. It creates and deletes no object of these kinds.
*/}}
{{- define "smschannel.kindsRules" -}}
- apiGroups: [smschannel.dev]
  resources: [workstreams, smsnumbers, operatinghours, queues, agents]
  verbs: [get, list, watch, patch]
- apiGroups: [smschannel.dev]
  resources: [workstreams/status, smsnumbers/status, operatinghours/status, queues/status, agents/status]
  verbs: [get, list, watch, patch]
{{- end }}

{{/* The operator's rights in watched namespaces. Kubernetes has no way to grant only "the Secrets that a WorkStream names". */}}
{{- define "smschannel.watchedRules" -}}
# The operator watches only the metadata of Secrets. It reads the content of a Secret only when a WorkStream names it.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
# For the namespace's UID: a namespace that was deleted and created again is another tenant.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* The operator's rights in its own namespace: on its Lease, and on the Secrets in which it keeps its records. */}}
{{- define "smschannel.ownRules" -}}
# Kubernetes cannot limit `create` by name, because the name may not be known yet when the request is authorized.
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
# The Secret `{{ include "smschannel.instance" . }}-previous-{uid of an SmsNumber}` keeps a number's former webhook.
# The names of these Secrets are not known beforehand, so this rule cannot list them.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, delete]
{{- end }}

{{/* Renders `yes` when the operator has its rights on the kinds in all namespaces, and nothing otherwise. */}}
{{- define "smschannel.kindsAreClusterWide" -}}
{{- if or .Values.rbac.clusterWideKinds (not .Values.watchNamespaces) }}yes{{ end }}
{{- end }}
