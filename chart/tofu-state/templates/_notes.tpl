{{/* What `helm install` prints at its end. */}}

{{- define "tofu-state.notes" -}}
{{- $name := include "tofu-state.fullname" . }}
{{- $host := printf "%s://%s.%s.svc:%d" (ternary "https" "http" .Values.tls.enabled) $name .Release.Namespace (.Values.service.port | int) }}
{{- if .Values.ingress.enabled }}
{{- $host = printf "https://%s" .Values.ingress.host }}
{{- else if .Values.httpRoute.enabled }}
{{- $host = printf "https://%s" (first .Values.httpRoute.hostnames) }}
{{- end -}}
tofu-state {{ .Chart.AppVersion }} serves states at {{ $host }}. In a project:

terraform {
  backend "http" {
    address        = "{{ $host }}/<group>/<project>"
    lock_address   = "{{ $host }}/<group>/<project>"
    unlock_address = "{{ $host }}/<group>/<project>"
  }
}

{{- if .Values.config.apiToken }}

export TF_HTTP_USERNAME=tofu
export TF_HTTP_PASSWORD="$(kubectl -n {{ .Release.Namespace }} get secret {{ include "tofu-state.secretName" . }} -o jsonpath='{.data.{{ .Values.existingSecret.apiToken | replace "." "\\." }}}' | base64 -d)"
{{- end }}

{{- if not (or .Values.ingress.enabled .Values.httpRoute.enabled) }}

From outside the cluster:

kubectl -n {{ .Release.Namespace }} port-forward service/{{ $name }} {{ .Values.service.port | int }}
{{- end }}

Is it well?

helm test -n {{ .Release.Namespace }} {{ .Release.Name }}
kubectl -n {{ .Release.Namespace }} logs -l app.kubernetes.io/instance={{ .Release.Name }}

{{- if ne .Values.config.forceUnlock "any" }}

Forced unlocks: `config.forceUnlock` is `{{ .Values.config.forceUnlock }}`{{ if eq .Values.config.forceUnlock "id" }}: `tofu force-unlock ID` works, `terraform force-unlock` (which sends no ID) does not{{ end }}.
{{- end }}
{{- end }}
