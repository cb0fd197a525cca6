{{/* The server's settings (host/server/src/config/settings.rs), and where their files are mounted. */}}

{{- define "tofu-state.variable" -}}
{{- $value := index . 1 | toString }}
{{- if $value }}
- name: {{ index . 0 }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "tofu-state.environment" -}}
{{- $config := .Values.config }}
{{- $terminated := or $config.tlsTerminated .Values.ingress.enabled .Values.httpRoute.enabled }}
- name: LISTEN_ADDR
  value: ":8080"
- name: ADMIN_ADDR
  value: ":9090"
- name: STORE
  value: {{ $config.store }}
{{- if eq $config.store "openbao" }}
{{- include "tofu-state.variable" (list "BAO_ADDR" $config.baoAddr) }}
{{- include "tofu-state.variable" (list "BAO_NAMESPACE" $config.baoNamespace) }}
{{- include "tofu-state.variable" (list "BAO_MOUNT" $config.baoMount) }}
- name: BAO_TOKEN_FILE
  value: /etc/tofu-state/tokens/BAO_TOKEN
{{- if or $config.baoCa.configMap $config.baoCa.secret }}
- name: BAO_CACERT
  value: /etc/tofu-state/openbao-ca/ca.crt
{{- end }}
{{- else }}
- name: DATA_DIR
  value: /var/lib/tofu-state
{{- end }}
{{- include "tofu-state.variable" (list "STORE_WAIT" $config.storeWait) }}
{{- include "tofu-state.variable" (list "KEEP_VERSIONS" $config.keepVersions) }}
{{- if $config.apiToken }}
- name: API_TOKEN_FILE
  value: /etc/tofu-state/tokens/API_TOKEN
{{- end }}
{{- if $config.tokensFile }}
- name: TOKENS_FILE
  value: /etc/tofu-state/tokens/tokens.toml
{{- end }}
{{- include "tofu-state.variable" (list "TLS_TERMINATED" $terminated) }}
{{- include "tofu-state.variable" (list "MAX_STATE_BYTES" $config.maxStateBytes) }}
{{- include "tofu-state.variable" (list "MAX_BODY_MEMORY" $config.maxBodyMemory) }}
{{- include "tofu-state.variable" (list "PATH_SEGMENTS" $config.pathSegments) }}
{{- include "tofu-state.variable" (list "LOCK_TTL" $config.lockTtl) }}
{{- include "tofu-state.variable" (list "FORCE_UNLOCK" $config.forceUnlock) }}
{{- include "tofu-state.variable" (list "PROTOCOL_COMPONENT" $config.protocolComponent) }}
{{- include "tofu-state.variable" (list "LOG_FORMAT" $config.logFormat) }}
{{- include "tofu-state.variable" (list "RUST_LOG" $config.rustLog) }}
{{- if $config.otelEndpoint }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ $config.otelEndpoint | quote }}
{{- if not (hasKey $config.otel "OTEL_RESOURCE_ATTRIBUTES") }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: "k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME)"
{{- end }}
{{- range $name, $value := $config.otel }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tofu-state.volumeMounts" -}}
- name: tokens
  mountPath: /etc/tofu-state/tokens
  readOnly: true
{{- if and (eq .Values.config.store "openbao") (or .Values.config.baoCa.configMap .Values.config.baoCa.secret) }}
- name: openbao-ca
  mountPath: /etc/tofu-state/openbao-ca
  readOnly: true
{{- end }}
{{- if eq .Values.config.store "embedded" }}
- name: data
  mountPath: /var/lib/tofu-state
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Whole folders are mounted, never single files: a file mounted by `subPath` does not follow its secret. */}}
{{- define "tofu-state.volumes" -}}
- name: tokens
  secret:
    secretName: {{ include "tofu-state.secretName" . }}
    defaultMode: 0440
    items:
      {{- $keys := .Values.existingSecret }}
      {{- if eq .Values.config.store "openbao" }}
      - key: {{ $keys.baoToken }}
        path: BAO_TOKEN
      {{- end }}
      {{- if .Values.config.apiToken }}
      - key: {{ $keys.apiToken }}
        path: API_TOKEN
      {{- end }}
      {{- if .Values.config.tokensFile }}
      - key: {{ $keys.tokensFile }}
        path: tokens.toml
      {{- end }}
{{- if eq .Values.config.store "openbao" }}
{{- with .Values.config.baoCa.configMap }}
- name: openbao-ca
  configMap:
    name: {{ . }}
    items:
      - key: {{ $.Values.config.baoCa.key }}
        path: ca.crt
{{- end }}
{{- with .Values.config.baoCa.secret }}
- name: openbao-ca
  secret:
    secretName: {{ . }}
    items:
      - key: {{ $.Values.config.baoCa.key }}
        path: ca.crt
{{- end }}
{{- else }}
- name: data
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | default (include "tofu-state.fullname" .) }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
