//! Ten thousand requests, most of them bad in some way, through a recorder: each is answered for what it is, every span is counted once, and
//! nothing grows beyond its bound.

use std::collections::BTreeMap;
use std::sync::Arc;
use tidewatch_otlp::{RecordError, Recorded, Recorder, RecorderOptions, Refusal, json_to_protobuf};
use tidewatch_traces::{Ingested, StoreOptions, TailPolicy, TraceStore};

const SECOND: u64 = 1_000_000_000;
/// Early in 2026.
const NOW: u64 = 1_770_000_000 * SECOND;
const REQUESTS: u64 = 10_000;
const MEMORY: u64 = 4 << 20;
const WAITING: usize = 256 << 10;
const OPERATIONS: usize = 100;

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// A request with one span, of which little occurs twice.
fn request(number: u64, trace: &str, start_ns: u64, attributes: usize, bytes: usize) -> Vec<u8> {
    let attributes: Vec<String> = (0..attributes)
        .map(|at| {
            format!(r#"{{"key":"key-{at}-{number}","value":{{"stringValue":"{}"}}}}"#, "x".repeat(bytes))
        })
        .collect();
    let json = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"service-{}"}}}}]}},
        "scopeSpans":[{{"scope":{{"name":"flood"}},"spans":[{{"traceId":"{trace}","spanId":"{:016x}","name":"operation-{number}","kind":3,
        "startTimeUnixNano":"{start_ns}","endTimeUnixNano":"{}","attributes":[{}]}}]}}]}}]}}"#,
        number % 500,
        number + 1,
        start_ns + 1_000_000,
        attributes.join(",")
    );
    json_to_protobuf(json.as_bytes()).unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    Good,
    Again,
    Late,
    Skewed,
    Oversized,
    ManyAttributes,
    ZeroTrace,
    ShortTrace,
    Cut,
    Damaged,
}

const CASES: [Case; 10] = [
    Case::Good,
    Case::Again,
    Case::Late,
    Case::Skewed,
    Case::Oversized,
    Case::ManyAttributes,
    Case::ZeroTrace,
    Case::ShortTrace,
    Case::Cut,
    Case::Damaged,
];

fn bytes_of(case: Case, number: u64, random: &mut Random) -> Vec<u8> {
    let trace =
        format!("{:032x}", (u128::from(number) + 1) << 64 | u128::from(random.below(usize::MAX) as u64));
    let good = |number| request(number, &trace, NOW, 6, 50);
    match case {
        Case::Good | Case::Again => good(number),
        Case::Late => request(number, &trace, NOW - 72 * 3600 * SECOND, 6, 50),
        Case::Skewed => request(number, &trace, NOW + 3600 * SECOND, 6, 50),
        Case::Oversized => request(number, &trace, NOW, 6, 3_000),
        Case::ManyAttributes => request(number, &trace, NOW, 65, 5),
        Case::ZeroTrace => request(number, &"0".repeat(32), NOW, 6, 50),
        Case::ShortTrace => {
            let mut bytes = good(number);
            // of the 16 bytes of the trace id two are left; the others become a field that nobody knows
            let at = bytes.windows(2).position(|pair| pair == [0x0a, 16]).unwrap();
            (bytes[at + 1], bytes[at + 4], bytes[at + 5]) = (2, 0xfa, 0x7f);
            bytes[at + 6] = 11;
            bytes
        }
        Case::Cut => {
            let mut bytes = good(number);
            bytes.truncate(1 + random.below(bytes.len() - 1));
            bytes
        }
        Case::Damaged => {
            let mut bytes = good(number);
            for _ in 0..1 + random.below(5) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            bytes
        }
    }
}

fn expected(case: Case) -> Option<Ingested> {
    let mut all = Ingested::default();
    match case {
        Case::Good => all.accepted = 1,
        Case::Again => all.duplicates = 1,
        Case::Late => (all.accepted, all.late) = (1, 1),
        Case::Skewed => (all.accepted, all.skewed) = (1, 1),
        Case::Oversized => all.rejected.oversized = 1,
        Case::ManyAttributes => all.rejected.too_many_attributes = 1,
        Case::ZeroTrace => all.rejected.invalid_trace_id = 1,
        Case::ShortTrace | Case::Cut | Case::Damaged => return None,
    }
    Some(all)
}

