//! OpenTelemetry's protocol: bytes to spans.

