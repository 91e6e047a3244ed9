module nps-connector/tools/definitions

go 1.26.0

// Operators whose definitions of custom resources the chart is held against. They are fetched and read,
// never built: `go mod tidy` would drop them, `go mod download` takes no more than these.
require (
	github.com/cloudnative-pg/cloudnative-pg v1.28.0
	github.com/external-secrets/external-secrets v1.3.2
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.1
)
