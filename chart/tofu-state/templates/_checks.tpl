{{/* What values.schema.json cannot say, or not in a sentence: values that do not go together. */}}

{{- define "tofu-state.checks" -}}
{{- $embedded := eq .Values.config.store "embedded" }}
{{- if not .Values.image.repository }}
{{- fail "image.repository is not set: give the repository that the image was pushed to (docs/RELEASE.md tells how)" }}
{{- end }}
{{- if and .Values.externalSecret.enabled .Values.existingSecret.name }}
{{- fail "externalSecret.enabled and existingSecret.name are both set: the tokens come from one of them; set externalSecret.enabled=false to take the existing secret" }}
{{- end }}
{{- if not (or .Values.externalSecret.enabled .Values.existingSecret.name) }}
{{- fail "the server has no tokens: set externalSecret.enabled=true (External Secrets Operator), or existingSecret.name to a secret with them" }}
{{- end }}
{{- if not (or .Values.config.apiToken .Values.config.tokensFile) }}
{{- fail "nobody could use the server: set config.apiToken=true (one shared token) or config.tokensFile=true (named ones), or both" }}
{{- end }}
{{- if and $embedded (gt (.Values.replicaCount | int) 1) }}
{{- fail (printf "config.store is embedded, which serves from one machine's disk: replicaCount has to be 1, not %d. Several servers need config.store=openbao" (.Values.replicaCount | int)) }}
{{- end }}
{{- if and $embedded .Values.autoscaling.enabled }}
{{- fail "config.store is embedded, which serves from one machine's disk: autoscaling.enabled has to be false. Several servers need config.store=openbao" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (lt (.Values.autoscaling.maxReplicas | int) (.Values.autoscaling.minReplicas | int)) }}
{{- fail (printf "autoscaling.maxReplicas (%d) is less than autoscaling.minReplicas (%d)" (.Values.autoscaling.maxReplicas | int) (.Values.autoscaling.minReplicas | int)) }}
{{- end }}
{{- if and .Values.config.baoCa.configMap .Values.config.baoCa.secret }}
{{- fail "config.baoCa.configMap and config.baoCa.secret are both set: the CA's certificates come from one of them" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.enabled is true, but httpRoute.parentRefs names no gateway: set it, such as [{name: public, namespace: gateways}]" }}
{{- end }}
{{- if gt (.Values.config.storeWait | trimSuffix "s" | int) 120 }}
{{- fail (printf "config.storeWait is %s; the server takes at most 120s" .Values.config.storeWait) }}
{{- end }}
{{- if and (not $embedded) (ne .Values.config.baoAuth.method "token") (not .Values.config.baoAuth.role) }}
{{- fail (printf "config.baoAuth.method is %s, but config.baoAuth.role is empty: name the role to log in as" .Values.config.baoAuth.method) }}
{{- end }}
{{- if and .Values.tls.enabled (not .Values.tls.secretName) }}
{{- fail "tls.enabled is true, but tls.secretName is empty: name a secret of type kubernetes.io/tls" }}
{{- end }}
{{- if and .Values.policies.modulesConfigMap (not .Values.policies.file) }}
{{- fail "policies.modulesConfigMap is set, but policies.file is empty: nothing would use the modules" }}
{{- end }}
{{- if and (or (contains "oci://" .Values.policies.file) (hasPrefix "oci://" .Values.config.protocolComponent)) (not .Values.modules.cacheSize) }}
{{- fail "a component is taken from a registry (oci://), but modules.cacheSize is empty: there would be no place to keep it; set it, such as 64Mi" }}
{{- end }}
{{- if and (include "tofu-state.mirrors" .) (or .Values.autoscaling.enabled (gt (.Values.replicaCount | int) 1)) }}
{{- fail "a mirror keeps its packages, and the key of its links, in one folder: it needs replicaCount=1 and autoscaling.enabled=false; install the chart once more for the mirror, beside the release that keeps states" }}
{{- end }}
{{- if and .Values.mirror.uploads (not .Values.mirror.existingClaim) }}
{{- fail "mirror.uploads is set, but mirror.existingClaim is empty: uploaded providers would be lost with the pod" }}
{{- end }}
{{- if and .Values.config.protocolComponent .Values.config.protocolComponentFile }}
{{- fail "config.protocolComponent and config.protocolComponentFile are both set: the component comes from one of them" }}
{{- end }}
{{- end }}
