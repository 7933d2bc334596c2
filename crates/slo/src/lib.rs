//! Service level objectives: a declaration becomes recording rules, alerts and a dashboard.
