//! The two alerts of an objective: its budget burns so fast that somebody has to come, or so fast that somebody has to
//! look into it on a working day.
//!
//! Input: an objective and the time between evaluations. Output: two rules. Each holds as soon as its expression does: the windows
//! are the waiting time. Their value is the rate of burning over the long window.

use crate::expand::{GeneratedRule, RuleName};
use crate::objective::Objective;
use crate::recordings::{error_ratio, failures_within, labels};
use crate::windows::{BURNS, Burn, window_text};
use std::time::Duration;

/// The alert that pages.
pub const FAST_BURN: &str = "ErrorBudgetBurnFast";
/// The alert that can wait for a working day.
pub const SLOW_BURN: &str = "ErrorBudgetBurnSlow";

/// Both alerts of an objective.
pub(crate) fn alerts(objective: &Objective, interval: Duration) -> Vec<GeneratedRule> {
    vec![alert(objective, interval, true), alert(objective, interval, false)]
}

fn alert(objective: &Objective, interval: Duration, pages: bool) -> GeneratedRule {
    let (name, severity, words) =
        if pages { (FAST_BURN, "critical", "fast") } else { (SLOW_BURN, "warning", "steadily") };
    let burns: Vec<&Burn> = BURNS.iter().filter(|burn| burn.pages == pages).collect();
    let arms: Vec<String> = burns.iter().map(|burn| arm(objective, burn, interval)).collect();
    let thresholds: Vec<String> =
        burns.iter().map(|burn| format!("{} over {}", burn.factor, window_text(burn.long))).collect();
    let mut labels = labels(objective);
    labels.insert("severity".to_owned(), severity.to_owned());
    let description = format!(
        "{{{{ $labels.service }}}} in {{{{ $labels.namespace }}}} burns the error budget of {{{{ $labels.slo }}}} \
         {{{{ $value | printf \"%.1f\" }}}} times as fast as {}% over {} allow (threshold {}).",
        objective.objective.percent_text(),
        window_text(objective.window),
        thresholds.join(", ")
    );
    let annotations = [
        ("summary", format!("{{{{ $labels.slo }}}} burns its error budget {words}")),
        ("description", description),
        ("runbook_url", format!("{{{{ $externalURL }}}}/user/{name}.md")),
    ];
    GeneratedRule {
        name: RuleName::Alert(name.to_owned()),
        expr: arms.join("\nor\n"),
        labels,
        annotations: annotations.map(|(key, text)| (key.to_owned(), text)).into(),
    }
}

/// One rate of burning in both windows, and enough failures for it to mean something.
fn arm(objective: &Objective, burn: &Burn, interval: Duration) -> String {
    let budget = objective.objective.rest().ratio_text();
    let burns = |window| format!("{} / {budget} > {}", objective.selector(&error_ratio(window)), burn.factor);
    format!(
        "(\n  {}\n  and\n  {}\n  and\n  {} > {}.4\n)",
        burns(burn.long),
        burns(burn.short),
        failures_within(objective, burn.long, interval),
        // sums of rates are off by a fraction of an event
        objective.minimum_failures - 1
    )
}
