//! JSON requests, which must give the same spans as protobuf ones.

use crate::encode::{message, pair, request};
use crate::kept::decoded;
use tidewatch_otlp::{Refusal, json_to_protobuf};

fn lines(text: &str) -> Vec<String> {
    decoded(&json_to_protobuf(text.as_bytes()).unwrap()).unwrap().1
}

fn of_span(span: &str) -> String {
    format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{span}]}}]}}]}}")
}

#[test]
fn a_request_is_the_same_in_both_notations() {
    let text = r#"{"resourceSpans":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"shop \u00e9\ud83d\ude00"}}],"droppedAttributesCount":2},
        "scopeSpans":[{"scope":{"name":"lib","version":"1","attributes":[{"key":"a"}]},"schemaUrl":"s","spans":[{
          "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","parentSpanId":"","traceState":"x=y",
          "name":"I'm a server span","kind":2,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,
          "attributes":[{"key":"i","value":{"intValue":"-7"}},{"key":"j","value":{"intValue":9007199254740993}},
            {"key":"d","value":{"doubleValue":1}},{"key":"n","value":{"doubleValue":"NaN"}},{"key":"b","value":{"boolValue":true}},
            {"key":"y","value":{"bytesValue":"/wA="}}],
          "droppedAttributesCount":1,"flags":257,
          "events":[{"timeUnixNano":"5","name":"e","attributes":[{"key":"q","value":{"stringValue":"r"}}]}],"droppedEventsCount":3,
          "links":[{"traceId":"01010101010101010101010101010101","spanId":"0202020202020202","flags":1}],"droppedLinksCount":4,
          "status":{"code":"STATUS_CODE_ERROR","message":"bad"},"unknown":{"deep":[1,{"a":null}]}}]}],"schemaUrl":"t"}]}"#;
    let value = |field, number| message().number(field, number);
    let span = message()
        .bytes(1, b"\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c")
        .bytes(2, b"\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74")
        .text(3, "x=y")
        .text(5, "I'm a server span")
        .number(6, 2)
        .fixed64(7, 1_544_712_660_000_000_000)
        .fixed64(8, 1_544_712_661_000_000_000)
        .message(9, &pair("i", &value(3, (-7i64).cast_unsigned())))
        .message(9, &pair("j", &value(3, 9_007_199_254_740_993)))
        .message(9, &pair("d", &message().fixed64(4, 1f64.to_bits())))
        .message(9, &pair("n", &message().fixed64(4, f64::NAN.to_bits())))
        .message(9, &pair("b", &value(2, 1)))
        .message(9, &pair("y", &message().bytes(7, &[0xff, 0])));
    let event = message().fixed64(1, 5).text(2, "e").message(3, &pair("q", &message().text(1, "r")));
    let link = message().bytes(1, &[1; 16]).bytes(2, &[2; 8]).fixed32(6, 1);
    let span = span
        .number(10, 1)
        .fixed32(16, 257)
        .message(11, &event)
        .number(12, 3)
        .message(13, &link)
        .number(14, 4)
        .message(15, &message().number(3, 2).text(2, "bad"));
    let ours = lines(text);
    assert_eq!(ours[2], decoded(&request(&[span])).unwrap().1[2]);
    assert_eq!(ours[0], "resource [service.name=\"shop é😀\"] -2 \"t\"");
    assert_eq!(ours[1], "scope \"lib\" \"1\" [a=empty] -0 \"s\"");
}

