{{/* Where PostgreSQL is, and with which password each of us logs in. */}}

{{- define "nps.database.host" -}}
{{- if .Values.database.host -}}
{{ .Values.database.host }}
{{- else if .Values.cloudNativePG.enabled -}}
{{ include "nps.fullname" . }}-db-rw
{{- end -}}
{{- end -}}

{{- define "nps.database.adminSecret" -}}
{{- if .Values.database.adminSecret -}}
{{ .Values.database.adminSecret }}
{{- else if .Values.cloudNativePG.enabled -}}
{{ include "nps.fullname" . }}-db-superuser
{{- end -}}
{{- end -}}

{{/* In: root, user, secret, key. The password is no part of the URL's text here: the kubelet puts it in. */}}
{{- define "nps.database.env" -}}
- name: DATABASE_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
- name: NPS_DATABASE_URL
  value: {{ printf "postgresql+asyncpg://%s:$(DATABASE_PASSWORD)@%s:%d/%s%s" .user (include "nps.database.host" .root) (int .root.Values.database.port) .root.Values.database.name (ternary (printf "?%s" .root.Values.database.options) "" (ne .root.Values.database.options "")) | quote }}
{{- end -}}
