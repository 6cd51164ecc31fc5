{{/*
The templates that other charts include. Each takes the context of this chart: `.` in this chart, and
`(index .Subcharts "etcd-bulkhead")` in a chart that depends on it.

  etcd-bulkhead.container       one entry for initContainers. It must be the first: containers start in this order
                                and stop in reverse order, so the proxy runs before and after all other containers.
                                With sidecar.native=false an entry for containers, also the first
  etcd-bulkhead.volumes         entries for volumes; may be empty
  etcd-bulkhead.podAnnotations  entries for the pod's annotations; may be empty
  etcd-bulkhead.podLabels       an entry for the pod's labels, by which the PodMonitor finds the pod
*/}}

{{- define "etcd-bulkhead.container" -}}
- name: etcd-bulkhead
  {{- if .Values.sidecar.native }}
  # Makes the init container a native sidecar.
  restartPolicy: Always
  {{- else }}
  # The next container starts when this hook has ended.
  lifecycle:
    postStart:
      exec:
        command:
          {{- include "etcd-bulkhead.command" . | fromYamlArray | toYaml | nindent 10 }}
          - wait
          - --admin-addr={{ .Values.admin.host }}:{{ .Values.admin.port }}
          - --timeout={{ mul .Values.probes.startup.periodSeconds .Values.probes.startup.failureThreshold }}s
  {{- end }}
  args:
    - run
    {{- include "etcd-bulkhead.flags" . | nindent 4 }}
    {{- if not .Values.sidecar.native }}
    # Lets the main container of a Job end this one.
    - --admin-shutdown
    {{- end }}
  ports:
    - name: bulkhead-admin
      containerPort: {{ .Values.admin.port }}
  {{- include "etcd-bulkhead.probes" . | nindent 2 }}
  {{- if .Values.probes.readiness.enabled }}
  {{- include "etcd-bulkhead.readinessProbe" . | nindent 2 }}
  {{- end }}
  {{- include "etcd-bulkhead.runtime" (dict "context" . "heap" .Values.heap "resources" .Values.resources) | nindent 2 }}
{{- end }}

{{- define "etcd-bulkhead.podLabels" -}}
etcd-bulkhead/sidecar: "true"
{{- end }}
