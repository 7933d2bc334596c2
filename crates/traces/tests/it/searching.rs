//! The store finds what going through all traces finds.

use crate::requests::{NOW, SECOND, Sent, plain, request, send};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidewatch_traces::*;

fn options() -> StoreOptions {
    let mut options = StoreOptions::default();
    options.drop_duplicates = false;
    options
}

/// Searches that meet something: parts of a span that was sent, or none.
fn searches(sent: &[Sent]) -> Vec<Search> {
    let mut searches = vec![Search::default(), Search { limit: 1, ..Search::default() }];
    for Sent { resource, scope, span, .. } in sent {
        let service = Some(resource.service().to_owned());
        let base = Search { service, limit: 2, ..Search::default() };
        let all = span.attributes.iter().chain(&resource.attributes).chain(&scope.attributes);
        let events = span.events.iter().flat_map(|event| &event.attributes);
        let tags: Vec<_> = all.chain(events).map(|(key, value)| (key.clone(), value.as_text())).collect();
        searches.extend(tags.iter().map(|tag| Search {
            tags: vec![tag.clone()],
            limit: 20,
            ..Search::default()
        }));
        searches.push(Search { tags, ..base.clone() });
        searches.push(Search { operation: Some(span.name.clone()), kind: Some(span.kind), ..base.clone() });
        let (start_ns, end_ns) = (span.start_ns, span.start_ns);
        searches.push(Search { start_ns, end_ns, service: None, ..base.clone() });
        let duration = Some(span.duration_ns());
        searches.push(Search { min_duration_ns: duration, max_duration_ns: duration, ..base.clone() });
        searches.push(Search { min_duration_ns: duration.map(|ns| ns + 1), ..base });
    }
    searches
}

fn check(store: &TraceStore, model: &[Trace], search: &Search) {
    let expected: Vec<_> =
        model.iter().rev().filter(|trace| search.matches(trace)).take(search.limit).cloned().collect();
    assert_eq!(store.find(search), expected, "{search:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn finds_what_a_walk_over_all_finds(requests in prop::collection::vec(request(6), 1..4)) {
        let store = TraceStore::open(None, options(), NOW).unwrap();
        let mut model = TraceBuilder::default();
        for (at, request) in requests.iter().enumerate() {
            if at == 1 {
                store.maintain(NOW + 3601 * SECOND).unwrap();
            }
            send(request, &mut model);
            let mut writer = store.writer(NOW);
            send(request, &mut writer);
            writer.finish().unwrap();
        }
        let sent: Vec<_> = requests.concat();
        for search in searches(&sent) {
            check(&store, model.traces(), &search);
        }
        let services: BTreeSet<_> = sent.iter().map(|sent| sent.resource.service().to_owned()).collect();
        prop_assert_eq!(store.services(), services.iter().cloned().collect::<Vec<_>>());
        for service in &services {
            let of_service = sent.iter().filter(|sent| sent.resource.service() == service);
            let operations: BTreeSet<_> = of_service.map(|sent| (sent.span.name.clone(), sent.span.kind)).collect();
            prop_assert_eq!(store.operations(service), operations.into_iter().collect::<Vec<_>>());
        }
        prop_assert_eq!(store.dependencies(u64::MAX, Duration::MAX), dependencies(model.traces()));
    }
}

/// Every span whose parent is found counts; of spans with one id, the first that came is the parent.
fn dependencies(traces: &[Trace]) -> Vec<Dependency> {
    let mut calls = BTreeMap::new();
    for trace in traces {
        for span in trace.spans.iter().filter(|span| span.parent.is_valid()) {
            if let Some(parent) = trace.spans.iter().find(|other| other.id == span.parent) {
                let name = |span: &Span| trace.resource_of(span).service().to_owned();
                *calls.entry((name(parent), name(span))).or_default() += 1;
            }
        }
    }
    calls.into_iter().map(|((parent, child), calls)| Dependency { parent, child, calls }).collect()
}

