//! The samples both engines answer from: two hours, every 15 seconds, with everything that goes wrong in practice.
//!
//! Input: nothing; the values come from a fixed sequence. Output: a store in memory.

use tidewatch_model::{Columns, Labels, stale_nan};
use tidewatch_testkit::Memory;

/// The time of the first sample, in milliseconds since the Unix epoch: a multiple of an hour.
pub(crate) const START: i64 = 1_700_002_800_000;
const STEP: i64 = 15_000;
/// How many scrapes there are.
const COUNT: i64 = 480;

/// A sequence of numbers between 0 and 1 that is always the same.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn fill(memory: &mut Memory, labels: &[(&str, &str)], mut value: impl FnMut(i64) -> Option<f64>) {
    let mut columns = Columns::default();
    for at in 0..COUNT {
        if let Some(value) = value(at) {
            columns.push(START + at * STEP, value);
        }
    }
    memory.add(Labels::from_pairs(labels.iter().copied()), columns);
}

/// All series.
pub(crate) fn store() -> Memory {
    let mut memory = Memory::default();
    counters(&mut memory);
    gauges(&mut memory);
    histograms(&mut memory);
    joins(&mut memory);
    oddities(&mut memory);
    memory
}

fn counters(memory: &mut Memory) {
    let mut random = Sequence(1);
    for (n, (job, instance)) in
        [("api", "a:1"), ("api", "a:2"), ("web", "w:1"), ("web", "w:2"), ("web", "w:10")]
            .into_iter()
            .enumerate()
    {
        for code in ["200", "404", "500"] {
            let labels =
                [("__name__", "requests_total"), ("job", job), ("instance", instance), ("code", code)];
            let mut total = random.next() * 10.0;
            let every = 40 + 17 * n as i64;
            fill(memory, &labels, |at| {
                let more = random.next() * 30.0;
                total = if at % (every * 2) == every { more } else { total + more };
                // a gap in one instance, a late start in another
                let missing = (n == 1 && (100..140).contains(&at)) || (n == 3 && at < 60);
                (!missing).then_some(total)
            });
        }
    }
    fill(memory, &[("__name__", "bytes_sum"), ("job", "api")], |at| Some((at * at) as f64));
    fill(memory, &[("__name__", "slow_total"), ("job", "api")], |at| Some((at / 30) as f64));
    fill(memory, &[("__name__", "flat_total"), ("job", "api")], |_| Some(7.0));
}

fn gauges(memory: &mut Memory) {
    let mut random = Sequence(2);
    for n in 0..6 {
        let pod = format!("pod-{}", [1, 2, 9, 10, 11, 100][n]);
        let labels = [("__name__", "memory_bytes"), ("pod", pod.as_str()), ("node", ["n1", "n2"][n % 2])];
        fill(memory, &labels, |_| Some((random.next() * 1e9).floor()));
        let labels = [("__name__", "temperature"), ("pod", pod.as_str()), ("node", ["n1", "n2"][n % 2])];
        fill(memory, &labels, |at| {
            let value = (at as f64 / 20.0 + n as f64).sin() * 40.0 - 10.0;
            Some(match (n, at % 97) {
                (1, 13) => f64::NAN,
                (2, 50..55) => f64::NAN,
                (3, 20) => f64::INFINITY,
                (3, 60) => f64::NEG_INFINITY,
                (4, 30) => stale_nan(),
                (4, 31..45) => return None,
                (5, 80..97) => return None,
                _ => value,
            })
        });
    }
    fill(memory, &[("__name__", "steps"), ("kind", "up")], |at| Some((at / 7) as f64));
    fill(memory, &[("__name__", "steps"), ("kind", "same")], |_| Some(3.0));
    fill(memory, &[("__name__", "steps"), ("kind", "zigzag")], |at| Some((at % 5) as f64 - 2.0));
    fill(memory, &[("__name__", "nothing_but_nan")], |_| Some(f64::NAN));
}

fn histograms(memory: &mut Memory) {
    let mut random = Sequence(3);
    let bounds = ["0.1", "0.5", "1", "2.5", "10", "+Inf"];
    for instance in ["a:1", "a:2"] {
        let mut totals = [0.0; 6];
        let mut rows: Vec<[f64; 6]> = Vec::new();
        for _ in 0..COUNT {
            let mut more = 0.0;
            for total in &mut totals {
                more += (random.next() * 5.0).floor();
                *total += more;
            }
            rows.push(totals);
        }
        for (n, le) in bounds.iter().enumerate() {
            let labels = [("__name__", "latency_bucket"), ("instance", instance), ("le", le)];
            fill(memory, &labels, |at| Some(rows[at as usize][n]));
        }
    }
    // equal bounds written differently, junk, no +Inf, falling counts, negative bounds
    for (name, list) in [
        ("twice", vec![("1", 5.0), ("1.0", 3.0), ("2", 12.0), ("+Inf", 20.0)]),
        ("junk", vec![("1", 5.0), ("junk", 3.0), ("", 1.0), ("+Inf", 20.0)]),
        ("open", vec![("1", 5.0), ("2", 30.0)]),
        ("falling", vec![("1", 10.0), ("2", 8.0), ("3", 9.0), ("+Inf", 20.0)]),
        ("negative", vec![("-2", 5.0), ("-1", 8.0), ("0", 9.0), ("1", 15.0), ("+Inf", 20.0)]),
        ("empty", vec![("1", 0.0), ("+Inf", 0.0)]),
        ("alone", vec![("+Inf", 4.0)]),
        ("almost", vec![("1", 10.0), ("2", 10.0 - 1e-13), ("+Inf", 20.0)]),
    ] {
        for (n, (le, count)) in list.iter().enumerate() {
            let n_text = n.to_string();
            let mut labels = vec![("__name__", "odd_bucket"), ("case", name), ("le", *le)];
            if le.is_empty() {
                labels.push(("n", n_text.as_str()));
            }
            let grows = if name == "falling" || name == "almost" { 0.0 } else { 0.25 };
            fill(memory, &labels, |at| {
                Some(count + if *count == 0.0 { 0.0 } else { at as f64 * grows * count })
            });
        }
    }
}

