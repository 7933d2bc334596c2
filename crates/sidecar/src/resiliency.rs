//! Retries and timeouts around deliveries and publishing, by Dapr's Resiliency objects.
//!
//! Input: objects of `dapr.io/v1alpha1`. Output: the policy of a component and direction. Circuit breakers are left out, with a line in
//! the log; policies for applications and actors do not concern pub/sub.

use crate::document::{Document, Place};
use crate::{go_text, random};
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_manifest::{ManifestError, Other};

/// Which way events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the application.
    Inbound,
    /// To the bus.
    Outbound,
}

/// What is done around one operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Policy {
    /// How long one attempt may take.
    pub(crate) timeout: Option<Duration>,
    /// Without one there is one attempt.
    pub(crate) retry: Option<Retry>,
}

/// How an operation is repeated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Retry {
    /// Waits grow from half a second by half to `most`; otherwise they are all `wait`.
    pub(crate) exponential: bool,
    pub(crate) wait: Duration,
    pub(crate) most: Duration,
    /// Repetitions after the first attempt; `None` for ever.
    pub(crate) limit: Option<u32>,
}

impl Default for Retry {
    /// Every five seconds, for ever.
    fn default() -> Self {
        Self { exponential: false, wait: Duration::from_secs(5), most: Duration::from_secs(60), limit: None }
    }
}

/// The first wait of a growing one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A growing wait ends the repetitions after this time.
const MOST_ELAPSED: Duration = Duration::from_secs(15 * 60);

impl Retry {
    /// How long to wait before the repetition `number` (from 0), `elapsed` after the first attempt; `None` when there is none.
    pub(crate) fn wait_before(&self, number: u32, elapsed: Duration) -> Option<Duration> {
        if self.limit.is_some_and(|limit| number >= limit) {
            return None;
        }
        if !self.exponential {
            return Some(self.wait);
        }
        let grown = FIRST_WAIT.mul_f64(1.5f64.powi(number.min(60) as i32)).min(self.most);
        let scattered = grown.mul_f64(0.5 + (random::bits() >> 11) as f64 / (1u64 << 53) as f64);
        (elapsed + scattered <= MOST_ELAPSED).then_some(scattered)
    }
}

/// All policies that concern components.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resiliency {
    timeouts: BTreeMap<String, Duration>,
    retries: BTreeMap<String, Retry>,
    targets: BTreeMap<String, [Names; 2]>,
}

/// The names of the policies of one target and direction.
#[derive(Clone, Debug, Default)]
struct Names {
    timeout: Option<String>,
    retry: Option<String>,
}

