{{/*
How a container reaches Kafka, a schema registry where there is one, and Redis where `redis` says so.
Arguments: root, values (with kafkaSecret, redisSecret), redis.
*/}}
{{- define "musicrec.connectionEnv" -}}
{{- $kafka := .root.Values.kafka -}}
- name: MUSICREC_KAFKA__BOOTSTRAP_SERVERS
  value: {{ required "kafka.bootstrapServers is needed: HOST:PORT of one broker or several, by commas" $kafka.bootstrapServers | quote }}
- name: MUSICREC_KAFKA__SECURITY_PROTOCOL
  value: {{ $kafka.securityProtocol }}
{{- if hasPrefix "SASL" $kafka.securityProtocol }}
{{- $secret := .values.kafkaSecret | default $kafka.existingSecret | required (printf "%s asks for a user: name a Secret in kafka.existingSecret, or in the kafkaSecret of each part" $kafka.securityProtocol) }}
- name: MUSICREC_KAFKA__SASL_MECHANISM
  value: {{ $kafka.saslMechanism }}
- name: MUSICREC_KAFKA__SASL_USERNAME
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $kafka.usernameKey }}}}
- name: MUSICREC_KAFKA__SASL_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $kafka.passwordKey }}}}
{{- end }}
{{- if and (hasSuffix "SSL" $kafka.securityProtocol) $kafka.tls.existingSecret }}
- name: MUSICREC_KAFKA__SSL_CA_FILE
  value: /kafka-tls/ca.crt
{{- if $kafka.tls.clientCertificate }}
- name: MUSICREC_KAFKA__SSL_CERT_FILE
  value: /kafka-tls/tls.crt
- name: MUSICREC_KAFKA__SSL_KEY_FILE
  value: /kafka-tls/tls.key
{{- end }}
{{- end }}
{{- with .root.Values.registry }}
{{- if .url }}
- name: MUSICREC_REGISTRY__URL
  value: {{ .url | quote }}
- name: MUSICREC_REGISTRY__SCHEMA_ID
  value: {{ .schemaId }}
{{- if .existingSecret }}
- name: MUSICREC_REGISTRY__USERNAME
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .usernameKey }}}}
- name: MUSICREC_REGISTRY__PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .passwordKey }}}}
{{- end }}
{{- else if ne .schemaId "none" }}
{{- fail (printf "registry.schemaId %s needs registry.url" .schemaId) }}
{{- end }}
{{- end }}
{{- if .redis }}
{{- $redis := .root.Values.redis }}
{{- $secret := .values.redisSecret | default $redis.existingSecret }}
- name: MUSICREC_REDIS__URL
{{- if $secret }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $redis.urlKey }}}}
{{- else }}
  value: {{ required "redis.url or redis.existingSecret is needed" $redis.url | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Variables that values give, the nearer before the farther.  Arguments: root, values. */}}
{{- define "musicrec.givenEnv" -}}
{{- range $name, $value := mustMerge (deepCopy .values.env) .root.Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* What every container has: two places to write to, and certificates. */}}
{{- define "musicrec.volumeMounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if and (hasSuffix "SSL" .Values.kafka.securityProtocol) .Values.kafka.tls.existingSecret }}
- {name: kafka-tls, mountPath: /kafka-tls, readOnly: true}
{{- end }}
{{- end -}}

{{- define "musicrec.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- if and (hasSuffix "SSL" .Values.kafka.securityProtocol) .Values.kafka.tls.existingSecret }}
- name: kafka-tls
  secret: {secretName: {{ .Values.kafka.tls.existingSecret }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{/*
What every pod has.
Arguments: root, component; serviceAccount, nodeSelector and tolerations instead of those of all pods.
*/}}
{{- define "musicrec.podSpec" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ .serviceAccount | default (include "musicrec.serviceAccountName" .root) }}
{{- /* Nothing here speaks with Kubernetes, and a variable for each service of the namespace is of no use either. */}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext: {{ toYaml $values.podSecurityContext | nindent 2 }}
{{- with $values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .nodeSelector | default $values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations | default $values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.topologySpread }}
{{- $selector := include "musicrec.selector" $ }}
topologySpreadConstraints:
{{- range . }}
  - {{- toYaml . | nindent 4 }}
    labelSelector:
      matchLabels: {{- $selector | nindent 8 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "musicrec.podMetadata" -}}
labels:
  {{- include "musicrec.labels" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .root.Values.podAnnotations }}
annotations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Arguments: root, port (its name). */}}
{{- define "musicrec.probes" -}}
{{- $health := .root.Values.health -}}
startupProbe:
  httpGet: {path: /livez, port: {{ .port }}}
  {{- toYaml $health.startup | nindent 2 }}
livenessProbe:
  httpGet: {path: /livez, port: {{ .port }}}
  {{- toYaml $health.liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: {{ .port }}}
  {{- toYaml $health.readiness | nindent 2 }}
{{- end -}}
