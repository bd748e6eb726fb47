// Not built: modules that bring custom resource definitions, which tests apply from their folders.
module forescale.dev/parts/crds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.0
	github.com/open-telemetry/opentelemetry-operator v0.140.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	istio.io/api v1.31.0-rc.0.0.20260824154656-b943409680a7
	k8s.io/autoscaler/vertical-pod-autoscaler v1.7.3
)
