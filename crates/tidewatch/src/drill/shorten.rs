//! Manifests with all windows of alerting shortened by one factor.
//!
//! Input: documents of manifests, as values. Output: the same documents in which intervals of scraping and evaluation, `for` and
//! `keep_firing_for`, the ranges, steps and offsets within expressions, and the waits of a notification configuration are divided.
//! With the factor 1 nothing changes. Thresholds stay as they are, also those that are durations.

use serde_json::{Value, json};
use std::time::Duration;
use tidewatch_model::{format_duration, parse_duration};

/// An interval that nothing is done more often than: below it the work of the machine would be all that is measured.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// How often groups are evaluated that do not say.
const EVALUATION_INTERVAL: Duration = Duration::from_secs(30);

/// How many times shorter windows are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shortening(f64);

impl Shortening {
    /// Windows that are `factor` times shorter; a factor below 1 is taken as 1.
    pub(crate) fn by(factor: f64) -> Self {
        Self(factor.max(1.0))
    }

    /// How many times.
    pub(crate) fn factor(self) -> f64 {
        self.0
    }

    /// A duration, shortened to whole milliseconds.
    pub(crate) fn window(self, long: Duration) -> Duration {
        if self.0 == 1.0 || long.is_zero() {
            return long;
        }
        let milliseconds = (long.as_secs_f64() * 1000.0 / self.0).round().max(1.0);
        Duration::from_millis(milliseconds as u64)
    }

    /// An interval of something that is done again and again.
    pub(crate) fn interval(self, long: Duration) -> Duration {
        self.window(long).max(LEAST_INTERVAL.min(long))
    }

    /// An expression; one that cannot be read stays, and is complained of where it is used.
    pub(crate) fn expression(self, text: &str) -> String {
        let Ok(read) = tidewatch_promql::parse(text) else { return text.to_owned() };
        let mut shortened = text.to_owned();
        for (place, long) in read.written_durations().into_iter().rev() {
            let short = self.window(long);
            if short != long {
                shortened.replace_range(place, &format_duration(short));
            }
        }
        shortened
    }

    /// A document of a manifest.
    pub(crate) fn document(self, document: &mut Value) {
        match document["kind"].as_str() {
            Some("PrometheusRule") => self.rules(document),
            Some("ServiceMonitor") => self.endpoints(&mut document["spec"]["endpoints"]),
            Some("PodMonitor") => self.endpoints(&mut document["spec"]["podMetricsEndpoints"]),
            _ => {}
        }
    }

    fn rules(self, document: &mut Value) {
        for group in members(&mut document["spec"]["groups"]) {
            if self.0 != 1.0 && group["interval"].is_null() {
                group["interval"] = json!(format_duration(EVALUATION_INTERVAL));
            }
            self.text(&mut group["interval"], Self::interval);
            self.text(&mut group["query_offset"], Self::window);
            for rule in members(&mut group["rules"]) {
                self.text(&mut rule["for"], Self::window);
                self.text(&mut rule["keep_firing_for"], Self::window);
                if let Some(expression) = rule["expr"].as_str() {
                    rule["expr"] = json!(self.expression(expression));
                }
                tidy(rule);
            }
            tidy(group);
        }
    }

    fn endpoints(self, endpoints: &mut Value) {
        for endpoint in members(endpoints) {
            self.text(&mut endpoint["interval"], Self::interval);
            if self.0 != 1.0 {
                let read = |value: &Value| parse_duration(value.as_str()?).ok();
                // a scrape may not take longer than it is to the next one
                let shortest = read(&endpoint["interval"]).zip(read(&endpoint["scrapeTimeout"]));
                if let Some((interval, timeout)) = shortest {
                    endpoint["scrapeTimeout"] = json!(format_duration(timeout.min(interval)));
                }
            }
            tidy(endpoint);
        }
    }

    /// A route of a notification configuration, with all below it.
    pub(crate) fn route(self, route: &mut Value) {
        for wait in ["group_wait", "group_interval", "repeat_interval"] {
            self.text(&mut route[wait], Self::window);
        }
        for below in members(&mut route["routes"]) {
            self.route(below);
        }
        tidy(route);
    }

    /// A duration that is written as text; anything else stays.
    pub(crate) fn text(self, value: &mut Value, shorten: fn(Self, Duration) -> Duration) {
        let Some(long) = value.as_str().and_then(|text| parse_duration(text).ok()) else { return };
        let short = shorten(self, long);
        if short != long {
            *value = json!(format_duration(short));
        }
    }
}

