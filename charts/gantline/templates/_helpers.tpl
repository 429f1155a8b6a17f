{{- define "gantline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Cut at 50, so that "-selftest" and the suffix of a pod still fit into a label's 63. */}}
{{- define "gantline.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of what is cluster-scoped. A namespace has no dot in it, so no two releases can come to the same name. */}}
{{- define "gantline.clusterName" -}}
{{- printf "%s.%s" .Release.Namespace (include "gantline.fullname" .) -}}
{{- end -}}

{{- define "gantline.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gantline.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "gantline.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The schema keeps these keys out of commonLabels and podLabels: a key given twice is refused by server-side apply. */}}
{{- define "gantline.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "gantline.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
The API group of an entry of resourceTasks. The schema of the values refuses the same kinds, and the operator does; should the schema
be passed over, no right may come of it.
*/}}
{{- define "gantline.group" -}}
{{- $group := contains "/" .apiVersion | ternary (splitList "/" .apiVersion | first) "" -}}
{{- $groups := list "admissionregistration.k8s.io" "apiextensions.k8s.io" "apiregistration.k8s.io" "authentication.k8s.io" "authorization.k8s.io" "certificates.k8s.io" "coordination.k8s.io" "events.k8s.io" "flowcontrol.apiserver.k8s.io" "gantline.dev" "rbac.authorization.k8s.io" -}}
{{- $core := list "bindings" "componentstatuses" "events" "limitranges" "namespaces" "nodes" "persistentvolumeclaims" "persistentvolumes" "pods" "resourcequotas" "secrets" "serviceaccounts" -}}
{{- if or (has $group $groups) (and (not $group) (has .resource $core)) (not (regexMatch "^[a-z][-a-z0-9]*$" .resource)) -}}
{{- fail (printf "resourceTasks: %s %s may not be made by tasks: such objects hold secrets, give rights or are no plain kind" .apiVersion .resource) -}}
{{- end -}}
{{- $group -}}
{{- end -}}

{{/* The component keeps the pods of the hooks out of the Deployment's selector. */}}
{{- define "gantline.operatorSelector" -}}
app.kubernetes.io/name: {{ include "gantline.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* What the pods of the operator and of both hooks have in common. */}}
{{- define "gantline.podSpec" -}}
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "gantline.containerSpec" -}}
image: {{ include "gantline.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
