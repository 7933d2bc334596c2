//! The Prometheus API: bodies to the byte, status codes, headers.

use crate::client::{Reply, get, post_form, send};
use crate::doubles::Broken;
use crate::served::{NOW, example_state, serve, state_over};
use std::sync::Arc;
use tidewatch_model::{Columns, Labels};
use tidewatch_testkit::Memory;

/// Asks for each target and compares status and body.
async fn check_all(cases: &[(&str, u16, &str)]) {
    let served = serve(example_state()).await;
    for (target, status, body) in cases {
        let reply = get(served.address, target).await;
        assert_eq!((reply.status, reply.text().as_str()), (*status, *body), "GET {target}");
        assert_eq!(reply.header("content-type"), "application/json", "GET {target}");
        assert_eq!(reply.header("content-length"), body.len().to_string(), "GET {target}");
    }
    served.stop().await;
}

fn bad(error: &str) -> String {
    format!("{{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"{error}\"}}")
}

#[tokio::test]
async fn results_of_queries_are_written_as_prometheus_writes_them() {
    let requests = r#"{"metric":{"__name__":"http_requests_total","path":"/a<b>&\"c"},"#;
    check_all(&[
        (
            "/api/v1/query?query=1&time=1795374310.1235",
            200,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1795374310.124,"1"]}}"#,
        ),
        (
            "/api/v1/query?query=%22a%5C%22%3Cb%22&time=1795374310",
            200,
            r#"{"status":"success","data":{"resultType":"string","result":[1795374310,"a\"\u003cb"]}}"#,
        ),
        (
            "/api/v1/query?query=vector(1e6)*5e20&time=1.5",
            200,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1.500,"5e+26"]}]}}"#,
        ),
        (
            "/api/v1/query?query=1/0&time=0",
            200,
            r#"{"status":"success","data":{"resultType":"scalar","result":[0,"+Inf"]}}"#,
        ),
        (
            "/api/v1/query?query=http_requests_total",
            200,
            &format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{requests}"value":[1700000000,"1e+21"]}}]}}}}"#
            ),
        ),
        (
            "/api/v1/query?query=http_requests_total[5m]&time=2023-11-14T22:13:20Z",
            200,
            &format!(
                r#"{{"status":"success","data":{{"resultType":"matrix","result":[{requests}"values":[[1699999999,"1.5"],[1700000000,"1e+21"]]}}]}}}}"#
            ),
        ),
        (
            "/api/v1/query_range?query=1&start=0&end=3&step=1",
            200,
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[1,"1"],[2,"1"],[3,"1"]]}]}}"#,
        ),
        (
            "/api/v1/query?query=up&limit=1",
            200,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"backend"},"value":[1700000000,"1"]}]},"warnings":["results truncated due to limit"]}"#,
        ),
        (
            "/api/v1/query?query=nope&limit=0",
            200,
            r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
        ),
        ("/api/v1/query_exemplars?query=up", 200, r#"{"status":"success","data":[]}"#),
        ("/api/v1/format_query?query=sum(rate(up[5m]))by(job)", 200, r#"{"status":"success","data":"sum by (job) (rate(up[5m]))"}"#),
    ])
    .await;
}

