//! What the drill's stack says of its alerts, kept current.
//!
//! Input: `/api/v1/alerts` of the stack. Output: the alerts that are active at the moment, in a watch channel. It computes nothing.

use super::stack::ask;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often the alerts are asked for.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// An alert that is pending or firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveAlert {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) firing: bool,
}

/// The active alerts, from one look to the next.
#[derive(Debug)]
pub(crate) struct AlertWatch {
    alerts: watch::Receiver<Arc<Vec<ActiveAlert>>>,
    looking: JoinHandle<()>,
}

impl AlertWatch {
    /// Begins to look at a stack's Prometheus API.
    pub(crate) fn start(prometheus: &str) -> Self {
        let (tell, alerts) = watch::channel(Arc::default());
        let url = format!("{prometheus}/api/v1/alerts");
        let looking = tokio::spawn(async move {
            loop {
                let answer = ask(&url).await;
                // an answer that does not come says nothing
                if answer["status"] == "success" {
                    tell.send_replace(Arc::new(alerts_of(&answer)));
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        });
        Self { alerts, looking }
    }

    /// The alerts, to be waited on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Vec<ActiveAlert>>> {
        self.alerts.clone()
    }
}

impl Drop for AlertWatch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

fn alerts_of(answer: &serde_json::Value) -> Vec<ActiveAlert> {
    let all = answer["data"]["alerts"].as_array().into_iter().flatten();
    let labels = |alert: &serde_json::Value| {
        let members = alert["labels"].as_object().into_iter().flatten();
        members.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    };
    all.filter(|alert| alert["state"] == "firing" || alert["state"] == "pending")
        .map(|alert| ActiveAlert { labels: labels(alert), firing: alert["state"] == "firing" })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pending_and_firing_alerts_are_active() {
        let alert = |state: &str| json!({"labels": {"alertname": "A"}, "state": state, "activeAt": "", "value": "1e+00"});
        let answer = json!({"status": "success", "data": {"alerts": [alert("pending"), alert("firing"), alert("inactive")]}});
        let firing: Vec<bool> = alerts_of(&answer).iter().map(|alert| alert.firing).collect();
        assert_eq!(firing, [false, true]);
        assert_eq!(alerts_of(&json!(null)), []);
    }
}
