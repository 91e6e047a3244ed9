{{/* What each pod may reach, as rules of a NetworkPolicy. */}}

{{/* Ports as a list of ports. In: a list of numbers or texts. */}}
{{- define "nps.network.ports" -}}
{{- $lines := list -}}
{{- range . }}{{ $lines = append $lines (printf "- {protocol: TCP, port: %v}" .) }}{{ end -}}
{{- join "\n" $lines -}}
{{- end -}}

{{- define "nps.network.dns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dnsPeers | nindent 4 }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{- define "nps.network.database" -}}
- to:
    {{- with .Values.networkPolicy.databasePeers }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    - podSelector: {matchLabels: {cnpg.io/cluster: {{ include "nps.fullname" . }}-db}}
    {{- end }}
  ports:
    - {protocol: TCP, port: {{ int .Values.database.port }}}
{{- end -}}

{{- define "nps.network.kafka" -}}
- to:
    {{- with .Values.networkPolicy.kafkaPeers }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .Values.strimzi.namespace | default .Release.Namespace }}}}
      podSelector: {matchLabels: {strimzi.io/cluster: {{ .Values.strimzi.cluster }}}}
    {{- end }}
  ports:
    {{- $ports := .Values.networkPolicy.kafkaPorts }}
    {{- if not $ports }}
    {{- range splitList "," .Values.kafka.bootstrapServers }}
    {{- $ports = append $ports (regexFind "[0-9]+$" (trim .) | default "9092" | int) }}
    {{- end }}
    {{- end }}
    {{- include "nps.network.ports" (uniq $ports) | nindent 4 }}
{{- end -}}

{{/* The collector of traces, at the port of its address. */}}
{{- define "nps.network.tracing" -}}
{{- $known := regexFind ":[0-9]+" (trimPrefix "https:" .Values.tracing.endpoint | trimPrefix "http:") | trimPrefix ":" -}}
{{- $usual := ternary 443 80 (hasPrefix "https:" .Values.tracing.endpoint) -}}
- to:
    {{- toYaml .Values.networkPolicy.tracingPeers | nindent 4 }}
  ports:
    - {protocol: TCP, port: {{ $known | default $usual | int }}}
{{- end -}}

{{/* The internet without what is private. In: root, ports. */}}
{{- define "nps.network.internet" -}}
{{- $six := list -}}
{{- $four := list -}}
{{- range .root.Values.networkPolicy.privateRanges -}}
{{- if contains ":" . }}{{ $six = append $six . }}{{ else }}{{ $four = append $four . }}{{ end -}}
{{- end -}}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        {{- with $four }}
        except:
          {{- toYaml . | nindent 10 }}
        {{- end }}
    - ipBlock:
        cidr: ::/0
        {{- with $six }}
        except:
          {{- toYaml . | nindent 10 }}
        {{- end }}
  ports:
    {{- include "nps.network.ports" .ports | nindent 4 }}
{{- end -}}

{{/* Private networks that are called all the same. In: networks, ports. */}}
{{- define "nps.network.private" -}}
- to:
    {{- range .networks }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  ports:
    {{- include "nps.network.ports" .ports | nindent 4 }}
{{- end -}}

{{/* Whether ingest calls the internet: said, or read out of the sources in values. An entry calls if
     it has `fetch` or `reconcile`, or a preset that fetches. */}}
{{- define "nps.network.ingestCalls" -}}
{{- if eq .Values.ingest.internet "true" -}}
true
{{- else if eq .Values.ingest.internet "auto" -}}
{{- $file := get .Values.config.files "sources.yaml" | default "" | fromYaml -}}
{{- $found := dict -}}
{{- range $name, $source := $file.sources -}}
{{- if or (hasKey $source "fetch") (hasKey $source "reconcile") (has $source.preset (list "qualtrics" "surveymonkey")) -}}
{{- $_ := set $found "calls" true -}}
{{- end -}}
{{- end -}}
{{- if $found.calls }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/* Ports that the dispatcher calls: 443, those said, and those of SMTP targets in values. */}}
{{- define "nps.network.dispatcherPorts" -}}
{{- $ports := concat (list 443) .Values.dispatcher.ports -}}
{{- $file := get .Values.config.files "targets.yaml" | default "" | fromYaml -}}
{{- range $name, $target := $file.targets -}}
{{- if and (eq $target.preset "smtp") (ne (toString $target.enabled) "false") -}}
{{- $ports = append $ports (dig "vars" "port" 587 $target) -}}
{{- end -}}
{{- end -}}
{{- $numbers := list -}}
{{- range $ports }}{{ $numbers = append $numbers (int .) }}{{ end -}}
{{- uniq $numbers | sortAlpha | toJson -}}
{{- end -}}
