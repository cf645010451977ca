{{- /* What the pods of the workers and of the topics' hook have in common. */ -}}

{{- define "badge-streams.podSettings" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
{{- with concat (.Values.imagePullSecrets | default list) (.Values.image.pullSecrets | default list) }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "string" . }}{{ . }}{{ else }}{{ .name }}{{ end }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Labels of a pod of one component: (list $ "tracker"). What selects pods wins over what an operator adds. */ -}}
{{- define "badge-streams.podLabels" -}}
{{- $root := index . 0 }}
{{- $own := include "badge-streams.selectorLabels" $root | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/component" (index . 1) }}
{{- toYaml (merge $own ($root.Values.podLabels | default dict)) }}
{{- end }}

{{- define "badge-streams.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "badge-streams.image" -}}
{{- if .Values.image.digest }}
image: "{{ .Values.image.repository }}@{{ .Values.image.digest }}"
{{- else }}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
{{- end }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "badge-streams.env" -}}
- name: BADGES_KAFKA
  value: {{ .Values.kafka.bootstrap | quote }}
- name: BADGES_KAFKA_SECURITY_PROTOCOL
  value: {{ .Values.kafka.securityProtocol }}
{{- if hasPrefix "SASL_" .Values.kafka.securityProtocol }}
- name: BADGES_KAFKA_SASL_MECHANISM
  value: {{ .Values.kafka.saslMechanism }}
{{- if ne "OAUTHBEARER" .Values.kafka.saslMechanism }}
- name: BADGES_KAFKA_USERNAME
  value: {{ required "kafka.username is needed for SASL" .Values.kafka.username | quote }}
{{- end }}
- name: BADGES_KAFKA_PASSWORD_FILE
  value: /etc/badge-streams/secrets/kafka-password
{{- end }}
{{- if .Values.kafka.caSecret.name }}
- name: BADGES_KAFKA_CA_FILE
  value: /etc/badge-streams/secrets/kafka-ca.crt
{{- end }}
{{- if .Values.kafka.clientCertSecret }}
- name: BADGES_KAFKA_CERT_FILE
  value: /etc/badge-streams/secrets/kafka-client.crt
- name: BADGES_KAFKA_KEY_FILE
  value: /etc/badge-streams/secrets/kafka-client.key
{{- end }}
{{- if .Values.registry.caSecret.name }}
- name: BADGES_REGISTRY_CA_FILE
  value: /etc/badge-streams/secrets/registry-ca.crt
{{- end }}
- name: BADGES_REGISTRY
  value: {{ .Values.registry.url | quote }}
{{- with .Values.registry.username }}
- name: BADGES_REGISTRY_USERNAME
  value: {{ . | quote }}
- name: BADGES_REGISTRY_PASSWORD_FILE
  value: /etc/badge-streams/secrets/registry-password
{{- end }}
{{- if .Values.redis.url }}
- name: BADGES_BUS
  value: redis
- name: BADGES_REDIS
  value: {{ .Values.redis.url | quote }}
- name: BADGES_REDIS_STREAM_MAX_LEN
  value: {{ .Values.redis.streamMaxLen | toString | quote }}
{{- with .Values.redis.username }}
- name: BADGES_REDIS_USERNAME
  value: {{ . | quote }}
{{- end }}
{{- if .Values.redis.passwordSecret.name }}
- name: BADGES_REDIS_PASSWORD_FILE
  value: /etc/badge-streams/secrets/redis-password
{{- end }}
{{- if .Values.redis.caSecret.name }}
- name: BADGES_REDIS_CA_FILE
  value: /etc/badge-streams/secrets/redis-ca.crt
{{- end }}
{{- end }}
{{- if .Values.pages.tokenSecret.name }}
- name: BADGES_HTTP_TOKEN_FILE
  value: /etc/badge-streams/secrets/http-token
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: BADGES_{{ $name | snakecase | upper }}
  value: {{ if kindIs "string" $value }}{{ $value | quote }}{{ else if kindIs "slice" $value }}{{ join "," $value | quote }}{{ else }}{{ toJson $value | quote }}{{ end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* What the API has besides. */ -}}
{{- define "badge-streams.apiEnv" -}}
{{- with .Values.api }}
- name: BADGES_API_HTTP
  value: "*:8050"
- name: BADGES_API_STORE
  value: /var/lib/badge-streams/store.sqlite
{{- if .keysSecret.name }}
- name: BADGES_API_KEYS_FILE
  value: /etc/badge-streams/lms-keys/keys
{{- else }}
- name: BADGES_API_KEYS_URL
  value: {{ required "api.keysSecret.name or api.keysUrl is needed by the API: the LMS's public keys" .keysUrl | quote }}
{{- end }}
- name: BADGES_API_ISSUERS
  value: {{ required "api.issuers is needed by the API: who signs the LMS's tokens" (join "," .issuers) | quote }}
- name: BADGES_API_AUDIENCE
  value: {{ .audience | quote }}
- name: BADGES_API_ORIGINS
  value: {{ join "," .origins | quote }}
- name: BADGES_API_PROXIES
  value: {{ join "," .proxies | quote }}
- name: BADGES_API_PUBLIC_PAGES
  value: {{ .publicPages | toString | quote }}
- name: BADGES_API_LEARNER_RATE
  value: {{ .learnerRate | toString | quote }}
- name: BADGES_API_ADDRESS_RATE
  value: {{ .addressRate | toString | quote }}
- name: BADGES_CONSOLE_WRITES
  value: {{ .console.writes | toString | quote }}
- name: BADGES_CONSOLE_WORKERS
  value: {{ join "," .console.workers | quote }}
{{- end }}
{{- end }}

{{- define "badge-streams.envFrom" -}}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "badge-streams.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if include "badge-streams.secretSources" . | trim }}
- name: secrets
  mountPath: /etc/badge-streams/secrets
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "badge-streams.volumes" -}}
- name: tmp
  emptyDir: {}
{{- with include "badge-streams.secretSources" . | trim }}
- name: secrets
  projected:
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "badge-streams.secretSources" -}}
{{- if hasPrefix "SASL_" .Values.kafka.securityProtocol }}
- secret:
    name: {{ required "kafka.passwordSecret.name is needed for SASL" .Values.kafka.passwordSecret.name }}
    items:
      - key: {{ .Values.kafka.passwordSecret.key }}
        path: kafka-password
{{- end }}
{{- with .Values.kafka.caSecret.name }}
- secret:
    name: {{ . }}
    items:
      - key: {{ $.Values.kafka.caSecret.key }}
        path: kafka-ca.crt
{{- end }}
{{- with .Values.kafka.clientCertSecret }}
- secret:
    name: {{ . }}
    items:
      - key: tls.crt
        path: kafka-client.crt
      - key: tls.key
        path: kafka-client.key
{{- end }}
{{- with .Values.registry.caSecret.name }}
- secret:
    name: {{ . }}
    items:
      - key: {{ $.Values.registry.caSecret.key }}
        path: registry-ca.crt
{{- end }}
{{- if .Values.registry.username }}
- secret:
    name: {{ required "registry.passwordSecret.name is needed with registry.username" .Values.registry.passwordSecret.name }}
    items:
      - key: {{ .Values.registry.passwordSecret.key }}
        path: registry-password
{{- end }}
{{- if .Values.redis.url }}
{{- with .Values.redis.caSecret.name }}
- secret:
    name: {{ . }}
    items:
      - key: {{ $.Values.redis.caSecret.key }}
        path: redis-ca.crt
{{- end }}
{{- with .Values.redis.passwordSecret.name }}
- secret:
    name: {{ . }}
    items:
      - key: {{ $.Values.redis.passwordSecret.key }}
        path: redis-password
{{- end }}
{{- end }}
{{- with .Values.pages.tokenSecret.name }}
- secret:
    name: {{ . }}
    items:
      - key: {{ $.Values.pages.tokenSecret.key }}
        path: http-token
{{- end }}
{{- end }}
