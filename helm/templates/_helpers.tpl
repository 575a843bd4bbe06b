{{- define "holdfast.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters: "-broker-" and a node id follow, and a Service's name has 63. */}}
{{- define "holdfast.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "holdfast.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "holdfast.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "holdfast.selector" -}}
app.kubernetes.io/name: {{ include "holdfast.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "holdfast.labels" -}}
{{ include "holdfast.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "holdfast.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "holdfast.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "holdfast.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "holdfast.configMap" -}}
{{- .Values.existingConfigMap | default (include "holdfast.fullname" .) -}}
{{- end -}}

{{/* The domain of the release's Services. */}}
{{- define "holdfast.domain" -}}
{{ .Release.Namespace }}.svc.{{ .Values.exposure.internal.clusterDomain }}
{{- end -}}

{{/* The node ids of a text like "0-9,17" as a JSON list. */}}
{{- define "holdfast.ids" -}}
{{- $ids := list -}}
{{- range splitList "," (toString .) -}}
  {{- $part := trim . -}}
  {{- if not (regexMatch "^[0-9]+(-[0-9]+)?$" $part) -}}
    {{- fail (printf "config.listener.broker_ids: found %q; allowed: node ids and ranges of them, as in \"0-9,17\"" $part) -}}
  {{- end -}}
  {{- $ends := splitList "-" $part -}}
  {{- $first := int (first $ends) -}}
  {{- $last := int (last $ends) -}}
  {{- if or (gt $first $last) (gt (sub $last $first) 999) -}}
    {{- fail (printf "config.listener.broker_ids: found %q; allowed: ascending ranges, at most 1000 ids" $part) -}}
  {{- end -}}
  {{- range untilStep $first (int (add $last 1)) 1 -}}
    {{- $ids = append $ids . -}}
  {{- end -}}
{{- end -}}
{{- $ids | uniq | toJson -}}
{{- end -}}

{{/* The names of config.listener.sni, bootstrap first, as a JSON list. */}}
{{- define "holdfast.sniHosts" -}}
{{- $hosts := list -}}
{{- with .Values.config.listener.sni -}}
  {{- $pattern := required "config.listener.sni.broker_host: must be given, as in \"broker-{id}.kafka.example.com\"" .broker_host -}}
  {{- if not (contains "{id}" $pattern) -}}
    {{- fail (printf "config.listener.sni.broker_host: found %q; allowed: a host name with {id}" $pattern) -}}
  {{- end -}}
  {{- $hosts = append $hosts (required "config.listener.sni.bootstrap_host: must be given" .bootstrap_host) -}}
  {{- range include "holdfast.ids" $.Values.config.listener.broker_ids | fromJsonArray -}}
    {{- $hosts = append $hosts (replace "{id}" (toString .) $pattern) -}}
  {{- end -}}
{{- end -}}
{{- $hosts | toJson -}}
{{- end -}}

{{/* The names of the Services that clients inside are told, as a JSON list. */}}
{{- define "holdfast.internalHosts" -}}
{{- $hosts := list -}}
{{- $name := include "holdfast.fullname" . -}}
{{- if ne .Values.exposure.internal.mode "none" -}}
  {{- $hosts = list $name (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s" $name (include "holdfast.domain" .)) -}}
{{- end -}}
{{- if eq .Values.exposure.internal.mode "services" -}}
  {{- range include "holdfast.ids" .Values.config.listener.broker_ids | fromJsonArray -}}
    {{- $hosts = append $hosts (printf "%s-broker-%d.%s" $name (int .) (include "holdfast.domain" $)) -}}
  {{- end -}}
{{- end -}}
{{- $hosts | toJson -}}
{{- end -}}

{{/* The Secret with the clients' certificate, or nothing. */}}
{{- define "holdfast.tlsSecret" -}}
{{- if .Values.tls.existingSecret -}}
{{- .Values.tls.existingSecret -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- include "holdfast.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{/* `config` with what the chart knows: hosts, ports, files of secrets. Keys that are given win. YAML. */}}
{{- define "holdfast.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $listener := $config.listener -}}
{{- $name := include "holdfast.fullname" . -}}
{{- $domain := include "holdfast.domain" . -}}
{{- if not $listener.advertised_host -}}
  {{- if eq .Values.exposure.internal.mode "services" -}}
    {{- $_ := set $listener "advertised_host" (printf "%s-broker-{id}.%s" $name $domain) -}}
    {{- $_ := set $listener "advertised_broker_port" 9092 -}}
  {{- else if eq .Values.exposure.internal.mode "ports" -}}
    {{- $_ := set $listener "advertised_host" (printf "%s.%s" $name $domain) -}}
  {{- else if $listener.sni -}}
    {{- $_ := set $listener "advertised_host" $listener.sni.bootstrap_host -}}
  {{- end -}}
{{- else if and (eq .Values.exposure.internal.mode "services") (not $listener.advertised_broker_port) (not $listener.advertised_broker_port_base) -}}
  {{- /* Names of one's own for the Services, which have this port whatever they are called. */}}
  {{- $_ := set $listener "advertised_broker_port" 9092 -}}
{{- end -}}
{{- if eq .Values.reload.mode "rollout" -}}
  {{- /* Else pods that wait for their turn would take a change at once. */}}
  {{- $reload := $config.reload | default dict -}}
  {{- $_ := set $reload "watch_interval_ms" 0 -}}
  {{- $_ := set $config "reload" $reload -}}
{{- end -}}
{{- $tls := dict -}}
{{- if include "holdfast.tlsSecret" . -}}
  {{- $_ := set $tls "certificate_file" "/etc/holdfast/tls/tls.crt" -}}
  {{- $_ := set $tls "private_key_file" "/etc/holdfast/tls/tls.key" -}}
{{- end -}}
{{- with .Values.tls.clientCa -}}
  {{- if .existingSecret -}}
    {{- $_ := set $tls "client_ca_file" (printf "/etc/holdfast/client-ca/%s" .key) -}}
  {{- end -}}
{{- end -}}
{{- with .Values.tls.clientCrl -}}
  {{- if .existingSecret -}}
    {{- $files := list -}}
    {{- range .keys -}}{{- $files = append $files (printf "/etc/holdfast/client-crl/%s" .) -}}{{- end -}}
    {{- $_ := set $tls "client_crl_files" $files -}}
  {{- end -}}
{{- end -}}
{{- with merge ($listener.tls | default dict) $tls -}}
  {{- $_ := set $listener "tls" . -}}
{{- end -}}
{{- $up := dict -}}
{{- with .Values.upstream.ca -}}
  {{- if .existingSecret -}}
    {{- $_ := set $up "enabled" true -}}
    {{- $_ := set $up "ca_file" (printf "/etc/holdfast/cluster-ca/%s" .key) -}}
  {{- end -}}
{{- end -}}
{{- if .Values.upstream.clientCertificate.existingSecret -}}
  {{- $_ := set $up "enabled" true -}}
  {{- $_ := set $up "certificate_file" "/etc/holdfast/cluster-tls/tls.crt" -}}
  {{- $_ := set $up "private_key_file" "/etc/holdfast/cluster-tls/tls.key" -}}
{{- end -}}
{{- with merge ($config.cluster.tls | default dict) $up -}}
  {{- $_ := set $config.cluster "tls" . -}}
{{- end -}}
{{- with .Values.upstream.sasl -}}
  {{- if .existingSecret -}}
    {{- $sasl := $config.cluster.sasl | default dict -}}
    {{- $mechanism := required "config.cluster.sasl.mechanism: must be given with upstream.sasl.existingSecret" $sasl.mechanism -}}
    {{- if eq $mechanism "OAUTHBEARER" -}}
      {{- $sasl = merge $sasl (dict "token_file" (printf "/etc/holdfast/cluster-sasl/%s" .tokenKey)) -}}
    {{- else -}}
      {{- $sasl = merge $sasl (dict "password_file" (printf "/etc/holdfast/cluster-sasl/%s" .passwordKey)) -}}
    {{- end -}}
    {{- $_ := set $config.cluster "sasl" $sasl -}}
  {{- end -}}
{{- end -}}
{{- $config | toYaml -}}
{{- end -}}

{{/*
What of it takes a restart: all but the live keys ("Operating" in the project's README). A ConfigMap of one's own is not seen here.
*/}}
{{- define "holdfast.restart" -}}
{{- if not .Values.existingConfigMap -}}
{{- $config := include "holdfast.config" . | fromYaml -}}
{{- $limits := pick ($config.limits | default dict) "buffer_bytes" "announced_bytes" "worker_threads" -}}
{{- $log := omit ($config.log | default dict) "level" -}}
{{- omit $config "policy" "exemptions" "drain" "reload" "limits" "log" | toJson -}}
{{- dict "limits" $limits "log" $log | toJson -}}
{{- end -}}
{{- end -}}

{{/*
A table as TOML: (dict "path" "listener" "table" …). Values first, then the tables within. Helm reads numbers as floating
point, and toToml writes 536870912 as 5.36870912e+08, which no integer key takes: so they are written here.
*/}}
{{- define "holdfast.toml" -}}
{{- $path := .path -}}
{{- $table := .table -}}
{{- range $key := keys $table | sortAlpha -}}
  {{- $value := get $table $key -}}
  {{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ $key }} = {{ include "holdfast.tomlValue" (dict "path" (printf "%s.%s" $path $key) "value" $value) }}
  {{- end -}}
{{- end -}}
{{- range $key := keys $table | sortAlpha -}}
  {{- $value := get $table $key -}}
  {{- if kindIs "map" $value -}}
    {{- $name := ternary $key ($key | toRawJson) (regexMatch "^[A-Za-z0-9_-]+$" $key) -}}
    {{- $inner := ternary $name (printf "%s.%s" $path $name) (eq $path "") }}

[{{ $inner }}]
{{- include "holdfast.toml" (dict "path" $inner "table" $value) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "holdfast.tomlValue" -}}
{{- if kindIs "slice" .value -}}
  {{- $path := .path -}}
  {{- $members := list -}}
  {{- range .value -}}
    {{- $members = append $members (include "holdfast.tomlValue" (dict "path" $path "value" .)) -}}
  {{- end -}}
[{{ join ", " $members }}]
{{- else if kindIs "bool" .value -}}
{{ .value }}
{{- else if kindIs "string" .value -}}
{{ .value | toRawJson }}
{{- else -}}
  {{- if ne (floor .value) (float64 .value) -}}
    {{- fail (printf "config.%s: found %v; allowed: a whole number" .path .value) -}}
  {{- end -}}
{{ int64 .value }}
{{- end -}}
{{- end -}}

{{/* The volumes of secrets: name, directory, Secret, keys (all where none are given). A JSON list. */}}
{{- define "holdfast.secrets" -}}
{{- $secrets := list -}}
{{- with include "holdfast.tlsSecret" . -}}
  {{- $secrets = append $secrets (dict "name" "tls" "secret" .) -}}
{{- end -}}
{{- with .Values.tls.clientCa.existingSecret -}}
  {{- $secrets = append $secrets (dict "name" "client-ca" "secret" . "keys" (list $.Values.tls.clientCa.key)) -}}
{{- end -}}
{{- with .Values.tls.clientCrl.existingSecret -}}
  {{- $secrets = append $secrets (dict "name" "client-crl" "secret" . "keys" $.Values.tls.clientCrl.keys) -}}
{{- end -}}
{{- with .Values.upstream.ca.existingSecret -}}
  {{- $secrets = append $secrets (dict "name" "cluster-ca" "secret" . "keys" (list $.Values.upstream.ca.key)) -}}
{{- end -}}
{{- with .Values.upstream.clientCertificate.existingSecret -}}
  {{- $secrets = append $secrets (dict "name" "cluster-tls" "secret" .) -}}
{{- end -}}
{{- with .Values.upstream.sasl.existingSecret -}}
  {{- $secrets = append $secrets (dict "name" "cluster-sasl" "secret" .) -}}
{{- end -}}
{{- $secrets | toJson -}}
{{- end -}}

{{/* The admin port, out of config.admin.bind. */}}
{{- define "holdfast.adminPort" -}}
{{- splitList ":" .Values.config.admin.bind | last -}}
{{- end -}}

{{/* Bytes of a quantity of memory; 0 for what is not understood. */}}
{{- define "holdfast.bytes" -}}
{{- $text := toString . -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- $number := trimSuffix $unit $text -}}
{{- if and (hasKey $units $unit) (regexMatch "^[0-9]+([.][0-9]+)?$" $number) -}}
{{- mulf (float64 $number) (get $units $unit) | int64 -}}
{{- else -}}0{{- end -}}
{{- end -}}

{{/* Most pods that may run at a time. */}}
{{- define "holdfast.mostReplicas" -}}
{{- ternary .Values.autoscaling.maxReplicas .Values.replicaCount .Values.autoscaling.enabled | int -}}
{{- end -}}

{{/* What needs all connections of every group in one process, and so one pod at a time. A JSON list of what to call it. */}}
{{- define "holdfast.joint" -}}
{{- $policy := .Values.config.policy | default dict -}}
{{- $joint := list -}}
{{- range list "commit_ahead" "commit_hold_back" -}}
  {{- if eq "enforce" (get (get $policy . | default dict) "mode" | default "") -}}
    {{- $joint = append $joint (printf "config.policy.%s.mode enforce" .) -}}
  {{- end -}}
{{- end -}}
{{- if $policy.single_instance -}}
  {{- $joint = append $joint "config.policy.single_instance true" -}}
{{- end -}}
{{- $joint | toJson -}}
{{- end -}}

{{/* What no schema can say: values that contradict each other. */}}
{{- define "holdfast.check" -}}
{{- $config := .Values.config -}}
{{- if and (not .Values.existingConfigMap) (not $config.cluster.bootstrap_servers) -}}
  {{- fail "config.cluster.bootstrap_servers: must be given, as in --set config.cluster.bootstrap_servers={kafka-1:9092,kafka-2:9092}" -}}
{{- end -}}
{{- with $config.cluster.sasl -}}
  {{- if and .password (not (contains "${" (toString .password))) -}}
    {{- fail "config.cluster.sasl.password: would stand in a ConfigMap for everybody to read; allowed: upstream.sasl.existingSecret, or \"${NAME}\" with extraEnv" -}}
  {{- end -}}
  {{- if and .mechanism (ne .mechanism "OAUTHBEARER") (not .username) -}}
    {{- fail "config.cluster.sasl.username: must be given" -}}
  {{- end -}}
{{- end -}}
{{- range $config.cluster.bootstrap_servers -}}
  {{- if not (or (regexMatch ":[0-9]+$" .) (contains "${" .)) -}}
    {{- fail (printf "config.cluster.bootstrap_servers: found %s; allowed: HOST:PORT" .) -}}
  {{- end -}}
  {{- if and $.Values.networkPolicy.enabled (not $.Values.networkPolicy.brokerPorts) (not (regexMatch ":[0-9]+$" .)) -}}
    {{- fail (printf "networkPolicy.brokerPorts: must be given, as the port of %s is not known here" .) -}}
  {{- end -}}
{{- end -}}
{{- if not (regexMatch ":[0-9]+$" $config.admin.bind) -}}
  {{- fail (printf "config.admin.bind: found %s; allowed: ADDRESS:PORT" $config.admin.bind) -}}
{{- end -}}
{{- $listenerTls := $config.listener.tls | default dict -}}
{{- $ca := or .Values.tls.clientCa.existingSecret $listenerTls.client_ca_file -}}
{{- $auth := $listenerTls.client_auth | default "none" -}}
{{- /* What a ConfigMap of one's own says of it is not known here. */}}
{{- if and $ca (eq $auth "none") (not .Values.existingConfigMap) -}}
  {{- fail "config.listener.tls.client_auth: must be requested or required where there is a CA of clients" -}}
{{- end -}}
{{- if and (not $ca) (ne $auth "none") -}}
  {{- fail (printf "config.listener.tls.client_auth: found %s; needs tls.clientCa.existingSecret" $auth) -}}
{{- end -}}
{{- $patience := mul 1000 .Values.terminationGracePeriodSeconds | int64 -}}
{{- $needed := add $config.drain.delay_ms $config.drain.timeout_ms (mul 1000 .Values.preStopSleepSeconds) | int64 -}}
{{- if le $patience $needed -}}
  {{- fail (printf "terminationGracePeriodSeconds: found %d s; allowed: more than %d ms, the sum of preStopSleepSeconds, config.drain.delay_ms and config.drain.timeout_ms: else pods are killed while they drain" (int .Values.terminationGracePeriodSeconds) $needed) -}}
{{- end -}}
{{- $close := hasKey $config.drain "close_drain_timeout_ms" | ternary $config.drain.close_drain_timeout_ms 5000 | int64 -}}
{{- if gt $close (int64 $config.drain.timeout_ms) -}}
  {{- fail (printf "config.drain.close_drain_timeout_ms: found %d; allowed: at most config.drain.timeout_ms, %d" $close (int64 $config.drain.timeout_ms)) -}}
{{- end -}}
{{- $joint := include "holdfast.joint" . | fromJsonArray -}}
{{- if $joint -}}
  {{- if .Values.autoscaling.enabled -}}
    {{- fail (printf "autoscaling.enabled: must be false: %s needs all connections of every group in one process" (join ", " $joint)) -}}
  {{- end -}}
  {{- if and .Values.strategy (ne "Recreate" (.Values.strategy).type) -}}
    {{- fail (printf "strategy.type: found %v; allowed: Recreate: %s needs all connections of every group in one process" (.Values.strategy).type (join ", " $joint)) -}}
  {{- end -}}
  {{- if gt (int .Values.replicaCount) 1 -}}
    {{- fail (printf "replicaCount: found %d; allowed: 1: %s needs all connections of every group in one process" (int .Values.replicaCount) (join ", " $joint)) -}}
  {{- end -}}
{{- end -}}
{{- with ((.Values.resources).limits).memory -}}
  {{- $limit := include "holdfast.bytes" . | int64 -}}
  {{- $limits := $config.limits | default dict -}}
  {{- $connections := $limits.max_connections | default 9000 | int64 -}}
  {{- $towardsClients := or (include "holdfast.tlsSecret" $) ($config.listener.tls | default dict).certificate_file -}}
  {{- $towardsBrokers := or $.Values.upstream.ca.existingSecret $.Values.upstream.clientCertificate.existingSecret ($config.cluster.tls | default dict).enabled -}}
  {{- /* Of one that rests, as measured ("Sizing" in the project's README). */}}
  {{- $each := 4 -}}
  {{- if $towardsClients -}}{{- $each = add $each 8 -}}{{- end -}}
  {{- if $towardsBrokers -}}{{- $each = add $each 8 -}}{{- end -}}
  {{- $needed := add ($limits.buffer_bytes | default 536870912 | int64) (mul $connections $each 1024) (mul 25 1048576) | int64 -}}
  {{- if and (gt $limit 0) (lt $limit $needed) -}}
    {{- fail (printf "resources.limits.memory: found %s; allowed: at least %d bytes: config.limits.buffer_bytes, %d KiB for each of config.limits.max_connections (%d), and 25 MiB" (toString .) $needed (int $each) $connections) -}}
  {{- end -}}
{{- end -}}
{{- with .Values.podDisruptionBudget -}}
  {{- $least := ternary $.Values.autoscaling.minReplicas $.Values.replicaCount $.Values.autoscaling.enabled | int -}}
  {{- if and .enabled (gt $least 1) -}}
    {{- $stays := or (eq (toString .minAvailable) "100%") (and (regexMatch "^[0-9]+$" (toString .minAvailable)) (ge (int .minAvailable) $least)) -}}
    {{- if and (not (kindIs "invalid" .minAvailable)) $stays -}}
      {{- fail (printf "podDisruptionBudget.minAvailable: found %v of %d pods; allowed: fewer: else no node can be drained" .minAvailable $least) -}}
    {{- end -}}
    {{- if and (kindIs "invalid" .minAvailable) (has (toString .maxUnavailable) (list "0" "0%")) -}}
      {{- fail (printf "podDisruptionBudget.maxUnavailable: found %v; allowed: at least 1: else no node can be drained" .maxUnavailable) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled .Values.existingConfigMap (not .Values.networkPolicy.brokerPorts) -}}
  {{- fail "networkPolicy.brokerPorts: must be given with existingConfigMap: without ports everything would be allowed" -}}
{{- end -}}
{{- if and (eq .Values.reload.mode "watch") (hasKey ($config.reload | default dict) "watch_interval_ms") -}}
  {{- if eq 0 (int $config.reload.watch_interval_ms) -}}
    {{- fail "config.reload.watch_interval_ms: found 0, and reload.mode is watch; allowed: more than 0, or reload.mode rollout" -}}
  {{- end -}}
{{- end -}}
{{- $hasTls := or (include "holdfast.tlsSecret" .) ($config.listener.tls | default dict).certificate_file -}}
{{- if and $config.listener.sni (not $hasTls) -}}
  {{- fail "config.listener.sni: needs a certificate: tls.existingSecret, tls.certManager or config.listener.tls" -}}
{{- end -}}
{{- if and .Values.exposure.tlsRoute.enabled (not $config.listener.sni) -}}
  {{- fail "exposure.tlsRoute.enabled: needs config.listener.sni" -}}
{{- end -}}
{{- if and .Values.exposure.tlsRoute.enabled (not .Values.exposure.tlsRoute.parentRefs) -}}
  {{- fail "exposure.tlsRoute.parentRefs: must name a Gateway" -}}
{{- end -}}
{{- if and (eq .Values.exposure.internal.mode "none") (not $config.listener.sni) (not $config.listener.advertised_host) -}}
  {{- fail "exposure.internal.mode: found none, and neither config.listener.sni nor config.listener.advertised_host says how clients come" -}}
{{- end -}}
{{- if and (eq .Values.exposure.internal.mode "services") $config.listener.advertised_host (not (contains "{id}" $config.listener.advertised_host)) -}}
  {{- fail "config.listener.advertised_host: needs {id}, or exposure.internal.mode must be ports or none: Services for each broker have a name each" -}}
{{- end -}}
{{- if and (eq (default "off" $config.listener.proxy_protocol) "required") (ne .Values.exposure.internal.mode "none") -}}
  {{- fail "config.listener.proxy_protocol: found required; clients inside the cluster send no PROXY header: set exposure.internal.mode to none" -}}
{{- end -}}
{{- if and .Values.tls.certManager.enabled .Values.tls.existingSecret -}}
  {{- fail "tls.existingSecret: must be empty where tls.certManager.enabled is true" -}}
{{- end -}}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) -}}
  {{- fail "tls.certManager.issuerRef.name: must be given" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
  {{- fail "metrics.podMonitor.enabled: must be false where metrics.serviceMonitor.enabled is true: every series would come twice" -}}
{{- end -}}
{{- if regexMatch "^(127[.]|localhost|\\[::1\\])" $config.admin.bind -}}
  {{- fail "config.admin.bind: found a loopback address, which no probe reaches; allowed: 0.0.0.0:9901" -}}
{{- end -}}
{{- if regexMatch "^(127[.]|localhost$|::1$)" ($config.listener.bind | toString) -}}
  {{- fail "config.listener.bind: found a loopback address, which no Service reaches; allowed: 0.0.0.0 or ::" -}}
{{- end -}}
{{- with $config.listener.sni -}}
  {{- range list "port" "bootstrap_host" "broker_host" -}}
    {{- if not (get $config.listener.sni .) -}}
      {{- fail (printf "config.listener.sni.%s: must be given" .) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- with .Values.autoscaling -}}
  {{- if .enabled -}}
    {{- if not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage) -}}
      {{- fail "autoscaling: needs targetCPUUtilizationPercentage or targetMemoryUtilizationPercentage" -}}
    {{- end -}}
    {{- range $resource, $target := dict "cpu" .targetCPUUtilizationPercentage "memory" .targetMemoryUtilizationPercentage -}}
      {{- if and $target (not (get (($.Values.resources).requests | default dict) $resource)) -}}
        {{- fail (printf "resources.requests.%s: must be given: autoscaling takes its target as a percentage of it" $resource) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $alerts := list -}}
{{- range (.Files.Get "files/alerts.yaml" | fromYaml).rules -}}
  {{- $alerts = append $alerts .alert -}}
{{- end -}}
{{- range concat .Values.metrics.prometheusRule.disabled (keys .Values.metrics.prometheusRule.severities) -}}
  {{- if not (has . $alerts) -}}
    {{- fail (printf "metrics.prometheusRule: found %s in disabled or severities; allowed: %s" . (join ", " $alerts)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
