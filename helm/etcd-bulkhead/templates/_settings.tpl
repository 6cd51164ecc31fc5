{{/*
What the sidecar and the gateway have in common: flags, mounts and volumes. Every flag names a file of a mount below.
*/}}

{{- define "etcd-bulkhead.flags" -}}
- --endpoints={{ join "," .Values.etcd.endpoints }}
{{- if not .Values.config.tenants }}
- --namespace={{ .Values.namespace }}
{{- end }}
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
{{- with .Values.etcd.password }}
{{- if .secretName }}
- --user={{ required "etcd.user is required with etcd.password.secretName" $.Values.etcd.user }}
- --password-file=/etc/etcd-bulkhead/etcd-password/{{ .key }}
{{- end }}
{{- end }}
{{- with .Values.clients.tls }}
{{- if .secretName }}
- --cert-file=/etc/etcd-bulkhead/client-tls/{{ .certificateKey }}
- --key-file=/etc/etcd-bulkhead/client-tls/{{ .privateKeyKey }}
{{- if .clientCertAuth }}
- --client-cert-auth
- --trusted-ca-file=/etc/etcd-bulkhead/client-tls/{{ .caKey }}
{{- if .crlKey }}
- --client-crl-file=/etc/etcd-bulkhead/client-tls/{{ .crlKey }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.clients.users }}
{{- if .secretName }}
- --users-file=/etc/etcd-bulkhead/users/{{ .key }}
{{- end }}
{{- end }}
{{- with .Values.clients.tokenKeys }}
{{- if .secretName }}
- --token-key-file=/etc/etcd-bulkhead/token-keys/{{ .key }}
{{- end }}
{{- end }}
{{- with .Values.leaseSecret }}
{{- if .secretName }}
- --lease-secret-file=/etc/etcd-bulkhead/lease-secret/{{ .key }}
{{- end }}
{{- end }}
{{- if .Values.config }}
- --config=/etc/etcd-bulkhead/config/config.yaml
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The Secrets by the names of their folders, as YAML. Mounted as folders, because Kubernetes updates those. */}}
{{- define "etcd-bulkhead.secrets" -}}
etcd-tls: {{ .Values.etcd.tls.secretName | quote }}
etcd-password: {{ .Values.etcd.password.secretName | quote }}
client-tls: {{ .Values.clients.tls.secretName | quote }}
users: {{ .Values.clients.users.secretName | quote }}
token-keys: {{ .Values.clients.tokenKeys.secretName | quote }}
lease-secret: {{ .Values.leaseSecret.secretName | quote }}
{{- end }}

{{/* Entries of volumeMounts; may be empty. */}}
{{- define "etcd-bulkhead.mounts" -}}
{{- if .Values.config }}
- { name: etcd-bulkhead-config, mountPath: /etc/etcd-bulkhead/config, readOnly: true }
{{- end }}
{{- range $folder, $secret := include "etcd-bulkhead.secrets" . | fromYaml }}
{{- if $secret }}
- { name: etcd-bulkhead-{{ $folder }}, mountPath: /etc/etcd-bulkhead/{{ $folder }}, readOnly: true }
{{- end }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "etcd-bulkhead.volumes" -}}
{{- if .Values.config }}
- name: etcd-bulkhead-config
  configMap: { name: {{ include "etcd-bulkhead.configMapName" . }} }
{{- end }}
{{- range $folder, $secret := include "etcd-bulkhead.secrets" . | fromYaml }}
{{- if $secret }}
- name: etcd-bulkhead-{{ $folder }}
  secret: { secretName: {{ $secret }} }
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The part of a container that is equal in both modes. Takes the context, `heap` and `resources`. */}}
{{- define "etcd-bulkhead.runtime" -}}
image: {{ include "etcd-bulkhead.image" .context | quote }}
imagePullPolicy: {{ .context.Values.image.pullPolicy }}
env:
  - name: NODE_OPTIONS
    value: --max-old-space-size={{ .heap.oldMiB }} --max-semi-space-size={{ .heap.youngMiB }}
  {{- with .context.Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- toYaml .context.Values.securityContext | nindent 2 }}
# The last log lines are shown in the pod's status if the container fails.
terminationMessagePolicy: FallbackToLogsOnError
{{- with include "etcd-bulkhead.mounts" .context | trim }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Probes depend on this process only, never on etcd. */}}
{{- define "etcd-bulkhead.probes" -}}
startupProbe:
  httpGet: { path: /startupz, port: bulkhead-admin }
  {{- toYaml .Values.probes.startup | nindent 2 }}
livenessProbe:
  httpGet: { path: /livez, port: bulkhead-admin }
  {{- toYaml .Values.probes.liveness | nindent 2 }}
{{- end }}

{{- define "etcd-bulkhead.readinessProbe" -}}
readinessProbe:
  httpGet: { path: /readyz, port: bulkhead-admin }
  {{- toYaml (omit .Values.probes.readiness "enabled") | nindent 2 }}
{{- end }}

{{- define "etcd-bulkhead.podAnnotations" -}}
{{- with .Values.config -}}
# A changed configuration replaces the pod.
etcd-bulkhead/config-checksum: {{ toYaml . | sha256sum }}
{{- end }}
{{- end }}