#[tokio::test]
async fn wrong_parameters_are_refused_in_prometheus_own_words() {
    let step = r#"invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer"#;
    let resolution = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)";
    let no_expression =
        r#"invalid parameter \"query\": unknown position: parse error: no expression found in input"#;
    let at_least_one = "match[] must contain at least one non-empty matcher";
    let cases: Vec<(&str, String)> = vec![
        ("query", bad(no_expression)),
        ("query?query=%zz", bad(no_expression)),
        (
            "query?query=up&time=now",
            bad(
                r#"invalid parameter \"time\": invalid time value for 'time': cannot parse \"now\" to a valid timestamp"#,
            ),
        ),
        (
            "query?query=up%7B&time=1",
            bad(r#"invalid parameter \"query\": 1:4: parse error: unexpected end of input inside braces"#),
        ),
        (
            "query?query=1&timeout=abc",
            bad(r#"invalid parameter \"timeout\": cannot parse \"abc\" to a valid duration"#),
        ),
        ("query?query=up&limit=-1", bad(r#"invalid parameter \"limit\": limit must be non-negative"#)),
        (
            "query?query=1&lookback_delta=x",
            bad(r#"error parsing lookback delta duration: cannot parse \"x\" to a valid duration"#),
        ),
        ("query_range?query=up&start=1&end=2&step=0", bad(step)),
        ("query_range?query=up&start=1&end=2&step=-1", bad(step)),
        (
            "query_range?query=up&start=1&end=2",
            bad(r#"invalid parameter \"step\": cannot parse \"\" to a valid duration"#),
        ),
        (
            "query_range?query=up&start=2&end=1&step=1",
            bad(r#"invalid parameter \"end\": end timestamp must not be before start time"#),
        ),
        (
            "query_range?query=up&end=1&step=1",
            bad(r#"invalid parameter \"start\": cannot parse \"\" to a valid timestamp"#),
        ),
        ("query_range?query=up&start=0&end=11001&step=1", bad(resolution)),
        (
            "query_range?query=%22a%22&start=0&end=3&step=1",
            bad(
                r#"invalid parameter \"query\": invalid expression type \"string\" for range query, must be Scalar or instant Vector"#,
            ),
        ),
        ("series", bad("no match[] parameter provided")),
        ("series?match[]={}", bad(&format!(r#"invalid parameter \"match[]\": {at_least_one}"#))),
        ("labels?match[]={}", bad(at_least_one)),
        (
            "series?match[]=up&start=x",
            bad(
                r#"invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" to a valid timestamp"#,
            ),
        ),
        ("label/%ff/values", bad(r#"invalid label name: \"\\xff\""#)),
        ("metadata?limit=x", bad("limit must be a number")),
        ("metadata?limit_per_metric=x", bad("limit_per_metric must be a number")),
        ("status/tsdb?limit=0", bad("limit must be a positive number")),
        ("rules?type=x", bad(r#"invalid parameter \"type\": not supported value \"x\""#)),
    ];
    let cases: Vec<(String, String)> =
        cases.into_iter().map(|(target, body)| (format!("/api/v1/{target}"), body)).collect();
    let cases: Vec<(&str, u16, &str)> =
        cases.iter().map(|(target, body)| (target.as_str(), 400, body.as_str())).collect();
    check_all(&cases).await;
}

#[tokio::test]
async fn what_cannot_be_evaluated_is_an_execution_error() {
    let served = serve(example_state()).await;
    let reply = get(served.address, "/api/v1/query?query=up%20*%20on(x)%20up").await;
    assert_eq!(
        (reply.status, reply.json()["errorType"].as_str()),
        (422, Some("execution")),
        "{}",
        reply.text()
    );
    let reply = get(served.address, "/api/v1/parse_query?query=up").await;
    assert_eq!(
        (reply.status, reply.json()["errorType"].as_str()),
        (501, Some("unavailable")),
        "{}",
        reply.text()
    );
    served.stop().await;
}

#[tokio::test]
async fn a_store_that_fails_is_told_apart_from_a_wrong_query() {
    let served = serve(state_over(Arc::new(Broken))).await;
    let check = async |target: &str, status: u16, kind: &str, text: &str| {
        let reply = get(served.address, target).await;
        let object = reply.json();
        assert_eq!((reply.status, object["errorType"].as_str()), (status, Some(kind)), "{}", reply.text());
        assert!(object["error"].as_str().unwrap().contains(text), "{}", reply.text());
    };
    check("/api/v1/query?query=damaged", 500, "internal", "chunk 7: checksum does not match").await;
    check("/api/v1/query?query=defect", 500, "internal", "see its log").await;
    check("/api/v1/labels", 422, "execution", "no index").await;
    // The server goes on.
    assert_eq!(get(served.address, "/api/v1/query?query=1").await.status, 200);
    served.stop().await;
}

#[tokio::test]
async fn exemplars_of_no_selector_are_no_content() {
    let served = serve(example_state()).await;
    let reply = get(served.address, "/api/v1/query_exemplars?query=1").await;
    assert_eq!((reply.status, reply.text().as_str()), (204, ""));
    served.stop().await;
}

#[tokio::test]
async fn a_call_may_look_back_less_far() {
    let found = async |address, rest: &str| {
        let target = format!("/api/v1/query?query=count(up)&time=1700000030{rest}");
        get(address, &target).await.json()["data"]["result"].as_array().unwrap().len()
    };
    let served = serve(example_state()).await;
    assert_eq!(found(served.address, "").await, 1);
    assert_eq!(found(served.address, "&lookback_delta=31s").await, 1);
    assert_eq!(found(served.address, "&lookback_delta=30").await, 0);
    served.stop().await;
}

#[tokio::test]
async fn statistics_come_when_asked_for() {
    let served = serve(example_state()).await;
    let data = get(served.address, "/api/v1/query?query=up&stats=all").await.json()["data"].clone();
    assert_eq!(data["stats"]["samples"]["samplesRead"], 4, "{data}");
    assert!(data["stats"]["timings"]["execTotalTime"].as_f64().unwrap() > 0.0, "{data}");
    served.stop().await;
}

#[tokio::test]
async fn series_labels_and_values_are_listed_and_cut() {
    let truncated = r#","warnings":["results truncated due to limit"]}"#;
    check_all(&[
        (
            "/api/v1/series?match[]=up&match[]={job=%22backend%22}",
            200,
            r#"{"status":"success","data":[{"__name__":"up","job":"backend"},{"__name__":"up","job":"frontend"}]}"#,
        ),
        (
            "/api/v1/series?match[]=http_requests_total",
            200,
            r#"{"status":"success","data":[{"__name__":"http_requests_total","path":"/a<b>&\"c"}]}"#,
        ),
        (
            "/api/v1/series?match[]=up&limit=1",
            200,
            &format!(r#"{{"status":"success","data":[{{"__name__":"up","job":"backend"}}]{truncated}"#),
        ),
        ("/api/v1/series?match[]=up&start=5&end=1", 200, r#"{"status":"success","data":[]}"#),
        ("/api/v1/labels", 200, r#"{"status":"success","data":["__name__","job","path"]}"#),
        ("/api/v1/labels?match[]=up", 200, r#"{"status":"success","data":["__name__","job"]}"#),
        ("/api/v1/labels?limit=1", 200, &format!(r#"{{"status":"success","data":["__name__"]{truncated}"#)),
        ("/api/v1/label/job/values", 200, r#"{"status":"success","data":["backend","frontend"]}"#),
        ("/api/v1/label/path/values", 200, r#"{"status":"success","data":["/a\u003cb\u003e\u0026\"c"]}"#),
        ("/api/v1/label/U__job/values", 200, r#"{"status":"success","data":["backend","frontend"]}"#),
        ("/api/v1/label/nope/values", 200, r#"{"status":"success","data":[]}"#),
    ])
    .await;
}

#[tokio::test]
async fn targets_and_metadata_are_listed_by_pool() {
    let down = r#"{"discoveredLabels":{"__address__":"127.64.0.2:9464","job":"todo"},"labels":{"instance":"127.64.0.2:9464","job":"todo"},"scrapePool":"todo","scrapeUrl":"http://127.64.0.2:9464/metrics","globalUrl":"http://127.64.0.2:9464/metrics","lastError":"connection \u003crefused\u003e","lastScrape":"2023-11-14T22:13:20.12Z","lastScrapeDuration":0.0015,"health":"down","scrapeInterval":"30s","scrapeTimeout":"10s"}"#;
    let unknown = r#"{"discoveredLabels":{"__address__":"127.64.0.1:9464","job":"todo"},"labels":{"instance":"127.64.0.1:9464","job":"todo"},"scrapePool":"todo","scrapeUrl":"http://127.64.0.1:9464/metrics","globalUrl":"http://127.64.0.1:9464/metrics","lastError":"","lastScrape":"0001-01-01T00:00:00Z","lastScrapeDuration":0.0015,"health":"unknown","scrapeInterval":"30s","scrapeTimeout":"10s"}"#;
    let dropped = r#"[{"discoveredLabels":{"__address__":"127.0.0.1:2"},"scrapePool":"empty"}]"#;
    let counts = r#"{"empty":1,"todo":0}"#;
    let targets = |active: &str, dropped: &str, counts: &str| {
        format!(
            r#"{{"status":"success","data":{{"activeTargets":[{active}],"droppedTargets":{dropped},"droppedTargetCounts":{counts}}}}}"#
        )
    };
    check_all(&[
        ("/api/v1/targets", 200, &targets(&format!("{unknown},{down}"), dropped, counts)),
        ("/api/v1/targets?state=active", 200, &targets(&format!("{unknown},{down}"), "[]", "null")),
        ("/api/v1/targets?state=DROPPED", 200, &targets("", dropped, counts)),
        ("/api/v1/targets?state=foo", 200, &targets("", "[]", "null")),
        ("/api/v1/targets?scrapePool=todo", 200, &targets(&format!("{unknown},{down}"), "[]", counts)),
        ("/api/v1/scrape_pools", 200, r#"{"status":"success","data":{"scrapePools":["empty","todo"]}}"#),
        (
            "/api/v1/metadata?metric=size",
            200,
            r#"{"status":"success","data":{"size":[{"type":"gauge","unit":"","help":"Size."},{"type":"gauge","unit":"","help":"Other size."}]}}"#,
        ),
        (
            "/api/v1/metadata?limit=1&limit_per_metric=1",
            200,
            r#"{"status":"success","data":{"size":[{"type":"gauge","unit":"","help":"Size."}]}}"#,
        ),
        ("/api/v1/metadata?limit=0", 200, r#"{"status":"success","data":{}}"#),
        (
            "/api/v1/targets/metadata?match_target={instance=%22b%22}",
            200,
            r#"{"status":"success","data":[{"target":{"instance":"b","job":"todo"},"metric":"size","type":"gauge","help":"Other size.","unit":""}]}"#,
        ),
        (
            "/api/v1/targets/metadata?metric=size&limit=1",
            200,
            r#"{"status":"success","data":[{"target":{"instance":"a","job":"todo"},"type":"gauge","help":"Size.","unit":""}]}"#,
        ),
    ])
    .await;
}

#[tokio::test]
async fn states_that_are_empty_or_fixed() {
    check_all(&[
        ("/api/v1/rules", 200, r#"{"status":"success","data":{"groups":[]}}"#),
        ("/api/v1/alerts", 200, r#"{"status":"success","data":{"alerts":[]}}"#),
        ("/api/v1/alertmanagers", 200, r#"{"status":"success","data":{"activeAlertmanagers":[],"droppedAlertmanagers":[]}}"#),
        ("/api/v1/status/walreplay", 200, r#"{"status":"success","data":{"min":0,"max":0,"current":0}}"#),
        ("/api/v1/status/flags", 200, r#"{"status":"success","data":{"web.listen-address":"127.0.0.1:9090"}}"#),
        ("/api/v1/status/config", 200, r#"{"status":"success","data":{"yaml":"global:\n  scrape_interval: 30s\n"}}"#),
        (
            "/api/v1/status/buildinfo",
            200,
            r#"{"status":"success","data":{"version":"3.16.0+tidewatch.0.1.0","revision":"","branch":"","buildUser":"","buildDate":"","goVersion":""}}"#,
        ),
        (
            "/api/v1/status/tsdb?limit=1",
            200,
            r#"{"status":"success","data":{"headStats":{"numSeries":3,"numLabelPairs":5,"chunkCount":3,"minTime":1,"maxTime":2},"seriesCountByMetricName":[{"name":"up","value":2}],"labelValueCountByLabelName":[{"name":"__name__","value":2}],"memoryInBytesByLabelName":[{"name":"__name__","value":23}],"seriesCountByLabelValuePair":[{"name":"__name__=up","value":2}]}}"#,
        ),
    ])
    .await;
}

#[tokio::test]
async fn forms_and_addresses_both_carry_parameters() {
    let served = serve(example_state()).await;
    let check = async |target: &str, form: &str, result: &str| {
        let reply = post_form(served.address, target, form).await;
        let expected =
            format!(r#"{{"status":"success","data":{{"resultType":"scalar","result":{result}}}}}"#);
        assert_eq!((reply.status, reply.text()), (200, expected), "{target} {form}");
    };
    check("/api/v1/query", "query=1&time=5", r#"[5,"1"]"#).await;
    check("/api/v1/query?time=6", "query=1", r#"[6,"1"]"#).await;
    check("/api/v1/query?query=2", "query=1&time=1", r#"[1,"1"]"#).await;
    served.stop().await;
}

#[tokio::test]
async fn methods_are_refused_as_prometheus_refuses_them() {
    let served = serve(example_state()).await;
    let check = async |method: &str, target: &str, status: u16, allow: &str, body: &str| {
        let reply = send(served.address, method, target, &[], b"").await;
        let found = (reply.status, reply.header("allow").to_owned(), reply.text());
        assert_eq!(found, (status, allow.to_owned(), body.to_owned()), "{method} {target}");
    };
    let refused = "Method Not Allowed\n";
    check("DELETE", "/api/v1/series?match[]=up", 405, "GET, OPTIONS, POST", refused).await;
    check("PUT", "/api/v1/query?query=1", 405, "GET, OPTIONS, POST", refused).await;
    check("HEAD", "/api/v1/query?query=1", 405, "GET, OPTIONS, POST", "").await;
    check("POST", "/api/v1/targets", 405, "GET, OPTIONS", refused).await;
    check("POST", "/api/v1/label/job/values", 405, "GET, OPTIONS", refused).await;
    check("POST", "/-/healthy", 405, "GET, HEAD, OPTIONS", refused).await;
    check("OPTIONS", "/api/v1/query", 204, "", "").await;
    check("HEAD", "/-/healthy", 200, "", "").await;
    check("GET", "/-/healthy", 200, "", "Prometheus Server is Healthy.\n").await;
    check("GET", "/-/ready", 200, "", "Prometheus Server is Ready.\n").await;
    check("GET", "/-/reload", 405, "", "Only POST or PUT requests allowed").await;
    check("POST", "/-/reload", 403, "", "Lifecycle API is not enabled.").await;
    check("PUT", "/-/quit", 403, "", "Lifecycle API is not enabled.").await;
    for target in ["/api/v1/nope", "/api/v3/x", "/api/", "/-/nope", "/metrics/x"] {
        check("GET", target, 404, "", "404 page not found\n").await;
        check("POST", target, 404, "", "404 page not found\n").await;
    }
    served.stop().await;
}

#[tokio::test]
async fn nothing_is_answered_before_the_store_is_open() {
    let state = example_state();
    let state = tidewatch_http::ApiState { readiness: Arc::default(), ..state };
    let readiness = Arc::clone(&state.readiness);
    let served = serve(state).await;
    for target in ["/-/ready", "/api/v1/query?query=1", "/api/v1/targets", "/api/v1/status/buildinfo"] {
        let reply = get(served.address, target).await;
        assert_eq!((reply.status, reply.text().as_str()), (503, "Service Unavailable"), "{target}");
        assert_eq!(reply.header("x-prometheus-stopping"), "false");
    }
    for target in ["/-/healthy", "/metrics", "/api/v1/status/walreplay"] {
        assert_eq!(get(served.address, target).await.status, 200, "{target}");
    }
    readiness.set_ready();
    assert_eq!(get(served.address, "/-/ready").await.status, 200);
    served.stop().await;
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_take_it() {
    let series = |number: usize| {
        let labels = Labels::from_pairs([("__name__", "m".to_owned()), ("n", format!("{number:05}"))]);
        (labels, Columns { timestamps: vec![NOW], values: vec![number as f64] })
    };
    let served = serve(state_over(Arc::new((0..30_000).map(series).collect::<Memory>()))).await;
    let ask = async |encoding: &str, target: &str| -> Reply {
        send(served.address, "GET", target, &[("Accept-Encoding", encoding)], b"").await
    };
    let plain = ask("identity", "/api/v1/query?query=m").await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "Accept-Encoding, Origin"));
    let compressed = ask("gzip, deflate", "/api/v1/query?query=m").await;
    assert_eq!(compressed.header("content-encoding"), "gzip");
    assert!(compressed.bytes.len() * 4 < plain.bytes.len(), "{} bytes", compressed.bytes.len());
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*compressed.bytes), &mut unpacked).unwrap();
    assert_eq!(unpacked, plain.bytes);
    assert_eq!(ask("gzip", "/api/v1/query?query=1").await.header("content-encoding"), "");
    served.stop().await;
}

#[tokio::test]
async fn own_metrics_count_requests_by_route() {
    let served = serve(example_state()).await;
    get(served.address, "/api/v1/label/job/values").await;
    get(served.address, "/api/v1/label/path/values").await;
    get(served.address, "/api/v1/query?query=up").await;
    get(served.address, "/api/v1/query?query=up%7B").await;
    get(served.address, "/some/../secret-path.txt").await;
    let text = get(served.address, "/metrics").await;
    assert_eq!(text.header("content-type"), "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
    for line in [
        "prometheus_http_requests_total{code=\"200\",handler=\"/api/v1/label/:name/values\"} 2",
        "prometheus_http_requests_total{code=\"200\",handler=\"/api/v1/query\"} 1",
        "prometheus_http_requests_total{code=\"400\",handler=\"/api/v1/query\"} 1",
        "prometheus_http_requests_total{code=\"404\",handler=\"/*path\"} 1",
        "prometheus_http_request_duration_seconds_count{handler=\"/api/v1/query\"} 2",
        "prometheus_engine_queries 0",
        "prometheus_engine_queries_concurrent_max 4",
        "prometheus_engine_query_duration_histogram_seconds_count{slice=\"inner_eval\"} 2",
        "tidewatch_http_rejected_total{reason=\"host\"} 0",
    ] {
        assert!(text.text().lines().any(|found| found == line), "{line} is missing in\n{}", text.text());
    }
    assert!(!text.text().contains("secret"), "paths as sent must not become labels");
    let accept = [("Accept", "application/openmetrics-text;version=1.0.0")];
    let open_metrics = send(served.address, "GET", "/metrics", &accept, b"").await;
    assert!(open_metrics.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(open_metrics.text().ends_with("# EOF\n"));
    served.stop().await;
}
