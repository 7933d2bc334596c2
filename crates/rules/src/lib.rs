//! Recording and alerting rules as Prometheus 3.16 evaluates them.
