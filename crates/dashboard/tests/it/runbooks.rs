//! The runbooks: one for each alert, with what an operator asks in that order, and served from a ConfigMap that is not stale.
//! Input: `docs/runbooks`, `runbooks.yaml`. Follows no link.

use std::collections::BTreeSet;

use crate::files::{alerts, path, read, texts};

const HEADINGS: [&str; 5] = ["## Meaning", "## Impact", "## Cause", "## Check", "## Remedy"];

/// The pages by file name.
fn pages() -> BTreeSet<String> {
    let entries = std::fs::read_dir(path("docs/runbooks")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn each_alert_has_a_page_and_each_page_an_alert() {
    let expected: BTreeSet<String> =
        alerts().into_iter().map(|alert| format!("{}.md", alert.alert)).collect();
    assert_eq!(pages(), expected);
}

#[test]
fn each_page_tells_meaning_impact_cause_check_and_remedy() {
    for page in pages() {
        let text = read(&format!("docs/runbooks/{page}"));
        let found: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        let title = format!("# {}", page.trim_end_matches(".md"));
        assert_eq!(found[0], title, "{page}");
        assert_eq!(found[1..], HEADINGS, "{page}");
        let sections: Vec<&str> = text.split("\n## ").skip(1).collect();
        assert!(sections.iter().all(|section| section.lines().count() > 2), "{page} has an empty section");
        // in both places: a query, and a command of either
        assert!(text.contains("tidewatch query '") || text.contains("tidewatch query "), "{page}");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(link.starts_with("https://") || pages().contains(link), "{page} links to {link}");
        }
    }
}

#[test]
fn queries_of_the_pages_are_promql() {
    for page in pages() {
        for query in read(&format!("docs/runbooks/{page}")).split("tidewatch query '").skip(1) {
            let query = query.split('\'').next().unwrap().replace("<pod>", "a");
            tidewatch_promql::parse(&query).unwrap_or_else(|error| panic!("{page}: {query}: {error}"));
        }
    }
}

#[test]
fn the_served_pages_are_those_of_the_folder() {
    let served = texts("kubernetes/monitoring/runbooks.yaml");
    assert_eq!(served.keys().cloned().collect::<BTreeSet<_>>(), pages());
    for (page, text) in served {
        let fresh = text.trim_end() == read(&format!("docs/runbooks/{page}")).trim_end();
        assert!(fresh, "{page} is stale: scripts/render-runbooks.sh");
    }
}
