//! A Kafka-compatible broker for one machine, and the exporter of its metrics.

