//! The labels of a page's series, the labels of its target, and `metric_relabel_configs` → the labels that are stored.
//!
//! Called once for a series text, after which the cache knows the answer. A label that both have: with `honor_labels` the
//! page's stays (an empty one removes the target's), without it the page's is renamed `exported_…` as often as needed.

use crate::ScrapeError;
use crate::limits::check_label_limits;
use tidewatch_exposition::Parser;
use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::{
    Labels, LabelsBuilder, METRIC_NAME, is_valid_label_name, is_valid_metric_name, relabel,
};

/// The stored labels of the series that `parser` is at; `None` when relabeling drops it.
///
/// # Errors
/// When the labels after relabeling are not legal or exceed a limit; the scrape fails.
pub(crate) fn series_labels(
    parser: &Parser<'_>,
    target: &Labels,
    config: &ScrapeConfig,
) -> Result<Option<Labels>, ScrapeError> {
    let mut labels = LabelsBuilder::default();
    let name = parser.metric_name();
    let mut exposed: Vec<String> = vec![METRIC_NAME.to_owned()];
    labels.set(METRIC_NAME, name);
    let mut twice: Option<String> = None;
    for (name, value) in parser.labels() {
        if exposed.iter().any(|other| *other == name) {
            twice.get_or_insert_with(|| name.clone().into_owned());
        }
        exposed.push(name.clone().into_owned());
        labels.set(name, value);
    }
    if config.honor_labels {
        for (name, value) in target.iter().filter(|(name, _)| !exposed.iter().any(|other| other == name)) {
            labels.set(name, value);
        }
    } else {
        override_with_target(&mut labels, target);
    }
    if !relabel(&mut labels, &config.metric_relabel_configs) || labels.iter().next().is_none() {
        return Ok(None);
    }
    if let Some(name) = twice.filter(|name| labels.get(name).is_some()) {
        return Err(ScrapeError::DuplicateLabel(name));
    }
    let labels = labels.build();
    check_names(&labels, config.legacy_names)?;
    check_label_limits(&labels, &config.limits)?;
    Ok(Some(labels))
}

fn override_with_target(labels: &mut LabelsBuilder, target: &Labels) {
    let mut conflicting: Vec<(String, String)> = Vec::new();
    for (name, value) in target {
        if let Some(existing) = labels.get(name) {
            conflicting.push((name.to_owned(), existing.to_owned()));
        }
        labels.set(name, value);
    }
    // shortest first, so that `a` becomes `exported_a` before `exported_a` looks for a free name
    conflicting.sort_by_key(|(name, _)| name.len());
    for (name, value) in conflicting {
        let mut exported = format!("exported_{name}");
        while labels.get(&exported).is_some() {
            exported.insert_str(0, "exported_");
        }
        labels.set(exported, value);
    }
}

fn check_names(labels: &Labels, legacy: bool) -> Result<(), ScrapeError> {
    let Some(name) = labels.metric_name() else { return Err(ScrapeError::MissingName) };
    let mut others = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    let legal = if legacy {
        is_valid_metric_name(name) && others.all(|(name, _)| is_valid_label_name(name))
    } else {
        others.all(|(name, _)| !name.is_empty())
    };
    if legal { Ok(()) } else { Err(ScrapeError::InvalidName(labels.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_exposition::Format;
    use tidewatch_model::{RelabelAction, RelabelRule};

    fn config(honor_labels: bool) -> ScrapeConfig {
        let mut config = ScrapeConfig::new("j");
        config.honor_labels = honor_labels;
        config
    }

    fn check(
        config: &ScrapeConfig,
        target: &[(&str, &str)],
        line: &str,
        expected: Result<Option<&str>, &str>,
    ) {
        let mut parser = Parser::new(line.as_bytes(), Format::Text);
        parser.next().unwrap();
        let target = Labels::from_pairs(target.iter().copied());
        let found = series_labels(&parser, &target, config);
        let found = found.map(|labels| labels.map(|l| l.to_string())).map_err(|e| e.to_string());
        assert_eq!(found.as_ref().map(Option::as_deref).map_err(String::as_str), expected, "{line}");
    }

    #[test]
    fn target_labels_win_and_the_pages_are_exported() {
        let target = &[("job", "j"), ("instance", "i")];
        let check = |line: &str, expected: &str| check(&config(false), target, line, Ok(Some(expected)));
        check("a 1", "a{instance=\"i\", job=\"j\"}");
        check("a{job=\"own\"} 1", "a{exported_job=\"own\", instance=\"i\", job=\"j\"}");
        check("a{job=\"\"} 1", "a{instance=\"i\", job=\"j\"}");
        check(
            "a{job=\"own\",exported_job=\"e\"} 1",
            "a{exported_exported_job=\"own\", exported_job=\"e\", instance=\"i\", job=\"j\"}",
        );
    }

    #[test]
    fn double_collisions_are_resolved_shortest_first() {
        let target = &[("job", "j"), ("exported_job", "t")];
        let expected = "a{exported_exported_exported_job=\"e\", exported_exported_job=\"own\", exported_job=\"t\", job=\"j\"}";
        check(&config(false), target, "a{job=\"own\",exported_job=\"e\"} 1", Ok(Some(expected)));
    }

    #[test]
    fn honored_labels_stay() {
        let target = &[("job", "j"), ("instance", "i")];
        check(&config(true), target, "a{job=\"own\"} 1", Ok(Some("a{instance=\"i\", job=\"own\"}")));
        // an empty label on the page means: no such label
        check(&config(true), target, "a{job=\"\"} 1", Ok(Some("a{instance=\"i\"}")));
    }

    #[test]
    fn relabeling_drops_renames_and_may_break_a_series() {
        let mut config = config(false);
        config.metric_relabel_configs = vec![RelabelRule::keep(&["__name__"], "a.*").unwrap()];
        check(&config, &[], "b 1", Ok(None));
        check(&config, &[], "ab 1", Ok(Some("ab")));
        config.metric_relabel_configs = vec![
            RelabelRule::new(RelabelAction::LabelDrop, vec![], None, Some("__name__|x"), None, None, None)
                .unwrap(),
        ];
        check(&config, &[], "a 1", Ok(None));
        check(&config, &[], "a{y=\"1\"} 1", Err("missing metric name (__name__ label)"));
        check(&config, &[], "{\"a\",x=\"1\",x=\"2\"} 1", Ok(None));
    }

    #[test]
    fn labels_that_are_not_legal_fail_the_scrape() {
        let utf8 = config(false);
        check(&utf8, &[], "a{x=\"1\",x=\"2\"} 1", Err("label name \"x\" is not unique: invalid sample"));
        check(
            &utf8,
            &[],
            "a{__name__=\"b\"} 1",
            Err("label name \"__name__\" is not unique: invalid sample"),
        );
        check(&utf8, &[], "{\"a.b\",\"c.d\"=\"1\"} 1", Ok(Some("{__name__=\"a.b\", \"c.d\"=\"1\"}")));
        check(&utf8, &[], "{\"\"} 1", Ok(None));
        check(&utf8, &[("job", "j")], "{\"\"} 1", Err("missing metric name (__name__ label)"));
        let mut legacy = config(false);
        legacy.legacy_names = true;
        check(&legacy, &[], "{\"a.b\"} 1", Err("invalid metric name or label names: {__name__=\"a.b\"}"));
    }
}
