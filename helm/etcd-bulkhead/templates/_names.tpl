{{/* Names that several templates use. */}}

{{- define "etcd-bulkhead.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "etcd-bulkhead.configMapName" -}}
{{- /* If a chart depends on this chart twice, .Chart.Name is the alias. */ -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "etcd-bulkhead.exampleName" -}}
{{- printf "%s-game-server" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Not empty if the container has volume mounts. */}}
{{- define "etcd-bulkhead.hasMounts" -}}
{{- if or .Values.config .Values.etcd.tls.secretName .Values.clients.tls.secretName .Values.extraVolumeMounts -}}
true
{{- end -}}
{{- end }}

{{- define "etcd-bulkhead.labels" -}}
app.kubernetes.io/name: etcd-bulkhead
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
