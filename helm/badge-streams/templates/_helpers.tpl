{{- define "badge-streams.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 48 | trimSuffix "-" }}
{{- end }}

{{- define "badge-streams.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains (include "badge-streams.name" .) .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "badge-streams.name" .) | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "badge-streams.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "badge-streams.labels" -}}
helm.sh/chart: {{ include "badge-streams.chart" . }}
{{ include "badge-streams.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "badge-streams.selectorLabels" -}}
app.kubernetes.io/name: {{ include "badge-streams.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The workers of this installation, as a JSON array. */ -}}
{{- define "badge-streams.workers" -}}
{{- $workers := list "tracker" }}
{{- if .Values.relay.enabled }}{{ $workers = append $workers "relay" }}{{ end }}
{{- if .Values.redis.url }}{{ $workers = append $workers "bridge" }}{{ end }}
{{- if .Values.api.enabled }}{{ $workers = append $workers "api" }}{{ end }}
{{- toJson $workers }}
{{- end }}

{{- define "badge-streams.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "badge-streams.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}
