//! The list of objectives, found in rules.

use crate::{AVAILABILITY, declaration};
use serde_json::json;
use tidewatch_slo::{Declaration, RuleView, prometheus_rule, slos_of};

#[test]
fn objectives_are_found_in_the_rules_alone() {
    let latency = "    - name: slow\n      service: api\n      namespace: shop\n      objective: 95\n      window: 7d\n      \
                   description: Fast.\n      latency: {histogram: d, threshold: 250ms}\n";
    let declared = Declaration::parse("f", &(declaration(AVAILABILITY) + latency)).unwrap();
    let manifests = tidewatch_manifest::load_text("f", &prometheus_rule("f", &declared)).unwrap();
    let rules: Vec<RuleView<'_>> = manifests
        .prometheus_rules
        .iter()
        .flat_map(|object| &object.groups)
        .flat_map(|group| &group.rules)
        .map(RuleView::from)
        .collect();
    let slos = slos_of(&rules, "http://127.0.0.1:9090");
    assert_eq!(slos.len(), 2);
    let own = "{namespace=\"shop\", service=\"api\", slo=\"slow\"}";
    let burn = |window: &str| {
        (
            window.to_owned(),
            json!(format!("slo:sli_error:ratio_rate{window}{own} / slo:error_budget:ratio{own}")),
        )
    };
    let burn_rate: serde_json::Map<_, _> =
        ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "7d"].map(burn).into_iter().collect();
    let expected = json!({
        "name": "slow",
        "namespace": "shop",
        "service": "api",
        "objective": 0.95,
        "window": "7d",
        "kind": "latency",
        "threshold": 0.25,
        "series": {
            "sliError": format!("slo:sli_error:ratio_rate7d{own}"),
            "errorBudgetRemaining": format!("slo:period_error_budget_remaining:ratio{own}"),
            "burnRate": burn_rate,
        },
        "alerts": ["ErrorBudgetBurnFast", "ErrorBudgetBurnSlow"],
        "runbookUrl": "http://127.0.0.1:9090/user/ErrorBudgetBurnFast.md",
        "description": "Fast.",
    });
    assert_eq!(serde_json::to_value(&slos[1]).unwrap(), expected);
    assert_eq!((slos[0].name.as_str(), slos[0].objective, slos[0].threshold), ("api", 0.999, None));
    for text in slos[1].series.burn_rate.iter().map(|(_, text)| text) {
        tidewatch_promql::parse(text).unwrap();
    }
}

#[test]
fn rules_without_information_keep_no_objective() {
    assert!(slos_of(&[], "").is_empty());
    let labels =
        [("slo", "a"), ("service", "b"), ("namespace", "c")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let (labels, annotations) = (labels.into(), std::collections::BTreeMap::new());
    let rule = RuleView { record: Some("slo:info"), alert: None, labels: &labels, annotations: &annotations };
    assert!(slos_of(&[rule], "").is_empty(), "it does not say what is promised");
}
