{{/* Mistakes in names: Kubernetes would refuse these names, some of them only in the middle of an upgrade. */}}
{{- define "smschannel.mistakes.names" -}}
{{- $v := .Values }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" (include "smschannel.fullname" .)) }}
{{- if $v.fullnameOverride }}
{{- printf "fullnameOverride is %q: write lower-case letters, digits and dashes, beginning with a letter\n" $v.fullnameOverride }}
{{- else if and $v.nameOverride (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $v.nameOverride)) }}
{{- printf "nameOverride is %q: write lower-case letters, digits and dashes\n" $v.nameOverride }}
{{- else }}
{{- printf "the release is named %q, and Services are named after it: choose a name of lower-case letters, digits and dashes that begins with a letter, or set fullnameOverride and instance\n" .Release.Name }}
{{- end }}
{{- end }}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$" (include "smschannel.instance" .)) }}
{{- if $v.instance }}
{{- printf "instance is %q: write lower-case letters, digits and dashes, 53 at most\n" $v.instance }}
{{- else if $v.fullnameOverride }}
{{- printf "the release is named %q, and Secrets are named after it: choose a name of lower-case letters, digits and dashes, or set instance\n" .Release.Name }}
{{- end }}
{{- end }}
{{- with $v.takeOverFrom }}
{{- if not (regexMatch "^[^/]+/[^/]+$" .) }}
{{- printf "takeOverFrom is %q: write it as in status.managedBy, {namespace}/{release}\n" . }}
{{- end }}
{{- end }}
{{- $paths := list "ingress.className" "ingress.tls.secretName" "database.existingSecret" "database.ownerSecret" "database.receiverSecret" "database.controllerSecret" "evaluationDatabase.storage.className" "trustedCertificates.configMap" "trustedCertificates.secret" "priorityClassName" }}
{{- range $process := list "controller" "receiver" "migrations" "uninstall" "tests" }}
{{- $paths = append $paths (printf "%s.serviceAccount.name" $process) }}
{{- end }}
{{- range $path := $paths }}
{{- with (include "smschannel.at" (dict "values" $v "path" $path) | fromJson).at }}
{{- if not (include "smschannel.isName" .) }}
{{- printf "%s is %q, which is not a valid name of an object: write lower-case letters, digits, dashes and dots\n" $path . }}
{{- end }}
{{- end }}
{{- end }}
{{- range $path := list "database.ownerUrlKey" "database.receiverUrlKey" "database.controllerUrlKey" "trustedCertificates.key" }}
{{- with (include "smschannel.at" (dict "values" $v "path" $path) | fromJson).at }}
{{- if not (regexMatch "^[-._a-zA-Z0-9]{1,253}$" .) }}
{{- printf "%s is %q, which is not a valid key of a Secret: write letters, digits, dashes, dots and underscores\n" $path . }}
{{- end }}
{{- end }}
{{- end }}
{{- range $path := list "imagePullSecrets" "global.imagePullSecrets" }}
{{- range $at, $secret := (include "smschannel.at" (dict "values" $v "path" $path) | fromJson).at }}
{{- $name := kindIs "map" $secret | ternary $secret (dict "name" $secret) }}
{{- if not (include "smschannel.isName" (toString $name.name)) }}
{{- printf "%s[%d] is %s: write the name of a Secret\n" $path $at (toJson $secret) }}
{{- end }}
{{- end }}
{{- end }}
{{- include "smschannel.mistakes.namespaces" . }}
{{- end }}

{{- define "smschannel.isName" -}}
{{- if and (le (len .) 253) (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" .) }}yes{{ end }}
{{- end }}

{{/*
Mistakes in watchNamespaces: invalid names, and namespaces that do not exist. A Role in a missing namespace would fail the install
halfway. The chart can look namespaces up only when it is connected to a cluster. It detects this by listing the Secrets of the
release's namespace, which Helm must be able to do.
*/}}
{{- define "smschannel.mistakes.namespaces" -}}
{{- $online := and .Values.rbac.create .Values.watchNamespaces (lookup "v1" "Secret" .Release.Namespace "") }}
{{- range .Values.watchNamespaces }}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" .) }}
{{- printf "watchNamespaces: %q is not a valid name of a namespace; patterns are not supported\n" . }}
{{- else if and $online (not (lookup "v1" "Namespace" "" .)) }}
{{- printf "watchNamespaces: there is no namespace %q: create it first, or remove it from the list\n" . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels and annotations ---------------------------------------------------------------------------------------------- */}}

{{- define "smschannel.mistakes.labels" -}}
{{- $labels := list "commonLabels" "nodeSelector" "monitoring.labels" "monitoring.rules.labels" "monitoring.dashboard.labels" }}
{{- $annotations := list "commonAnnotations" "ingress.annotations" "httpRoute.annotations" "receiver.service.annotations" "monitoring.dashboard.annotations" }}
{{- range $process := list "controller" "receiver" "migrations" "uninstall" "tests" }}
{{- $labels = append (append $labels (printf "%s.podLabels" $process)) (printf "%s.nodeSelector" $process) }}
{{- $annotations = append (append $annotations (printf "%s.podAnnotations" $process)) (printf "%s.serviceAccount.annotations" $process) }}
{{- if ne $process "tests" }}
{{- $annotations = append $annotations (printf "%s.annotations" $process) }}
{{- end }}
{{- end }}
{{- range $path := $labels }}
{{- range $key, $value := (include "smschannel.at" (dict "values" $.Values "path" $path) | fromJson).at }}
{{- if and (not (hasSuffix "nodeSelector" $path)) (regexMatch "^(app\\.kubernetes\\.io/(name|instance|component|part-of|managed-by|version)|helm\\.sh/chart)$" $key) }}
{{- printf "%s: the chart itself sets the label %q: choose another key\n" $path $key }}
{{- else if not (include "smschannel.isKey" $key) }}
{{- printf "%s: %q is not a valid name of a label: write letters, digits, dashes, dots and underscores, 63 at most, optionally after a domain and a slash\n" $path $key }}
{{- else if not (regexMatch "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$" $value) }}
{{- printf "%s: the label %q is %q: write letters, digits, dashes, dots and underscores, 63 at most\n" $path $key $value }}
{{- end }}
{{- end }}
{{- end }}
{{- range $path := $annotations }}
{{- range $key, $value := (include "smschannel.at" (dict "values" $.Values "path" $path) | fromJson).at }}
{{- if regexMatch "^(helm\\.sh/(hook|hook-weight|hook-delete-policy|resource-policy)|argocd\\.argoproj\\.io/(hook|hook-delete-policy|sync-wave)|kubectl\\.kubernetes\\.io/default-container|checksum/trusted-certificates)$" $key }}
{{- printf "%s: the chart itself sets the annotation %q: choose another key\n" $path $key }}
{{- else if not (include "smschannel.isKey" (lower $key)) }}
{{- printf "%s: %q is not a valid name of an annotation: write letters, digits, dashes, dots and underscores, 63 at most, optionally after a domain and a slash\n" $path $key }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "smschannel.isKey" -}}
{{- $parts := splitList "/" . }}
{{- $name := last $parts }}
{{- if and (le (len $parts) 2) (regexMatch "^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$" $name) }}
{{- if or (eq (len $parts) 1) (include "smschannel.isName" (first $parts)) }}yes{{ end }}
{{- end }}
{{- end }}
