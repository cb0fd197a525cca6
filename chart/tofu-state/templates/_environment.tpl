{{/* The server's settings (host/server/src/config/settings). Files: _volumes.tpl. */}}

{{- define "tofu-state.variable" -}}
{{- $value := index . 1 | toString }}
{{- if $value }}
- name: {{ index . 0 }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "tofu-state.environment" -}}
{{- $config := .Values.config }}
{{- $terminated := and (not .Values.tls.enabled) (or $config.tlsTerminated .Values.ingress.enabled .Values.httpRoute.enabled) }}
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
{{- if eq $config.baoAuth.method "token" }}
- name: BAO_TOKEN_FILE
  value: /etc/tofu-state/tokens/BAO_TOKEN
{{- else if eq $config.baoAuth.method "approle" }}
- name: BAO_ROLE_ID
  value: {{ $config.baoAuth.role | quote }}
- name: BAO_SECRET_ID_FILE
  value: /etc/tofu-state/tokens/BAO_SECRET_ID
{{- else }}
- name: BAO_KUBERNETES_ROLE
  value: {{ $config.baoAuth.role | quote }}
- name: BAO_KUBERNETES_TOKEN_FILE
  value: /etc/tofu-state/openbao-login/token
{{- end }}
{{- include "tofu-state.variable" (list "BAO_AUTH_MOUNT" $config.baoAuth.mount) }}
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
{{- if .Values.tls.enabled }}
- name: TLS_CERT_FILE
  value: /etc/tofu-state/tls/tls.crt
- name: TLS_KEY_FILE
  value: /etc/tofu-state/tls/tls.key
{{- else }}
{{- include "tofu-state.variable" (list "TLS_TERMINATED" $terminated) }}
{{- end }}
{{- include "tofu-state.variable" (list "MAX_STATE_BYTES" $config.maxStateBytes) }}
{{- include "tofu-state.variable" (list "MAX_BODY_MEMORY" $config.maxBodyMemory) }}
{{- include "tofu-state.variable" (list "PATH_SEGMENTS" $config.pathSegments) }}
{{- include "tofu-state.variable" (list "LOCK_TTL" $config.lockTtl) }}
{{- include "tofu-state.variable" (list "FORCE_UNLOCK" $config.forceUnlock) }}
{{- include "tofu-state.variable" (list "PROTOCOL_COMPONENT" $config.protocolComponent) }}
{{- include "tofu-state.variable" (list "PROTOCOL_COMPONENT_FILE" $config.protocolComponentFile) }}
{{- if .Values.policies.file }}
- name: POLICY_FILE
  value: /etc/tofu-state/policies/policies.toml
{{- end }}
{{- include "tofu-state.variable" (list "MODULE_PUBLIC_KEY" .Values.modules.publicKey) }}
{{- if .Values.modules.cacheSize }}
- name: MODULE_CACHE_DIR
  value: /var/cache/tofu-state
{{- end }}
{{- if .Values.modules.pullSecret }}
- name: OCI_CREDENTIALS_FILE
  value: /etc/tofu-state/registry/config.json
{{- end }}
{{- if .Values.modules.caConfigMap }}
- name: OCI_CACERT
  value: /etc/tofu-state/registry-ca/ca.crt
{{- end }}
{{- if include "tofu-state.mirrors" . }}
- name: MIRROR_DIR
  value: /var/lib/tofu-state-mirror
{{- include "tofu-state.variable" (list "MIRROR_PROVIDERS" (join "," .Values.mirror.providers)) }}
{{- include "tofu-state.variable" (list "MIRROR_UPLOADS" (join "," .Values.mirror.uploads)) }}
{{- include "tofu-state.variable" (list "MIRROR_MAX_BYTES" .Values.mirror.maxBytes) }}
{{- include "tofu-state.variable" (list "MIRROR_PLATFORMS" (join "," .Values.mirror.platforms)) }}
{{- include "tofu-state.variable" (list "MIRROR_FRESH" .Values.mirror.fresh) }}
{{- if .Values.mirror.cliConfigSecret }}
- name: MIRROR_CLI_CONFIG_FILE
  value: /etc/tofu-state/mirror/cli.tfrc
{{- end }}
{{- end }}
{{- if .Values.recordings.size }}
- name: RECORD
  value: /var/lib/tofu-state-recordings
{{- end }}
{{- if .Values.adminSocket.enabled }}
- name: ADMIN_SOCKET
  value: /run/tofu-state/admin.sock
{{- end }}
{{- if ne .Values.audit.log "off" }}
- name: AUDIT_LOG
  value: {{ .Values.audit.log | quote }}
{{- if ne .Values.audit.log "stdout" }}
{{- include "tofu-state.variable" (list "AUDIT_MAX_BYTES" .Values.audit.maxBytes) }}
{{- include "tofu-state.variable" (list "AUDIT_KEEP_FILES" .Values.audit.keepFiles) }}
{{- end }}
{{- end }}
{{- if $config.metricsGroups }}
- name: METRICS_GROUPS
  value: "true"
{{- end }}
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
{{- if $config.otelHeaders }}
- name: OTEL_EXPORTER_OTLP_HEADERS_FILE
  value: /etc/tofu-state/tokens/OTEL_EXPORTER_OTLP_HEADERS
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