fn joins(memory: &mut Memory) {
    // a version that changes, with both series present for a while
    fill(memory, &[("__name__", "build_info"), ("pod", "pod-1"), ("version", "1")], |at| {
        (at < 200).then_some(1.0)
    });
    fill(memory, &[("__name__", "build_info"), ("pod", "pod-1"), ("version", "2")], |at| {
        (at >= 240).then_some(1.0)
    });
    for pod in ["pod-2", "pod-9", "pod-10"] {
        fill(memory, &[("__name__", "build_info"), ("pod", pod), ("version", "1")], |_| Some(1.0));
    }
    for (pod, deployment) in [("pod-1", "x"), ("pod-2", "x"), ("pod-9", "y"), ("pod-11", "y")] {
        let labels = [("__name__", "owner"), ("pod", pod), ("deployment", deployment), ("node", "elsewhere")];
        fill(memory, &labels, |_| Some(2.0));
    }
    fill(memory, &[("__name__", "limits"), ("node", "n1")], |_| Some(5e8));
    fill(memory, &[("__name__", "limits"), ("node", "n2")], |at| (at % 100 < 50).then_some(6e8));
    for (name, first) in [("left_side", 1.0), ("right_side", 10.0)] {
        for (a, b) in [("1", "x"), ("2", "x"), ("2", "y"), ("3", "z")] {
            if name == "right_side" && a == "3" {
                continue;
            }
            fill(memory, &[("__name__", name), ("a", a), ("b", b)], |at| Some(first + (at % 9) as f64));
        }
    }
}

fn oddities(memory: &mut Memory) {
    let mut random = Sequence(4);
    // irregular times, few samples, one sample
    let mut columns = Columns::default();
    let mut time = START;
    while time < START + COUNT * STEP {
        columns.push(time, (random.next() * 100.0).round());
        time += 1000 + (random.next() * 59_000.0) as i64;
    }
    memory.add(Labels::from_pairs([("__name__", "irregular_total"), ("job", "cron")]), columns);
    fill(memory, &[("__name__", "sparse")], |at| (at % 16 == 3).then_some(at as f64));
    fill(memory, &[("__name__", "single")], |at| (at == 200).then_some(42.0));
    fill(memory, &[("__name__", "ends")], |at| match at {
        0..300 => Some(1.5),
        300 => Some(stale_nan()),
        _ => None,
    });
    for (n, value) in [1.7e308, 1.6e308, 1.5e308, -1.7e308].into_iter().enumerate() {
        let n = n.to_string();
        fill(memory, &[("__name__", "huge"), ("n", n.as_str())], |at| Some(value / (1.0 + (at % 3) as f64)));
    }
    for (n, value) in [1.0, 1e100, 1.0, -1e100, 1e-310].into_iter().enumerate() {
        let n = n.to_string();
        fill(memory, &[("__name__", "mixed"), ("n", n.as_str())], |_| Some(value));
    }
    fill(memory, &[("__name__", "alternating")], |at| Some([1.0, 1e100, 1.0, -1e100][at as usize % 4]));
    fill(memory, &[("__name__", "k8s.cpu.usage"), ("k8s.pod", "p"), ("plain", "q")], |at| Some(at as f64));
    fill(memory, &[("__name__", "texts"), ("text", "a\nb"), ("quoted", "say \"é\"")], |_| Some(0.5));
    fill(memory, &[("__name__", "zero"), ("sign", "plus")], |_| Some(0.0));
    fill(memory, &[("__name__", "zero"), ("sign", "minus")], |_| Some(-0.0));
    for name in ["same_a", "same_b"] {
        fill(memory, &[("__name__", name), ("l", "1")], |at| {
            (name == "same_a" || at >= 240).then_some(at as f64)
        });
    }
    fill(memory, &[("__name__", "turn_a"), ("l", "1")], |at| (at < 200).then_some(at as f64));
    fill(memory, &[("__name__", "turn_b"), ("l", "1")], |at| (at >= 240).then_some(at as f64));
}
