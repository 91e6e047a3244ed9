{{/* Where Kafka is, and as whom each of us signs in. `name` is a service or `topics`, the job. */}}

{{- define "nps.kafka.tls" -}}
{{- if hasSuffix "SSL" .Values.kafka.securityProtocol }}true{{ end -}}
{{- end -}}

{{- define "nps.kafka.sasl" -}}
{{- if hasPrefix "SASL_" .Values.kafka.securityProtocol }}true{{ end -}}
{{- end -}}

{{/* Whether brokers know who calls: by a password or by a certificate. */}}
{{- define "nps.kafka.known" -}}
{{- if or (include "nps.kafka.sasl" .) .Values.kafka.clientCertificates }}true{{ end -}}
{{- end -}}

{{/* The values that say as whom. In: root, name. */}}
{{- define "nps.kafka.of" -}}
{{- pick (get .root.Values (ternary "jobs" .name (eq .name "topics"))) "kafkaUser" "kafkaSecret" "kafkaPasswordKey" | toJson -}}
{{- end -}}

{{/* In: root, name. */}}
{{- define "nps.kafka.user" -}}
{{- (include "nps.kafka.of" . | fromJson).kafkaUser | default (printf "%s-%s" (include "nps.fullname" .root) .name) -}}
{{- end -}}

{{/* Strimzi makes a Secret of the user's name. In: root, name. */}}
{{- define "nps.kafka.secret" -}}
{{- (include "nps.kafka.of" . | fromJson).kafkaSecret | default (include "nps.kafka.user" .) -}}
{{- end -}}

{{/* In: root, name. */}}
{{- define "nps.kafka.env" -}}
{{- $kafka := .root.Values.kafka -}}
- name: NPS_BUS
  value: kafka
- name: NPS_KAFKA_BOOTSTRAP_SERVERS
  value: {{ $kafka.bootstrapServers | quote }}
- name: NPS_KAFKA_TOPIC_PREFIX
  value: {{ $kafka.topicPrefix | quote }}
- name: NPS_KAFKA_PARTITIONS
  value: {{ $kafka.partitions | quote }}
- name: NPS_KAFKA_REPLICATION
  value: {{ $kafka.replication | quote }}
{{- if ne $kafka.securityProtocol "PLAINTEXT" }}
- name: NPS_KAFKA_SECURITY_PROTOCOL
  value: {{ $kafka.securityProtocol }}
{{- end }}
{{- if include "nps.kafka.sasl" .root }}
- name: NPS_KAFKA_SASL_MECHANISM
  value: {{ $kafka.saslMechanism }}
- name: NPS_KAFKA_SASL_USER
  value: {{ include "nps.kafka.user" . | quote }}
- name: NPS_SECRET_KAFKA
  valueFrom:
    secretKeyRef:
      name: {{ include "nps.kafka.secret" . }}
      key: {{ (include "nps.kafka.of" . | fromJson).kafkaPasswordKey }}
{{- end }}
{{- if $kafka.caSecret }}
- name: NPS_KAFKA_TLS_CA
  value: /etc/nps-kafka/ca.crt
{{- end }}
{{- if $kafka.clientCertificates }}
- name: NPS_KAFKA_TLS_CERTIFICATE
  value: /etc/nps-kafka/user.crt
- name: NPS_KAFKA_TLS_KEY
  value: /etc/nps-kafka/user.key
{{- end }}
{{- if and (include "nps.kafka.tls" .root) (not $kafka.checkHostname) }}
- name: NPS_KAFKA_TLS_CHECK_HOSTNAME
  value: "false"
{{- end }}
{{- end -}}

{{/* The files of certificates, mounted; nothing where there are none. */}}
{{- define "nps.kafka.mount" -}}
{{- if or .Values.kafka.caSecret .Values.kafka.clientCertificates -}}
- name: kafka
  mountPath: /etc/nps-kafka
  readOnly: true
{{- end -}}
{{- end -}}

{{/* In: root, name. */}}
{{- define "nps.kafka.volume" -}}
{{- $kafka := .root.Values.kafka -}}
{{- if or $kafka.caSecret $kafka.clientCertificates -}}
- name: kafka
  projected:
    # For the pod's group alone: a key is among them.
    defaultMode: 0440
    sources:
      {{- with $kafka.caSecret }}
      - secret:
          name: {{ . }}
          items: [{key: {{ $kafka.caKey }}, path: ca.crt}]
      {{- end }}
      {{- if $kafka.clientCertificates }}
      - secret:
          name: {{ include "nps.kafka.secret" . }}
          items: [{key: user.crt, path: user.crt}, {key: user.key, path: user.key}]
      {{- end }}
{{- end -}}
{{- end -}}