fn recorder(tail_sampling: Option<TailPolicy>) -> Recorder {
    let mut options = StoreOptions::default();
    options.max_memory_bytes = MEMORY;
    options.max_span_bytes = 10_000;
    options.max_attributes = 64;
    let store = Arc::new(TraceStore::open(None, options, NOW).unwrap());
    let (most_operations, most_waiting_bytes) = (OPERATIONS, WAITING);
    let options =
        RecorderOptions { most_operations, tail_sampling, most_waiting_bytes, ..RecorderOptions::default() };
    Recorder::new(store, options)
}

/// Sends everything. Gives what each case gave in sum, and how many were malformed.
fn flood(
    recorder: &Recorder,
    each: impl Fn(Case, &Result<Recorded, RecordError>),
) -> BTreeMap<Case, (Recorded, u64)> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut sums: BTreeMap<Case, (Recorded, u64)> = BTreeMap::new();
    let mut last = Vec::new();
    for number in 0..REQUESTS {
        let case = CASES[(number % CASES.len() as u64) as usize];
        let mut bytes = bytes_of(case, number, &mut random);
        if case == Case::Again {
            bytes.clone_from(&last);
        }
        let now_ns = NOW + number * 1_000_000;
        let recorded = recorder.record(&bytes, now_ns);
        each(case, &recorded);
        let (sum, malformed) = sums.entry(case).or_default();
        match recorded {
            Ok(one) => {
                sum.ingested += one.ingested;
                sum.decoded.spans += one.decoded.spans;
                sum.sampled_out += one.sampled_out;
            }
            Err(RecordError::Malformed(_)) => *malformed += 1,
            Err(other) => panic!("{case:?}: {other}"),
        }
        if number % 100 == 0 {
            recorder.tick(now_ns).unwrap();
        }
        let (stats, store) = (recorder.stats(), recorder.store().stats());
        assert!(store.memory_bytes <= MEMORY, "{store:?}");
        assert!(stats.operations <= OPERATIONS && stats.waiting_bytes <= WAITING, "{stats:?}");
        last = bytes;
    }
    sums
}

#[test]
fn each_request_is_counted_for_what_it_is() {
    let recorder = recorder(None);
    let sums = flood(&recorder, |case, recorded| match (case, recorded) {
        (Case::Cut, recorded) => assert!(matches!(recorded, Err(RecordError::Malformed(_)))),
        (Case::Damaged, _) => {}
        (Case::ShortTrace, Ok(one)) => {
            assert_eq!((one.decoded.refused(Refusal::IdLength), one.decoded.spans), (1, 0));
            assert_eq!(one.ingested, Ingested::default());
        }
        (case, Ok(one)) => assert_eq!(Some(one.ingested), expected(case), "{case:?}"),
        (case, Err(error)) => panic!("{case:?}: {error}"),
    });
    let mut all = Ingested::default();
    for (sum, _) in sums.values() {
        all += sum.ingested;
        assert_eq!(
            sum.decoded.spans,
            sum.ingested.accepted + sum.ingested.duplicates + sum.ingested.rejected.total()
        );
    }
    assert_eq!(sums[&Case::Cut].1, REQUESTS / 10);
    let (damaged, malformed) = &sums[&Case::Damaged];
    assert!(*malformed > 100 && damaged.ingested.accepted > 100, "damage is of both kinds: {sums:?}");
    let stats = recorder.store().stats();
    assert_eq!(stats.ingested, all);
    assert_eq!(stats.spans + stats.evicted_spans, all.accepted);
}

#[test]
fn what_waits_is_bounded_and_every_span_has_one_end() {
    let recorder = recorder(Some(TailPolicy { probability: 0.5, ..TailPolicy::default() }));
    let sums = flood(&recorder, |_, _| {});
    recorder.finish(NOW + REQUESTS * SECOND).unwrap();
    let decoded: u64 = sums.values().map(|(sum, _)| sum.decoded.spans).sum();
    let (stats, store) = (recorder.stats(), recorder.store().stats());
    let stored = store.ingested.accepted + store.ingested.duplicates + store.ingested.rejected.total();
    assert_eq!(stats.waiting_bytes, 0);
    assert_eq!(stored + stats.sampled_out, decoded, "{stats:?} {store:?}");
    assert!(stored > 0 && stats.sampled_out > 0, "{stats:?} {store:?}");
}
