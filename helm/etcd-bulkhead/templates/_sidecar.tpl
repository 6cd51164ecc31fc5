{{/*
The templates that other charts include. Each takes the context of this chart: `.` in this chart, and
`(index .Subcharts "etcd-bulkhead")` in a chart that depends on it.

  etcd-bulkhead.container       one entry for initContainers. It must be the first: containers start in this order
                                and stop in reverse order, so the proxy runs before and after all other containers
  etcd-bulkhead.volumes         entries for volumes; may be empty
  etcd-bulkhead.podAnnotations  entries for the pod's annotations; may be empty
*/}}

{{- define "etcd-bulkhead.container" -}}
- name: etcd-bulkhead
  image: {{ include "etcd-bulkhead.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  # Makes the init container a native sidecar.
  restartPolicy: Always
  args:
    - run
    - --endpoints={{ join "," .Values.etcd.endpoints }}
    - --namespace={{ .Values.namespace }}
    - --admin-addr={{ .Values.admin.host }}:{{ .Values.admin.port }}
    - --log-level={{ .Values.log.level }}
    {{- with .Values.clients.listenAddresses }}
    - --listen-addr={{ join "," . }}
    {{- end }}
    {{- with .Values.etcd.tls }}
    {{- if .secretName }}
    - --cacert=/etc/etcd-bulkhead/etcd-tls/{{ .caKey }}
    {{- if .clientCertificate }}
    - --cert=/etc/etcd-bulkhead/etcd-tls/{{ .certificateKey }}
    - --key=/etc/etcd-bulkhead/etcd-tls/{{ .privateKeyKey }}
    {{- end }}
    {{- end }}
    {{- end }}
    {{- with .Values.clients.tls }}
    {{- if .secretName }}
    - --cert-file=/etc/etcd-bulkhead/client-tls/{{ .certificateKey }}
    - --key-file=/etc/etcd-bulkhead/client-tls/{{ .privateKeyKey }}
    {{- if .clientCertAuth }}
    - --client-cert-auth
    - --trusted-ca-file=/etc/etcd-bulkhead/client-tls/{{ .caKey }}
    {{- end }}
    {{- end }}
    {{- end }}
    {{- if .Values.config }}
    - --config=/etc/etcd-bulkhead/config/config.yaml
    {{- end }}
    {{- with .Values.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  env:
    - name: NODE_OPTIONS
      value: --max-old-space-size={{ .Values.heap.oldMiB }} --max-semi-space-size={{ .Values.heap.youngMiB }}
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - name: bulkhead-admin
      containerPort: {{ .Values.admin.port }}
  # The next container starts when this probe has succeeded.
  startupProbe:
    httpGet: { path: /startupz, port: bulkhead-admin }
    {{- toYaml .Values.probes.startup | nindent 4 }}
  livenessProbe:
    httpGet: { path: /livez, port: bulkhead-admin }
    {{- toYaml .Values.probes.liveness | nindent 4 }}
  {{- if .Values.probes.readiness.enabled }}
  readinessProbe:
    httpGet: { path: /readyz, port: bulkhead-admin }
    {{- toYaml (omit .Values.probes.readiness "enabled") | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  # The last log lines are shown in the pod's status if the container fails.
  terminationMessagePolicy: FallbackToLogsOnError
  {{- if include "etcd-bulkhead.hasMounts" . }}
  volumeMounts:
    {{- if .Values.config }}
    - { name: etcd-bulkhead-config, mountPath: /etc/etcd-bulkhead/config, readOnly: true }
    {{- end }}
    {{- if .Values.etcd.tls.secretName }}
    - { name: etcd-bulkhead-etcd-tls, mountPath: /etc/etcd-bulkhead/etcd-tls, readOnly: true }
    {{- end }}
    {{- if .Values.clients.tls.secretName }}
    - { name: etcd-bulkhead-client-tls, mountPath: /etc/etcd-bulkhead/client-tls, readOnly: true }
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "etcd-bulkhead.volumes" -}}
{{- if .Values.config }}
- name: etcd-bulkhead-config
  configMap: { name: {{ include "etcd-bulkhead.configMapName" . }} }
{{- end }}
{{- with .Values.etcd.tls.secretName }}
- name: etcd-bulkhead-etcd-tls
  secret: { secretName: {{ . }} }
{{- end }}
{{- with .Values.clients.tls.secretName }}
- name: etcd-bulkhead-client-tls
  secret: { secretName: {{ . }} }
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "etcd-bulkhead.podAnnotations" -}}
{{- with .Values.config -}}
# A changed configuration replaces the pod.
etcd-bulkhead/config-checksum: {{ toYaml . | sha256sum }}
{{- end }}
{{- end }}