impl Resiliency {
    /// Adds an object's policies; later ones replace earlier ones of the same name.
    ///
    /// # Errors
    /// All its mistakes.
    pub(crate) fn add(&mut self, other: &Other) -> Result<(), Vec<ManifestError>> {
        let document = Document::new(other);
        {
            let spec = document.root().get("spec");
            let policies = spec.get("policies");
            for (name, place) in policies.get("timeouts").entries() {
                self.timeouts.extend(duration_at(&place).map(|timeout| (name.to_owned(), timeout)));
            }
            for (name, place) in policies.get("retries").entries() {
                self.retries.insert(name.to_owned(), retry_at(&place));
            }
            if policies.get("circuitBreakers").is_there() {
                tracing::warn!(
                    resiliency = other.meta.name,
                    "circuit breakers are not supported and are left out"
                );
            }
            for (component, place) in spec.get("targets").get("components").entries() {
                let names = ["inbound", "outbound"].map(|direction| names_at(&place.get(direction)));
                self.targets.insert(component.to_owned(), names);
            }
        }
        let errors = document.into_errors();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The policy of a pub/sub component: its own, or the default ones by their names.
    pub(crate) fn policy(&self, component: &str, direction: Direction) -> Policy {
        if let Some(names) = self.targets.get(component) {
            let names = &names[direction as usize];
            return Policy {
                timeout: names.timeout.as_ref().and_then(|name| self.timeouts.get(name)).copied(),
                retry: names.retry.as_ref().and_then(|name| self.retries.get(name)).cloned(),
            };
        }
        let levels = [
            format!("PubsubComponent{direction:?}"),
            format!("Component{direction:?}"),
            "Component".to_owned(),
            String::new(),
        ];
        Policy {
            timeout: levels
                .iter()
                .find_map(|level| self.timeouts.get(&format!("Default{level}TimeoutPolicy")))
                .copied(),
            retry: levels
                .iter()
                .find_map(|level| self.retries.get(&format!("Default{level}RetryPolicy")))
                .cloned(),
        }
    }
}

fn names_at(place: &Place<'_>) -> Names {
    if place.get("circuitBreaker").is_there() {
        tracing::warn!("circuit breakers are not supported and are left out");
    }
    Names { timeout: place.get("timeout").text(), retry: place.get("retry").text() }
}

fn duration_at(place: &Place<'_>) -> Option<Duration> {
    let text = place.loose_text()?;
    let duration = go_text::duration(&text, Duration::from_secs(1));
    if duration.is_none() {
        place.wrong(format!("{text:?} is no duration"), "write e.g. 500ms, 5s or 1m30s");
    }
    duration
}

fn retry_at(place: &Place<'_>) -> Retry {
    let mut retry = Retry::default();
    match place.get("policy").text().as_deref() {
        None | Some("" | "constant") => {}
        Some("exponential") => retry.exponential = true,
        Some(other) => {
            place.get("policy").wrong(format!("unknown policy {other:?}"), "use constant or exponential");
        }
    }
    if place.get("duration").is_there() {
        retry.wait = duration_at(&place.get("duration")).unwrap_or(retry.wait);
    }
    if place.get("maxInterval").is_there() {
        retry.most = duration_at(&place.get("maxInterval")).unwrap_or(retry.most);
    }
    retry.limit = place.get("maxRetries").number().and_then(|limit| u32::try_from(limit).ok());
    retry
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::load_text;

    fn read(spec: &str) -> Result<Resiliency, String> {
        let text =
            format!("apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata:\n  name: r\nspec:\n{spec}");
        let manifests = load_text("r.yaml", &text).map_err(|errors| format!("{errors:?}"))?;
        let mut resiliency = Resiliency::default();
        resiliency.add(&manifests.others[0]).map_err(|errors| errors[0].to_string())?;
        Ok(resiliency)
    }

    #[test]
    fn a_component_has_the_policy_it_names() {
        let spec = "  policies:\n    timeouts: {short: 2s}\n    retries:\n      often: {policy: constant, duration: 100ms, maxRetries: 3}\n  targets:\n    components:\n      bus:\n        inbound: {timeout: short, retry: often}\n";
        let resiliency = read(spec).expect("it is right");
        let retry = Retry { wait: Duration::from_millis(100), limit: Some(3), ..Retry::default() };
        let expected = Policy { timeout: Some(Duration::from_secs(2)), retry: Some(retry) };
        assert_eq!(resiliency.policy("bus", Direction::Inbound), expected);
        assert_eq!(resiliency.policy("bus", Direction::Outbound), Policy::default());
        assert_eq!(resiliency.policy("other", Direction::Inbound), Policy::default());
    }

    #[test]
    fn defaults_apply_by_their_names() {
        let spec = "  policies:\n    retries:\n      DefaultRetryPolicy: {duration: 1s}\n      DefaultPubsubComponentInboundRetryPolicy: {duration: 2s}\n";
        let resiliency = read(spec).expect("it is right");
        let wait =
            |direction| resiliency.policy("bus", direction).retry.expect("there is one").wait.as_secs();
        assert_eq!((wait(Direction::Inbound), wait(Direction::Outbound)), (2, 1));
    }

    #[test]
    fn mistakes_are_told() {
        let check = |spec: &str, part: &str| {
            let error = read(spec).expect_err("it is wrong");
            assert!(error.contains(part), "{error}");
        };
        check(
            "  policies:\n    timeouts: {short: soon}\n",
            "spec.policies.timeouts.short: \"soon\" is no duration",
        );
        check("  policies:\n    retries:\n      a: {policy: linear}\n", "unknown policy \"linear\"");
    }

    #[test]
    fn waits_are_constant_or_grow() {
        let constant = Retry { limit: Some(2), ..Retry::default() };
        let waits: Vec<_> = (0..3).map(|number| constant.wait_before(number, Duration::ZERO)).collect();
        assert_eq!(waits, [Some(Duration::from_secs(5)), Some(Duration::from_secs(5)), None]);
        let growing = Retry { exponential: true, most: Duration::from_secs(3), ..Retry::default() };
        for number in [0, 5, 1_000_000] {
            let wait = growing.wait_before(number, Duration::ZERO).expect("there is always one");
            assert!(wait >= Duration::from_millis(250) && wait <= Duration::from_millis(4_500), "{wait:?}");
        }
        assert_eq!(growing.wait_before(9, MOST_ELAPSED), None);
    }
}
