//! What both engines are asked: written queries from files, and generated ones.
//!
//! Input: files with one query per line; lines that begin with `//` are comments. Output: queries, and the times they
//! are asked for.

use crate::data::START;
use tidewatch_model::Select;
use tidewatch_promql::{Answer, Cancel, Engine, QueryError};

/// When a query is asked for, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    Instant(i64),
    Range(i64, i64, i64),
}

impl Question {
    pub(crate) fn ask(
        self,
        engine: &Engine,
        store: &dyn Select,
        query: &str,
        cancel: &Cancel,
    ) -> Result<Answer, QueryError> {
        match self {
            Self::Instant(time) => engine.instant(store, query, time, cancel),
            Self::Range(start, end, step) => engine.range(store, query, start, end, step, cancel),
        }
    }
}

/// Times on and off the scrapes' grid, before the first sample, and after the last.
pub(crate) fn times() -> [Question; 6] {
    let minute = 60_000;
    [
        Question::Instant(START + 55 * minute),
        Question::Instant(START + 21 * minute + 7_123),
        Question::Instant(START + 75 * minute + 15_000),
        Question::Range(START - 3 * minute, START + 130 * minute, minute),
        Question::Range(START + 47 * minute + 1_001, START + 62 * minute, 7_000),
        Question::Range(START + 118 * minute, START + 129 * minute, 150_000),
    ]
}

const OVER_RANGES: &[&str] = &[
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "present_over_time",
    "absent_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "first_over_time",
    "last_over_time",
    "mad_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_min_over_time",
    "ts_of_max_over_time",
    "integral",
];

const RANGES: &[&str] = &[
    "requests_total[5m]",
    "requests_total{code=\"500\"}[1m]",
    "temperature[4m]",
    "memory_bytes[10m]",
    "steps[3m]",
    "irregular_total[5m]",
    "sparse[10m]",
    "single[20m]",
    "ends[5m]",
    "huge[3m]",
    "alternating[2m]",
    "nothing_but_nan[2m]",
    "slow_total[30m]",
    "flat_total[2m]",
    "bytes_sum[45s]",
    "missing[5m]",
    "{__name__=~\"same_.\"}[2m]",
    "{__name__=~\"turn_.\"}[2m]",
    "temperature[5m] offset 3m",
    "requests_total[5m] offset -2m",
    "temperature[5m] @ 1700005000",
    "steps[3m] @ end()",
    "steps[90s:20s]",
    "requests_total[5m:1m]",
    "rate(requests_total[2m])[10m:30s]",
    "(temperature > 0)[5m:45s] offset 1m",
    "requests_total[4m] anchored",
    "requests_total[4m] smoothed",
    "temperature[2m:7s] @ start()",
    "zero[1m]",
    "{\"k8s.cpu.usage\"}[2m]",
];

const ELEMENTS: &[&str] = &[
    "abs",
    "ceil",
    "floor",
    "exp",
    "sqrt",
    "ln",
    "log2",
    "log10",
    "sgn",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "deg",
    "rad",
    "round",
    "timestamp",
    "absent",
    "scalar",
    "sort",
    "sort_desc",
    "hour",
    "minute",
    "month",
    "year",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "days_in_month",
    "histogram_count",
    "histogram_sum",
    "histogram_avg",
    "histogram_stddev",
    "histogram_stdvar",
    "-",
    "+",
];

const VECTORS: &[&str] = &[
    "temperature",
    "steps",
    "requests_total",
    "zero",
    "huge",
    "memory_bytes",
    "ends",
    "missing",
    "{__name__=~\"same_.\"}",
    "{__name__=~\"turn_.\"}",
    "texts",
    "temperature offset 7m",
    "temperature @ 1700005000",
    "nothing_but_nan / 0",
];

const AGGREGATIONS: &[&str] = &[
    "sum",
    "avg",
    "count",
    "min",
    "max",
    "group",
    "stddev",
    "stdvar",
    "topk(2,",
    "bottomk(2,",
    "quantile(0.3,",
    "count_values(\"v\",",
    "limitk(2,",
    "limit_ratio(0.5,",
    "limit_ratio(-0.5,",
];

