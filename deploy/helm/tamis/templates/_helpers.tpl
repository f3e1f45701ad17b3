{{- define "tamis.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 57 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 57 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "tamis.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tamis.labels" -}}
{{ include "tamis.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "tamis.secret" -}}
{{- .Values.auth.existingSecret | default (include "tamis.name" .) -}}
{{- end }}

{{- define "tamis.hasKey" -}}
{{- if or .Values.auth.existingSecret .Values.auth.apiKey }}true{{ end -}}
{{- end }}
