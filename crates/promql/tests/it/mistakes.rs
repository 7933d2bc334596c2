//! Queries that are none: where and why.

use crate::{Cancel, Memory, check_error, engine};
use tidewatch_promql::{Engine, EngineOptions, MAX_DEPTH, QueryError};

#[test]
fn messages_point_at_the_mistake() {
    check_error(&[
        ("", "unknown position: parse error: no expression found in input"),
        ("sum(", "1:5: parse error: unclosed left parenthesis"),
        ("1 +", "1:4: parse error: unexpected end of input"),
        ("few few", "1:5: parse error: unexpected identifier \"few\""),
        ("few{a=}", "1:7: parse error: unexpected \"}\" in label matching, expected string"),
        ("few[5m", "1:7: parse error: unclosed left bracket"),
        (
            "few\n offset",
            "2:8: parse error: unexpected end of input in offset, expected number, duration, step(), or range()",
        ),
        ("foo()", "1:1: parse error: unknown function with name \"foo\""),
        (
            "rate(few)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        ("rate()", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0"),
        ("sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, got scalar"),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("few{\"a\"}", "1:1: parse error: metric name must not be set twice: \"few\" or \"a\""),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("few[5m] anchored offset 1m[1m]", "1:27: parse error: ranges only allowed for vector selectors"),
        ("few[5m:] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"),
        (
            "sum_over_time(1[5m:])",
            "1:15: parse error: subquery is only allowed on instant vector, got scalar instead",
        ),
        ("few + fill (0) few", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
        ("0b101", "1:1: parse error: bad number or duration syntax: \"0\""),
        (
            "sum_over_time(few[5m] anchored)",
            "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with sum_over_time",
        ),
    ]);
}

#[test]
fn experimental_functions_need_the_feature() {
    let plain = Engine::new(EngineOptions::default());
    let check = |query: &str, expected: &str| {
        let error = plain.instant(&Memory::default(), query, 0, &Cancel::new()).unwrap_err();
        assert!(matches!(error, QueryError::Parse(_)));
        assert_eq!(error.to_string(), expected);
    };
    check(
        "mad_over_time(x[5m])",
        "1:1: parse error: function \"mad_over_time\" is not enabled; hint: start with \
         --enable-feature=promql-experimental-functions",
    );
    check(
        "limitk(1, x)",
        "1:1: parse error: limitk() is experimental and must be enabled with \
         --enable-feature=promql-experimental-functions",
    );
}

#[test]
fn a_range_query_needs_numbers() {
    let range = |query: &str, step| engine().range(&Memory::default(), query, 0, 1000, step, &Cancel::new());
    assert_eq!(
        range("x[5m]", 1000).unwrap_err().to_string(),
        "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"
    );
    assert!(matches!(range("x", 0), Err(QueryError::Parse(_))));
}

#[test]
fn nesting_is_bounded() {
    let ask = |query: String| engine().instant(&Memory::default(), &query, 0, &Cancel::new());
    let shapes: [fn(usize) -> String; 7] = [
        |n| format!("{}1{}", "(".repeat(n), ")".repeat(n)),
        |n| format!("{}vector(1)", "-".repeat(n)),
        |n| format!("vector(1){}", " + vector(1)".repeat(n)),
        |n| format!("vector(1){}", " or vector(1)".repeat(n)),
        |n| format!("{}vector(1){}", "abs(".repeat(n), ")".repeat(n)),
        |n| format!("{}vector(1){}", "sum by (a) (".repeat(n), ")".repeat(n)),
        |n| format!("{}vector(1){}", "max_over_time(".repeat(n / 2), "[1m:])".repeat(n / 2)),
    ];
    for shape in shapes {
        // the deepest that is allowed fits the stack of a worker thread, also without optimisation
        ask(shape(MAX_DEPTH - 3)).unwrap();
        let error = ask(shape(10_000)).unwrap_err().to_string();
        assert!(error.contains("nested deeper than 200 levels"), "{error}");
    }
    assert!(ask(format!("x[{}1m{}]", "(".repeat(10_000), ")".repeat(10_000))).is_err());
}
