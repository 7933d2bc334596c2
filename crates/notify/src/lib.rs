//! From alerts to messages that someone reads, as Alertmanager 0.34 does it.
