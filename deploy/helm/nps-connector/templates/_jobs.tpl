{{/* Whether jobs are hooks, which run before anything else of a release. At a first install of a
     chart that also makes the database or the Secrets, they would wait for what comes after them:
     then they are ordinary jobs, tried again until both are there, and the pods start anew until
     the tables are. At an upgrade both exist, and they are hooks again. */}}
{{- define "nps.jobs.hooks" -}}
{{- if not (and .Release.IsInstall (or .Values.cloudNativePG.enabled .Values.externalSecrets.enabled)) -}}
true
{{- end -}}
{{- end -}}

{{- define "nps.jobs.wanted" -}}
{{- $jobs := list -}}
{{- if .Values.jobs.provision }}{{ $jobs = append $jobs "provision" }}{{ end -}}
{{- if .Values.jobs.migrate }}{{ $jobs = append $jobs "migrate" }}{{ end -}}
{{- if and .Values.jobs.topics (not .Values.strimzi.enabled) }}{{ $jobs = append $jobs "topics" }}{{ end -}}
{{- $jobs | toJson -}}
{{- end -}}

{{/* In: root, weight (hooks run in its order). */}}
{{- define "nps.jobs.annotations" -}}
{{- if include "nps.jobs.hooks" .root -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
{{- end -}}

{{/* What a job runs. In: root, name. */}}
{{- define "nps.jobs.pod" -}}
metadata:
  labels:
    {{- include "nps.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    {{- with .root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "nps.fullname" .root }}-jobs
  {{- include "nps.pod.common" .root | nindent 2 }}
  # Of a failed try the log stays.
  restartPolicy: Never
  containers:
    - name: {{ .name }}
      {{- include "nps.container.common" .root | nindent 6 }}
      args: [services, {{ .name }}]
      env:
        {{- if eq .name "topics" }}
        {{- include "nps.kafka.env" . | nindent 8 }}
        {{- else }}
        {{- include "nps.database.env" (dict "root" .root "user" .root.Values.database.adminUser "secret" (include "nps.database.adminSecret" .root) "key" .root.Values.database.adminPasswordKey) | nindent 8 }}
        {{- end }}
        {{- if and (eq .name "provision") (not .root.Values.cloudNativePG.enabled) }}
        {{- range list "ingest" "segmenter" "dispatcher" }}
        {{- $service := get $.root.Values . }}
        - name: NPS_PASSWORD_{{ upper . }}
          valueFrom:
            secretKeyRef:
              name: {{ $service.databaseSecret }}
              key: {{ $service.databasePasswordKey }}
        {{- end }}
        {{- end }}
      resources:
        {{- toYaml .root.Values.jobs.resources | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if eq .name "topics" }}
        {{- with include "nps.kafka.mount" .root }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- if eq .name "topics" }}
    {{- with include "nps.kafka.volume" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
{{- end -}}