const GROUPINGS: &[&str] = &[
    "",
    "by (node)",
    "by (job, code)",
    "without (pod)",
    "without (instance)",
    "by (__name__)",
    "by ()",
    "without ()",
];

const OPERATORS: &[&str] = &[
    "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "== bool", "!= bool", "> bool",
    "<= bool",
];

const PAIRS: &[(&str, &str, &str)] = &[
    ("left_side", "", "right_side"),
    ("left_side", "on (a, b)", "right_side"),
    ("left_side", "ignoring (b)", "right_side"),
    ("left_side", "on (a) group_left ()", "right_side{b=\"x\"}"),
    ("left_side{b=\"x\"}", "on (a) group_right (b)", "right_side"),
    ("temperature", "on (pod) group_left (version)", "build_info"),
    ("memory_bytes", "on (node) group_left ()", "limits"),
    ("limits", "on (node) group_right ()", "memory_bytes"),
    ("temperature", "on (pod)", "memory_bytes"),
    ("temperature", "on (pod) group_left (deployment, node)", "owner"),
    ("temperature", "", "3"),
    ("-2.5", "", "temperature"),
    ("steps", "", "time()"),
    ("7", "", "scalar(steps{kind=\"up\"})"),
];

/// All queries, each once.
pub(crate) fn all(files: &[String]) -> Vec<String> {
    let mut queries = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{file}: {e}"));
        queries.extend(
            text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("//")).map(str::to_owned),
        );
    }
    for range in RANGES {
        queries.extend(OVER_RANGES.iter().map(|function| format!("{function}({range})")));
        queries.push(format!("quantile_over_time(0.9, {range})"));
        queries.push(format!("predict_linear({range}, 600)"));
        queries.push(format!("double_exponential_smoothing({range}, 0.3, 0.6)"));
        queries.push(format!("integral({range}, 1)"));
    }
    for vector in VECTORS {
        queries.extend(ELEMENTS.iter().map(|function| format!("{function}({vector})")));
        queries.push(format!("clamp({vector}, -5, 20)"));
        queries.push(format!("round({vector}, 0.3)"));
        for aggregation in AGGREGATIONS {
            let open = if aggregation.ends_with(',') { "" } else { "(" };
            queries.extend(GROUPINGS.iter().map(|g| {
                let (head, rest) = aggregation.split_once('(').unwrap_or((aggregation, ""));
                let inner =
                    if open.is_empty() { format!("({rest} {vector})") } else { format!("({vector})") };
                format!("{head} {g} {inner}")
            }));
        }
    }
    for (left, matching, right) in PAIRS {
        queries.extend(OPERATORS.iter().map(|op| format!("{left} {op} {matching} {right}")));
        for op in ["and", "or", "unless"] {
            let without_group = matching.split(" group_").next().unwrap_or_default();
            queries.push(format!("{left} {op} {without_group} {right}"));
        }
    }
    let mut random = Random(7);
    queries.extend((0..1500).map(|_| random.vector(3)));
    queries.extend((0..500).map(|_| random.vector(5)));
    let mut seen = std::collections::HashSet::new();
    queries.retain(|query| seen.insert(query.clone()));
    queries
}

