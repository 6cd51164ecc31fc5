{{/* Names and labels that several templates use. */}}

{{- define "etcd-bulkhead.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* If a chart depends on this chart twice, .Chart.Name is the alias. */}}
{{- define "etcd-bulkhead.fullName" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "etcd-bulkhead.configMapName" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "etcd-bulkhead.gatewayName" -}}
{{- printf "%s-gateway" (include "etcd-bulkhead.fullName" .) -}}
{{- end }}

{{- define "etcd-bulkhead.exampleName" -}}
{{- printf "%s-game-server" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "etcd-bulkhead.labels" -}}
app.kubernetes.io/name: etcd-bulkhead
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* What selects the pods of the gateway. It must not change during an upgrade. */}}
{{- define "etcd-bulkhead.gatewaySelector" -}}
app.kubernetes.io/name: etcd-bulkhead
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{/* The command line in the image, for hooks and tests: an exec does not use the entry point of the image. */}}
{{- define "etcd-bulkhead.command" -}}
[/nodejs/bin/node, /app/dist/main.js]
{{- end }}
