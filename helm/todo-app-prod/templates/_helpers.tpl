{{/*
Labels of every object of one component: include "todo.labels" (list $ "todo-backend" "backend")
*/}}
{{- define "todo.labels" -}}
{{- $root := index . 0 -}}
app: {{ index . 1 }}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/component: {{ index . 2 }}
app.kubernetes.io/part-of: todo-app
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- end }}

{{/*
One Deployment: include "todo.deployment" (dict "root" $ "name" … "component" … "container" … "values" … "port" … "env" … "database" …)
  env       list of name/value pairs of this component
  database  key of the database Secret, or absent for a component without a database
  dapr      true for a component with a Dapr sidecar: pub/sub goes through it
*/}}
{{- define "todo.deployment" -}}
{{- $root := .root -}}
{{- $values := .values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ $root.Values.namespace }}
  labels:
    {{- include "todo.labels" (list $root .name .component) | nindent 4 }}
spec:
  {{- if not $values.autoscaling.enabled }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      app: {{ .name }}
  template:
    metadata:
      labels:
        {{- include "todo.labels" (list $root .name .component) | nindent 8 }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ .container }}
        {{- if and .dapr $root.Values.pubsub.enabled }}
        {{- include "todo.sidecar" (list $root .name .port) | nindent 8 }}
        {{- end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app: {{ .name }}
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app: {{ .name }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .container }}
          image: {{ printf "%s%s:%s" $root.Values.imageRegistry $values.image.repository $values.image.tag | quote }}
          imagePullPolicy: {{ $root.Values.imagePullPolicy }}
          ports:
            - name: http
              containerPort: {{ .port }}
              protocol: TCP
            - name: metrics
              containerPort: 9464
              protocol: TCP
          env:
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            - name: POD_NAMESPACE
              valueFrom:
                fieldRef:
                  fieldPath: metadata.namespace
            # The address that the process listens on.
            - name: POD_IP
              {{- if $root.Values.listenOnAllAddresses }}
              value: 0.0.0.0
              {{- else }}
              valueFrom:
                fieldRef:
                  fieldPath: status.podIP
              {{- end }}
            - name: PORT
              value: {{ .port | quote }}
            - name: METRICS_PORT
              value: "9464"
            - name: DRAIN_DELAY_MS
              value: {{ $root.Values.drainDelayMilliseconds | quote }}
            {{- if and .dapr $root.Values.pubsub.enabled }}
            - name: PUBSUB_NAME
              value: {{ $root.Values.pubsub.name | quote }}
            - name: PUBSUB_TOPIC
              value: {{ $root.Values.pubsub.topic | quote }}
            {{- end }}
            {{- if $root.Values.tracing.enabled }}
            - name: OTEL_SERVICE_NAME
              value: {{ .name | quote }}
            - name: OTEL_RESOURCE_ATTRIBUTES
              value: {{ printf "service.namespace=todo-app,service.version=%s,service.instance.id=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),k8s.container.name=%s" $values.image.tag .container | quote }}
            - name: OTEL_EXPORTER_OTLP_ENDPOINT
              value: {{ $root.Values.tracing.endpoint | quote }}
            - name: OTEL_EXPORTER_OTLP_PROTOCOL
              value: http/protobuf
            # half a second, so that a trace can be looked at at once
            - name: OTEL_BSP_SCHEDULE_DELAY
              value: "500"
            - name: OTEL_PROPAGATORS
              value: tracecontext,baggage
            - name: OTEL_TRACES_SAMPLER
              value: {{ $root.Values.tracing.sampler | quote }}
            {{- with $root.Values.tracing.samplerArg }}
            - name: OTEL_TRACES_SAMPLER_ARG
              value: {{ . | quote }}
            {{- end }}
            {{- end }}
            {{- if $root.Values.faults.enabled }}
            - name: FAULTS_ENABLED
              value: "true"
            # Outlives a restart of the container, so that a crash on demand can go on.
            - name: FAULTS_STATE_DIR
              value: /tmp
            {{- end }}
            {{- range .env }}
            - name: {{ .name }}
              value: {{ .value | quote }}
            {{- end }}
            {{- if and .database $root.Values.database.existingSecret }}
            - name: DATABASE_URL
              valueFrom:
                secretKeyRef:
                  name: {{ $root.Values.database.existingSecret }}
                  key: {{ .database }}
                  optional: true
            {{- end }}
            {{- with $values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          startupProbe:
            httpGet:
              path: /healthz
              port: http
            periodSeconds: 1
            timeoutSeconds: 1
            failureThreshold: 30
          readinessProbe:
            httpGet:
              path: /readyz
              port: http
            periodSeconds: 5
            timeoutSeconds: 2
            failureThreshold: 2
          livenessProbe:
            httpGet:
              path: /healthz
              port: http
            periodSeconds: 10
            timeoutSeconds: 2
            failureThreshold: 3
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            {{- if .database }}
            # The image's working directory: where SQLite lives when there is no DATABASE_URL.
            - name: data
              mountPath: /data
            {{- end }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 64Mi
        {{- if .database }}
        - name: data
          emptyDir:
            sizeLimit: 1Gi
        {{- end }}
{{- end }}

{{/*
The annotations by which Dapr's injector adds the sidecar `daprd`: include "todo.sidecar" (list $ "todo-backend" 8000)
*/}}
{{- define "todo.sidecar" -}}
{{- $dapr := (index . 0).Values.dapr -}}
dapr.io/enabled: "true"
dapr.io/app-id: {{ index . 1 }}
dapr.io/app-port: {{ index . 2 | quote }}
# The application listens on the pod's address, not on its loopback. The injector sets this variable (setup-monitoring.sh
# switches it on: dapr_sidecar_injector.enableK8sDownwardAPIs) and Kubernetes expands it.
dapr.io/app-channel-address: $(DAPR_HOST_IP)
dapr.io/config: {{ $dapr.configuration }}
dapr.io/enable-metrics: "true"
dapr.io/metrics-port: "9090"
dapr.io/log-level: {{ $dapr.logLevel }}
dapr.io/log-as-json: "true"
dapr.io/graceful-shutdown-seconds: {{ $dapr.gracefulShutdownSeconds | quote }}
# Without requests the HPA's utilisation of the pod would be unknown.
dapr.io/sidecar-cpu-request: {{ $dapr.resources.requests.cpu | quote }}
dapr.io/sidecar-memory-request: {{ $dapr.resources.requests.memory | quote }}
dapr.io/sidecar-cpu-limit: {{ $dapr.resources.limits.cpu | quote }}
dapr.io/sidecar-memory-limit: {{ $dapr.resources.limits.memory | quote }}
dapr.io/sidecar-seccomp-profile-type: RuntimeDefault
# It would need the service account's token, which the pods do not mount. No component refers to a Secret.
dapr.io/disable-builtin-k8s-secret-store: "true"
{{- end }}

{{/*
Labels of objects that are no component's: include "todo.shared" $
*/}}
{{- define "todo.shared" -}}
app.kubernetes.io/part-of: todo-app
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/*
One Service: include "todo.service" (dict "root" $ "name" … "component" … "port" …)
*/}}
{{- define "todo.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Values.namespace }}
  labels:
    {{- include "todo.labels" (list .root .name .component) | nindent 4 }}
spec:
  type: ClusterIP
  selector:
    app: {{ .name }}
  ports:
    - name: http
      port: {{ .port }}
      targetPort: http
      protocol: TCP
    # Named, because ServiceMonitors select a Service's port by its name.
    - name: metrics
      port: 9464
      targetPort: metrics
      protocol: TCP
{{- end }}

{{/*
One HorizontalPodAutoscaler: include "todo.hpa" (dict "root" $ "name" … "component" … "values" …)
*/}}
{{- define "todo.hpa" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}-hpa
  namespace: {{ .root.Values.namespace }}
  labels:
    {{- include "todo.labels" (list .root .name .component) | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ .name }}
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .values.autoscaling.targetCPU }}
    {{- with .values.autoscaling.targetMemory }}
    - type: Resource
      resource:
        name: memory
        target:
          type: Utilization
          averageUtilization: {{ . }}
    {{- end }}
  behavior:
    scaleUp:
      {{- toYaml .root.Values.scaling.scaleUp | nindent 6 }}
    scaleDown:
      {{- toYaml .root.Values.scaling.scaleDown | nindent 6 }}
{{- end }}

{{/*
Not empty when the event service is scaled by the depth of its queue.
*/}}
{{- define "todo.scalesByLag" -}}
{{- if and .Values.eventService.autoscaling.enabled .Values.pubsub.enabled (eq .Values.eventService.autoscaling.kind "lag") -}}
yes
{{- end -}}
{{- end }}
