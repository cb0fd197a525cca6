{{/*
The files and folders of the pod, and where the server finds them (_environment.tpl). Whole folders are mounted, never
single files: a file mounted by `subPath` does not follow its secret.
*/}}

{{/* The tokens that are taken from the secret, as a list of their names in `existingSecret` and in the folder. */}}
{{- define "tofu-state.tokens" -}}
{{- $config := .Values.config }}
{{- if and (eq $config.store "openbao") (eq $config.baoAuth.method "token") }}
- {name: baoToken, path: BAO_TOKEN}
{{- end }}
{{- if and (eq $config.store "openbao") (eq $config.baoAuth.method "approle") }}
- {name: secretId, path: BAO_SECRET_ID}
{{- end }}
{{- if $config.apiToken }}
- {name: apiToken, path: API_TOKEN}
{{- end }}
{{- if $config.tokensFile }}
- {name: tokensFile, path: tokens.toml}
{{- end }}
{{- if and $config.otelEndpoint $config.otelHeaders }}
- {name: otelHeaders, path: OTEL_EXPORTER_OTLP_HEADERS}
{{- end }}
{{- end }}

{{- define "tofu-state.readOnlyMount" }}
- name: {{ . }}
  mountPath: /etc/tofu-state/{{ . }}
  readOnly: true
{{- end }}

{{- define "tofu-state.volumeMounts" -}}
{{- $openbao := eq .Values.config.store "openbao" }}
{{- include "tofu-state.readOnlyMount" "tokens" }}
{{- if and $openbao (or .Values.config.baoCa.configMap .Values.config.baoCa.secret) }}
{{- include "tofu-state.readOnlyMount" "openbao-ca" }}
{{- end }}
{{- if and $openbao (eq .Values.config.baoAuth.method "kubernetes") }}
{{- include "tofu-state.readOnlyMount" "openbao-login" }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- include "tofu-state.readOnlyMount" "tls" }}
{{- end }}
{{- if .Values.policies.file }}
{{- include "tofu-state.readOnlyMount" "policies" }}
{{- end }}
{{- if .Values.modules.pullSecret }}
{{- include "tofu-state.readOnlyMount" "registry" }}
{{- end }}
{{- if .Values.modules.caConfigMap }}
{{- include "tofu-state.readOnlyMount" "registry-ca" }}
{{- end }}
{{- if .Values.modules.cacheSize }}
- name: cache
  mountPath: /var/cache/tofu-state
{{- end }}
{{- if include "tofu-state.mirrors" . }}
- name: mirror-packages
  mountPath: /var/lib/tofu-state-mirror
{{- if .Values.mirror.cliConfigSecret }}
{{- include "tofu-state.readOnlyMount" "mirror" }}
{{- end }}
{{- end }}
{{- if .Values.recordings.size }}
- name: recordings
  mountPath: /var/lib/tofu-state-recordings
{{- end }}
{{- if .Values.adminSocket.enabled }}
- name: run
  mountPath: /run/tofu-state
{{- end }}
{{- if not $openbao }}
- name: data
  mountPath: /var/lib/tofu-state
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tofu-state.volumes" -}}
{{- $openbao := eq .Values.config.store "openbao" }}
- name: tokens
  secret:
    secretName: {{ include "tofu-state.secretName" . }}
    defaultMode: 0440
    items:
      {{- range include "tofu-state.tokens" . | fromYamlArray }}
      - key: {{ index $.Values.existingSecret .name }}
        path: {{ .path }}
      {{- end }}
{{- if and $openbao .Values.config.baoCa.configMap }}
- name: openbao-ca
  configMap:
    name: {{ .Values.config.baoCa.configMap }}
    items:
      - key: {{ .Values.config.baoCa.key }}
        path: ca.crt
{{- end }}
{{- if and $openbao .Values.config.baoCa.secret }}
- name: openbao-ca
  secret:
    secretName: {{ .Values.config.baoCa.secret }}
    items:
      - key: {{ .Values.config.baoCa.key }}
        path: ca.crt
{{- end }}
{{- if and $openbao (eq .Values.config.baoAuth.method "kubernetes") }}
# A token for OpenBao alone: it is of no use with the API server.
- name: openbao-login
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ .Values.config.baoAuth.audience }}
          expirationSeconds: 3600
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ .Values.tls.secretName }}
    defaultMode: 0440
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
{{- end }}
{{- if .Values.policies.file }}
- name: policies
  projected:
    sources:
      - configMap:
          name: {{ include "tofu-state.fullname" . }}-policies
      {{- with .Values.policies.modulesConfigMap }}
      - configMap:
          name: {{ . }}
      {{- end }}
{{- end }}
{{- with .Values.modules.pullSecret }}
- name: registry
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - key: .dockerconfigjson
        path: config.json
{{- end }}
{{- with .Values.modules.caConfigMap }}
- name: registry-ca
  configMap:
    name: {{ . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- with .Values.modules.cacheSize }}
- name: cache
  emptyDir:
    sizeLimit: {{ . }}
{{- end }}
{{- if include "tofu-state.mirrors" . }}
- name: mirror-packages
{{- if .Values.mirror.existingClaim }}
  persistentVolumeClaim:
    claimName: {{ .Values.mirror.existingClaim }}
{{- else }}
  emptyDir: {}
{{- end }}
{{- with .Values.mirror.cliConfigSecret }}
- name: mirror
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - key: cli.tfrc
        path: cli.tfrc
{{- end }}
{{- end }}
{{- with .Values.recordings.size }}
- name: recordings
  emptyDir:
    sizeLimit: {{ . }}
{{- end }}
{{- if .Values.adminSocket.enabled }}
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- if not $openbao }}
- name: data
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | default (include "tofu-state.fullname" .) }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
