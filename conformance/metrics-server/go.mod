module tidewatch/conformance/metrics-server

go 1.26

require (
	k8s.io/apimachinery v0.36.2
	sigs.k8s.io/metrics-server v0.9.0
)
