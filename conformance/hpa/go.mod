module tidewatch/conformance/hpa

go 1.24.0