/// Expressions put together at random, always the same ones.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }

    fn selector(&mut self) -> String {
        let shifts =
            ["", "", "", " offset 2m", " offset -40s", " @ 1700006000", " @ start()", " @ end() offset 1m"];
        format!("{}{}", self.pick(SELECTORS), self.pick(&shifts))
    }

    fn scalar(&mut self) -> &'static str {
        self.pick(&["2", "-0.5", "time() / 1e9", "scalar(steps{kind=\"zigzag\"})", "0", "NaN", "Inf"])
    }

    fn matching(&mut self) -> &'static str {
        self.pick(&[
            "",
            "",
            "on (pod)",
            "on (node)",
            "ignoring (pod)",
            "on (job)",
            "ignoring (code) group_left ()",
            "on (pod) group_left (version)",
            "on (node) group_right ()",
            "on ()",
            "ignoring (version)",
        ])
    }

    fn vector(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.selector();
        }
        match self.below(11) {
            0 => self.selector(),
            1 | 2 => {
                let function = self.pick(&[
                    "rate",
                    "increase",
                    "avg_over_time",
                    "max_over_time",
                    "sum_over_time",
                    "count_over_time",
                    "last_over_time",
                    "changes",
                    "delta",
                    "irate",
                    "stddev_over_time",
                ]);
                let range = self.pick(&["1m", "3m", "47s", "10m"]);
                let selector = self.pick(SELECTORS);
                let shift = self.pick(&["", "", " offset 1m", " @ end()"]);
                format!("{function}({selector}[{range}]{shift})")
            }
            3 => {
                let function = self.pick(&[
                    "max_over_time",
                    "sum_over_time",
                    "avg_over_time",
                    "min_over_time",
                    "last_over_time",
                    "count_over_time",
                    "resets",
                    "first_over_time",
                    "quantile_over_time",
                ]);
                let inner = self.vector(depth - 1);
                let range = self.pick(&[
                    "5m:1m",
                    "2m:13s",
                    "10m:",
                    "90s:30s",
                    "4m:1m] offset 1m",
                    "3m:30s] @ start()",
                ]);
                let close = if range.contains(']') { "" } else { "]" };
                let first = if function.starts_with("quantile") { "0.4, " } else { "" };
                format!("{function}({first}({inner})[{range}{close})")
            }
            4 | 5 => {
                let op = self.pick(&[
                    "sum",
                    "avg",
                    "min",
                    "max",
                    "count",
                    "group",
                    "stddev",
                    "topk(2,",
                    "bottomk(1,",
                    "quantile(0.6,",
                ]);
                let grouping = self.pick(&[
                    "",
                    "by (node)",
                    "by (job)",
                    "by (pod, job)",
                    "without (pod)",
                    "without (code, instance)",
                ]);
                // which of equal values is chosen depends on the order of Prometheus's hash tables
                let inner = if op.contains("topk") || op.contains("bottomk") {
                    self.pick(&["memory_bytes", "rate(requests_total[3m])"]).to_owned()
                } else {
                    self.vector(depth - 1)
                };
                match op.split_once('(') {
                    Some((op, parameter)) => format!("{op} {grouping} ({parameter} {inner})"),
                    None => format!("{op} {grouping} ({inner})"),
                }
            }
            6 => {
                let (function, rest) = [
                    ("abs", ""),
                    ("floor", ""),
                    ("sgn", ""),
                    ("clamp", ", -3, 9"),
                    ("sort", ""),
                    ("-", ""),
                    ("absent", ""),
                    ("timestamp", ""),
                    ("label_replace", ", \"pod\", \"$1\", \"pod\", \"(pod-.).*\""),
                ][self.below(9)];
                format!("{function}({}{rest})", self.vector(depth - 1))
            }
            7 => {
                let op = self.pick(OPERATORS);
                let scalar = self.scalar();
                if self.below(3) == 0 {
                    format!("{scalar} {op} ({})", self.vector(depth - 1))
                } else {
                    format!("({}) {op} {scalar}", self.vector(depth - 1))
                }
            }
            8 => {
                let (left, right) = (self.vector(depth - 1), self.vector(depth - 1));
                let op = self.pick(&["and", "or", "unless"]);
                let matching = self.pick(&["", "on (pod)", "on (node)", "ignoring (code)", "on ()"]);
                format!("({left}) {op} {matching} ({right})")
            }
            _ => {
                let (left, right) = (self.vector(depth - 1), self.vector(depth - 1));
                let (op, matching) = (self.pick(OPERATORS), self.matching());
                format!("({left}) {op} {matching} ({right})")
            }
        }
    }
}

const SELECTORS: &[&str] = &[
    "temperature",
    "memory_bytes",
    "requests_total",
    "requests_total{code=\"500\"}",
    "steps",
    "build_info",
    "limits",
    "owner",
    "ends",
    "sparse",
    "left_side",
    "right_side",
    "irregular_total",
    "{__name__=~\"same_.\"}",
    "{__name__=~\"turn_.\"}",
    "latency_bucket",
    "missing",
];
