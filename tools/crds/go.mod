// The definitions of the custom resources that the chart makes: files in the Go modules of their projects.
// Nothing here is compiled; chart/tests/schemas.py reads them where `go mod download` puts them.
module tofu-state/tools/crds

go 1.26.6

require (
	github.com/external-secrets/external-secrets v1.3.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
