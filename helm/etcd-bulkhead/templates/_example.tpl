{{/* The example pod, used for both kinds: Pod and Deployment. */}}

{{- define "etcd-bulkhead.examplePod" -}}
metadata:
  labels:
    app.kubernetes.io/name: game-server
    app.kubernetes.io/instance: {{ .Release.Name }}
    {{- include "etcd-bulkhead.podLabels" . | nindent 4 }}
  {{- with include "etcd-bulkhead.podAnnotations" . }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ .Values.example.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    seccompProfile:
      type: RuntimeDefault
  {{- if .Values.sidecar.native }}
  initContainers:
    {{- include "etcd-bulkhead.container" . | nindent 4 }}
  {{- end }}
  containers:
    {{- if not .Values.sidecar.native }}
    {{- include "etcd-bulkhead.container" . | nindent 4 }}
    {{- end }}
    - name: game-server
      image: {{ .Values.example.image | quote }}
      command:
        {{- toYaml .Values.example.command | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        capabilities:
          drop: [ALL]
        readOnlyRootFilesystem: true
  {{- with include "etcd-bulkhead.volumes" . | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}