/// Many blocks, several segments, keys with more values than a dictionary takes.
#[test]
fn finds_among_many() {
    let mut options = options();
    options.segment_bytes = 512 << 10;
    let store = TraceStore::open(None, options, NOW).unwrap();
    let sent: Vec<_> = (0..6000).flat_map(|trace| (0..4).map(move |span| plain(trace, span))).collect();
    for request in sent.chunks(512) {
        let mut writer = store.writer(NOW);
        send(request, &mut writer);
        writer.finish().unwrap();
    }
    assert!(store.stats().segments > 2, "{:?}", store.stats());
    let ids = |search: &Search| store.find(search).iter().map(|trace| trace.id).collect::<Vec<_>>();
    let id = |trace| plain(trace, 0).trace;
    let check = |search: Search, expected: Vec<u64>| {
        assert_eq!(ids(&search), expected.into_iter().map(id).collect::<Vec<_>>(), "{search:?}");
    };
    let tag = |key: &str, text: &str| vec![(key.to_owned(), text.to_owned())];
    for trace in [0, 1, 1023, 1024, 3000, 5999] {
        check(Search { tags: tag("task.id", &format!("task-{trace}")), ..Search::default() }, vec![trace]);
    }
    check(Search { tags: tag("task.id", "task-6000"), ..Search::default() }, Vec::new());
    let failed = Search { tags: tag("http.response.status_code", "500"), limit: 3, ..Search::default() };
    check(failed, vec![5990, 5980, 5970]);
    check(Search { service: Some("events".into()), limit: 2, ..Search::default() }, vec![5999, 5998]);
    let slow = Search { min_duration_ns: Some(100_000_000), limit: 2, ..Search::default() };
    check(slow, vec![5999, 5899]);
    let window = (NOW + 7_000_000, NOW + 8_000_000);
    check(Search { start_ns: window.0, end_ns: window.1, ..Search::default() }, vec![8, 7]);
    assert_eq!(store.trace(id(17)).unwrap().spans.len(), 4);
}

/// What is kept of sealed segments changes no answer: traces in one to four segments, before and after each is sealed, in any window.
#[test]
fn dependencies_of_many_segments() {
    let store = TraceStore::open(None, options(), NOW).unwrap();
    let mut model = TraceBuilder::default();
    let check = |store: &TraceStore, model: &[Trace]| {
        let starts: Vec<u64> =
            model.iter().flat_map(|trace| &trace.spans).map(|span| span.start_ns).collect();
        let (first, last) = (*starts.iter().min().unwrap(), *starts.iter().max().unwrap());
        let middle = first + (last - first) / 2;
        for (from, to) in [
            (0, u64::MAX),
            (first, last),
            (middle, last),
            (first, middle),
            (middle, middle + 1),
            (last + 1, u64::MAX),
        ] {
            let within: Vec<Trace> = model
                .iter()
                .filter(|trace| trace.spans.iter().any(|span| (from..=to).contains(&span.start_ns)))
                .cloned()
                .collect();
            assert_eq!(
                store.dependencies(to, Duration::from_nanos(to - from)),
                dependencies(&within),
                "{from}..{to}"
            );
        }
    };
    for segment in 0..5 {
        let mut request: Vec<Sent> = (0..30).map(|trace| plain(segment * 20 + trace, segment % 4)).collect();
        request.extend((0..40).map(|span| plain(segment * 20 + 500 + span / 4, span % 4)));
        // a parent's id again, with another service: the first one that came counts
        let mut again = plain(segment * 20 + 500, 2);
        again.span.id = plain(segment * 20, 0).span.id;
        request.push(again);
        send(&request, &mut model);
        let mut writer = store.writer(NOW);
        send(&request, &mut writer);
        writer.finish().unwrap();
        check(&store, model.traces());
        store.maintain(NOW + 3601 * SECOND).unwrap();
        assert_eq!(store.stats().segments, segment + 2);
        check(&store, model.traces());
    }
    assert!(!store.dependencies(u64::MAX, Duration::MAX).is_empty());
}
