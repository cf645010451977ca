{{- /*
A Job that runs before an install or upgrade touches anything.
Keys: root, name, weight, args, retries; catalog: a ConfigMap to mount, or none.
*/ -}}
{{- define "badge-streams.hook" -}}
{{- $root := .root }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "badge-streams.fullname" $root }}-{{ .name }}
  labels:
    {{- include "badge-streams.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: {{ .weight | quote }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: {{ .retries }}
  activeDeadlineSeconds: 300
  template:
    metadata:
      labels:
        {{- include "badge-streams.podLabels" (list $root .name) | nindent 8 }}
      {{- with $root.Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      # An account that the release makes does not exist yet when it is installed.
      {{- if not $root.Values.serviceAccount.create }}
      serviceAccountName: {{ include "badge-streams.serviceAccountName" $root }}
      {{- end }}
      {{- include "badge-streams.podSettings" $root | nindent 6 }}
      restartPolicy: Never
      containers:
        - name: {{ .name }}
          {{- include "badge-streams.image" $root | nindent 10 }}
          args: {{ toJson .args }}
          {{- include "badge-streams.containerSecurity" $root | nindent 10 }}
          env:
            {{- include "badge-streams.env" $root | nindent 12 }}
          {{- with include "badge-streams.envFrom" $root }}
          {{- . | nindent 10 }}
          {{- end }}
          resources:
            requests:
              cpu: 50m
              memory: 128Mi
          volumeMounts:
            {{- include "badge-streams.volumeMounts" $root | nindent 12 }}
            {{- with .catalog }}
            - name: catalog
              mountPath: /etc/badge-streams/catalog
              readOnly: true
            {{- end }}
      volumes:
        {{- include "badge-streams.volumes" $root | nindent 8 }}
        {{- with .catalog }}
        - name: catalog
          configMap:
            name: {{ . }}
        {{- end }}
{{- end }}
