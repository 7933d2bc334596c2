//! The pub/sub part of a Dapr sidecar.

