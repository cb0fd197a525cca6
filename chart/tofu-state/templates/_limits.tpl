{{/*
Limits of what stands in front of the server. Times in seconds, reckoned as the server does (host/server/src/main.rs): a call may take 60 s, or 40 s longer than
`storeWait` where that is more, after it has queued for 5 s.
*/}}

{{- define "tofu-state.storeWait" -}}
{{- trimSuffix "s" .Values.config.storeWait }}
{{- end }}

{{- define "tofu-state.longestCall" -}}
{{- add (max 60 (add 40 (include "tofu-state.storeWait" . | int))) 5 }}
{{- end }}

{{/* How long the server takes at most to end. */}}
{{- define "tofu-state.drain" -}}
{{- add (include "tofu-state.longestCall" . | int) 5 }}
{{- end }}

{{/* What a proxy has to wait for an answer: longer than the server may take to give one. */}}
{{- define "tofu-state.proxyTimeout" -}}
{{- add (include "tofu-state.longestCall" . | int) 15 }}
{{- end }}

{{- define "tofu-state.gracePeriod" -}}
{{- $needed := add (include "tofu-state.drain" . | int) (.Values.preStopSeconds | int) }}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds }}
{{- add $needed 15 }}
{{- else if lt (.Values.terminationGracePeriodSeconds | int) (int $needed) }}
{{- fail (printf "terminationGracePeriodSeconds is %d, but with config.storeWait %s and preStopSeconds %d the server may need %d s to finish what it has begun; leave it out, or raise it" (.Values.terminationGracePeriodSeconds | int) .Values.config.storeWait (.Values.preStopSeconds | int) (int $needed)) }}
{{- else }}
{{- .Values.terminationGracePeriodSeconds | int }}
{{- end }}
{{- end }}

{{/* A size as nginx writes it: `64m` for `64MiB`. */}}
{{- define "tofu-state.nginxSize" -}}
{{- . | replace "KiB" "k" | replace "MiB" "m" | replace "GiB" "g" }}
{{- end }}