fn members(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.as_array_mut().into_iter().flatten()
}

/// Removes the nulls that looking for absent members has left.
fn tidy(object: &mut Value) {
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Value {
        json!({"kind": "PrometheusRule", "spec": {"groups": [
            {"name": "g", "interval": "30s", "rules": [
                {"alert": "A", "for": "5m", "keep_firing_for": "1h", "expr": "rate(x[5m] offset 10m) > 0.05", "labels": {"severity": "info"}},
                {"record": "r", "expr": "max_over_time(rate(x{le=\"5m\"}[2m])[1h:30s]) > 120"},
            ]},
            {"name": "h", "rules": []},
        ]}})
    }

    fn monitor() -> Value {
        json!({"kind": "ServiceMonitor", "spec": {"endpoints": [
            {"port": "metrics", "interval": "30s", "scrapeTimeout": "10s"}, {"port": "other"},
        ]}})
    }

    #[test]
    fn windows_are_divided_and_thresholds_stay() {
        let mut document = rules();
        Shortening::by(10.0).document(&mut document);
        let groups = &document["spec"]["groups"];
        assert_eq!(groups[0]["interval"], "3s");
        assert_eq!(groups[1]["interval"], "3s", "the usual interval is one too");
        let alert = &groups[0]["rules"][0];
        assert_eq!((&alert["for"], &alert["keep_firing_for"]), (&json!("30s"), &json!("6m")));
        assert_eq!(alert["expr"], "rate(x[30s] offset 1m) > 0.05");
        assert_eq!(alert["labels"], json!({"severity": "info"}));
        let record = &groups[0]["rules"][1];
        assert_eq!(record["expr"], "max_over_time(rate(x{le=\"5m\"}[12s])[6m:3s]) > 120");
        assert_eq!(record.get("for"), None);

        let mut document = monitor();
        Shortening::by(10.0).document(&mut document);
        let endpoints =
            json!([{"port": "metrics", "interval": "3s", "scrapeTimeout": "3s"}, {"port": "other"}]);
        assert_eq!(document["spec"]["endpoints"], endpoints);
    }

    #[test]
    fn a_factor_of_one_changes_nothing() {
        let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut documents = vec![rules(), monitor()];
        for file in ["prometheus-rules.yaml", "slo-rules.yaml", "backend-servicemonitor.yaml"] {
            let text = std::fs::read_to_string(repository.join("kubernetes/monitoring").join(file)).unwrap();
            documents.push(serde_saphyr::from_str(&text).unwrap());
        }
        for document in documents {
            let mut same = document.clone();
            Shortening::by(1.0).document(&mut same);
            assert_eq!(same, document);
        }
    }

    #[test]
    fn shortened_rules_can_be_read_and_shortening_twice_is_shortening_by_the_product() {
        let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text =
            std::fs::read_to_string(repository.join("kubernetes/monitoring/prometheus-rules.yaml")).unwrap();
        let document: Value = serde_saphyr::from_str(&text).unwrap();
        let (mut twice, mut once) = (document.clone(), document);
        Shortening::by(2.0).document(&mut twice);
        Shortening::by(3.0).document(&mut twice);
        Shortening::by(6.0).document(&mut once);
        assert_eq!(twice, once);
        for group in once["spec"]["groups"].as_array().unwrap() {
            for rule in group["rules"].as_array().unwrap() {
                tidewatch_promql::parse(rule["expr"].as_str().unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn waits_of_notifications_are_divided_on_every_level() {
        let mut route = json!({"group_wait": "30s", "receiver": "a", "routes": [{"group_interval": "5m", "matchers": ["x=y"]}]});
        Shortening::by(10.0).route(&mut route);
        assert_eq!(
            route,
            json!({"group_wait": "3s", "receiver": "a", "routes": [{"group_interval": "30s", "matchers": ["x=y"]}]})
        );
    }

    #[test]
    fn nothing_is_done_more_often_than_once_a_second() {
        let fast = Shortening::by(60.0);
        assert_eq!(fast.interval(Duration::from_secs(30)), Duration::from_secs(1));
        assert_eq!(fast.window(Duration::from_secs(30)), Duration::from_millis(500));
        assert_eq!(fast.window(Duration::ZERO), Duration::ZERO);
        assert_eq!(Shortening::by(0.1).factor(), 1.0);
    }
}
