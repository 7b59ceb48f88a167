{{/* Name of the operator's objects: quoin-operator for a release called quoin. */}}
{{- define "quoin.name" -}}
{{- if contains "quoin" .Release.Name -}}
{{- printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-quoin-operator" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "quoin.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "quoin.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "set serviceAccount.name to the ServiceAccount to use, or serviceAccount.create to true" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "quoin.selector" -}}
app.kubernetes.io/name: quoin-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "quoin.labels" -}}
{{ include "quoin.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "quoin.image" -}}
{{- with .Values.image -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end -}}

{{/* What the pods of the operator and of the test may do: no more than the "restricted" standard. */}}
{{- define "quoin.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{- define "quoin.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Flags the operator and its check share. */}}
{{- define "quoin.scopeArgs" -}}
{{- with .Values.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
- --leader-election-name={{ include "quoin.name" . }}
{{- end -}}

{{/* apiVersion is what the API server fills in: without it a second tool that applies on the server conflicts. */}}
{{- define "quoin.podEnv" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}
{{- end -}}
