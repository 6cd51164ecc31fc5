{{/* Names that several templates have to agree on. */}}

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
{{- /* The chart's name is its alias where a chart depends on it twice. */ -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "etcd-bulkhead.exampleName" -}}
{{- printf "%s-game-server" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Not empty when the container mounts anything. */}}
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
