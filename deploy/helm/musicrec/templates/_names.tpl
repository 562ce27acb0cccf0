{{- define "musicrec.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What an object is selected by.  Arguments: root, component. */}}
{{- define "musicrec.selector" -}}
app.kubernetes.io/name: musicrec
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "musicrec.labels" -}}
{{ include "musicrec.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "musicrec.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- include "musicrec.fullname" . -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* Arguments: root, image (a key of `images`). */}}
{{- define "musicrec.image" -}}
{{- $image := get .root.Values.images .image -}}
{{- $repository := $image.repository -}}
{{- if .root.Values.image.registry -}}
{{- $repository = printf "%s/%s" .root.Values.image.registry $image.repository -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.root.Values.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The workers that are to run, whole, as JSON: the re-embedder is an embedder but for what it says otherwise. */}}
{{- define "musicrec.workers" -}}
{{- $workers := dict -}}
{{- range $name, $worker := .Values.workers -}}
{{- if $worker.enabled -}}
{{- if eq $name "re-embedder" -}}
{{- $worker = mustMergeOverwrite (deepCopy $.Values.workers.embedder) (deepCopy $worker) -}}
{{- end -}}
{{- $_ := set $workers $name $worker -}}
{{- end -}}
{{- end -}}
{{- toJson $workers -}}
{{- end -}}
