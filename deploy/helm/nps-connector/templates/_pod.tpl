{{/* What all pods of ours are, jobs too: no token, no service links (they would set NPS_PORT where a
     Service is called `nps`), no root, nothing to write but /tmp. */}}

{{- define "nps.pod.common" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
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
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "nps.container.common" -}}
image: {{ include "nps.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* A Deployment's pod. In: root, name of the service.

     The end of a pod: SIGTERM comes at once, for the process itself makes the pause (a preStop hook
     would leave it in the dark, and ready): not ready, but answering for NPS_DRAIN_S (5); then all
     phases of shared/shutdown.py, 38 s at most: requests 6, tasks 23, those cut off 1, parts 2, the
     bus 5, the rest 1. The grace period (45) is longer than the sum. */}}
{{- define "nps.pod" -}}
{{- $service := get .root.Values .name -}}
{{- $labels := dict "app.kubernetes.io/component" .name -}}
metadata:
  labels:
    {{- include "nps.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    {{- with .root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A changed configuration is a rolling restart.
    checksum/config: {{ .root.Values.config | toJson | sha256sum }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "nps.fullname" .root }}-{{ .name }}
  {{- include "nps.pod.common" .root | nindent 2 }}
  terminationGracePeriodSeconds: {{ .root.Values.terminationGracePeriodSeconds }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      # A pod in the wrong place is better than none.
      whenUnsatisfiable: ScheduleAnyway
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels:
          {{- include "nps.selector" $.root | nindent 10 }}
          app.kubernetes.io/component: {{ $.name }}
    {{- end }}
  containers:
    - name: {{ .name }}
      {{- include "nps.container.common" .root | nindent 6 }}
      args: [services.{{ .name }}]
      ports:
        - name: http
          containerPort: 8080
      env:
        {{- include "nps.database.env" (dict "root" .root "user" (printf "nps_%s" .name) "secret" $service.databaseSecret "key" $service.databasePasswordKey) | nindent 8 }}
        {{- include "nps.kafka.env" . | nindent 8 }}
        - name: NPS_LOG_LEVEL
          value: {{ .root.Values.logLevel }}
        {{- with .root.Values.tracing }}
        {{- if .endpoint }}
        - name: NPS_TRACES
          value: otlp
        - name: OTEL_EXPORTER_OTLP_ENDPOINT
          value: {{ .endpoint }}
        - name: OTEL_TRACES_SAMPLER
          value: parentbased_traceidratio
        - name: OTEL_TRACES_SAMPLER_ARG
          value: {{ .ratio | quote }}
        {{- end }}
        {{- end }}
        - name: NPS_DEFAULT_REGION
          value: {{ .root.Values.defaultRegion | quote }}
        - name: NPS_PLUS_ADDRESSES
          value: {{ .root.Values.plusAddresses | quote }}
        - name: NPS_TRUSTED_PROXIES
          value: {{ .root.Values.trustedProxies | quote }}
        - name: NPS_DRAIN_S
          value: {{ .root.Values.drainSeconds | quote }}
        - name: NPS_MAX_CONNECTIONS
          value: {{ .root.Values.maxConnections | quote }}
        {{- with $service.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      envFrom:
        - secretRef:
            name: {{ .root.Values.existingSecret }}
        {{- with $service.existingSecret }}
        - secretRef:
            name: {{ . }}
        {{- end }}
      resources:
        {{- toYaml $service.resources | nindent 8 }}
      # Started and alive say nothing of Kafka or the database: a restart would not bring them back.
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        failureThreshold: 60
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      volumeMounts:
        # Uploads that are larger than memory should hold are read through a file.
        - name: tmp
          mountPath: /tmp
        {{- with include "nps.kafka.mount" .root }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range $file, $_ := .root.Values.config.files }}
        - name: config
          mountPath: /etc/nps/{{ $file }}
          subPath: {{ $file }}
          readOnly: true
        {{- end }}
        {{- range $file, $_ := .root.Values.config.templates }}
        - name: templates
          mountPath: /etc/nps/templates/{{ $file }}
          subPath: {{ $file }}
          readOnly: true
        {{- end }}
        {{- with $service.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- with include "nps.kafka.volume" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if .root.Values.config.files }}
    - name: config
      configMap:
        name: {{ include "nps.fullname" .root }}-config
    {{- end }}
    {{- if .root.Values.config.templates }}
    - name: templates
      configMap:
        name: {{ include "nps.fullname" .root }}-templates
    {{- end }}
    {{- with $service.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