#[test]
fn notations_that_protobuf_also_takes() {
    let check = |span: &str, expected: &str| {
        let line = lines(&of_span(span)).pop().unwrap();
        assert!(line.contains(expected), "{line}");
    };
    check(r#"{"kind":"SPAN_KIND_CONSUMER"}"#, "Consumer");
    check(r#"{"kind":77}"#, "Unspecified");
    check(r#"{"start_time_unix_nano":"5","end_time_unix_nano":1e3}"#, "5..1000");
    check(r#"{"name":null,"attributes":null,"status":null}"#, "Unset");
    check(r#"{"name":"a","name":"b"}"#, "\"b\"");
    check(r#"{"attributes":[{"key":"k","value":null}]}"#, "[k=empty]");
    check(r#"{"attributes":[{"key":"k","value":{"doubleValue":"-Infinity"}}]}"#, "[k=-inf]");
    // Lengths are padded; it is the same list.
    check(
        r#"{"attributes":[{"key":"l","value":{"arrayValue":{"values":[{"intValue":1},{}]}}}]}"#,
        "[l=array[10, 130, 128, 128, 0, 24, 1, 10, 128, 128, 128, 0]]",
    );
    check(
        r#"{"attributes":[{"key":"m","value":{"kvlistValue":{"values":[{"key":"z","value":{"stringValue":""}}]}}}]}"#,
        "[m=map[10, 138, 128, 128, 0, 10, 1, 122, 18, 130, 128, 128, 0, 10, 0]]",
    );
    check(r#"{"startTimeUnixNano":18446744073709551615}"#, "18446744073709551615..0");
    assert_eq!(lines("{}"), Vec::<String>::new());
    assert_eq!(lines(" { \"resourceSpans\" : [ ] } \n"), Vec::<String>::new());
}

#[test]
fn ids_of_another_length_refuse_their_span() {
    let text = of_span(r#"{"traceId":"00","spanId":""},{"name":"good"}"#);
    let (counts, _) = decoded(&json_to_protobuf(text.as_bytes()).unwrap()).unwrap();
    assert_eq!((counts.spans, counts.refused(Refusal::IdLength)), (1, 1));
}

#[test]
fn what_is_no_request_is_refused_with_its_place() {
    let check = |text: &str, expected: &str| {
        let error = json_to_protobuf(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, format!("malformed JSON: {expected}"), "{text}");
    };
    check("", "EOF while parsing a value at line 1 column 0");
    check("{", "EOF while parsing an object at line 1 column 1");
    check("[]", "invalid type: sequence, expected an object at line 1 column 0");
    check("{} x", "trailing characters at line 1 column 4");
    check(r#"{"resourceSpans":3}"#, "resourceSpans: 3 instead of a list at line 1 column 18");
    check(r#"{"resourceSpans":{}}"#, "resourceSpans: an object instead of a list at line 1 column 19");
    check(r#"{"resourceSpans":[null]}"#, "resourceSpans: null instead of an object at line 1 column 22");
    let check = |span: &str, expected: &str| {
        let error = json_to_protobuf(of_span(span).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(r#"{"name":["a"]}"#, "name: a list instead of a text");
    check(r#"{"name":5}"#, "name: 5 instead of a text");
    check(r#"{"traceId":"xy"}"#, "traceId: \"xy\" instead of hexadecimal digits");
    check(
        r#"{"startTimeUnixNano":-1}"#,
        "startTimeUnixNano: -1 instead of an integer from 0 to 18446744073709551615",
    );
    check(r#"{"startTimeUnixNano":"1.5"}"#, "startTimeUnixNano: \"1.5\" instead");
    check(r#"{"startTimeUnixNano":1.5}"#, "startTimeUnixNano: 1.5 instead");
    check(r#"{"flags":4294967296}"#, "flags: 4294967296 instead of an integer from 0 to 4294967295");
    check(r#"{"kind":"SERVER"}"#, "kind: \"SERVER\" instead of the number or name of an enumeration");
    check(
        r#"{"attributes":[{"value":{"boolValue":"true"}}]}"#,
        "boolValue: \"true\" instead of true or false",
    );
    check(r#"{"attributes":[{"value":{"bytesValue":"?"}}]}"#, "bytesValue: \"?\" instead of base64");
    check(r#"{"status":true}"#, "status: true instead of an object");
    check(r#"{"name":"\ud800"}"#, "unexpected end of hex escape");
    let deep = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(500), "]}}".repeat(500));
    check(&format!(r#"{{"attributes":[{{"value":{deep}}}]}}"#), "recursion limit exceeded");
    assert!(json_to_protobuf(b"{\"resourceSpans\xff\":[]}").is_err());
}
