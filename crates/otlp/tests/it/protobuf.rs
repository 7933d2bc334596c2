//! Protobuf requests byte by byte.

use crate::encode::{Bytes, message, pair, request};
use crate::kept::decoded;
use tidewatch_otlp::{MAX_VALUE_DEPTH, Refusal};

const TRACE: [u8; 16] = [0xab; 16];
const SPAN: [u8; 8] = [0xcd; 8];

fn text_value(text: &str) -> Bytes {
    message().text(1, text)
}

/// A span with ids, and a line that shows it with what stands between the brackets.
fn span() -> Bytes {
    message().bytes(1, &TRACE).bytes(2, &SPAN)
}

fn shown(attributes: &str) -> String {
    let ids = format!("{}/{}<0000000000000000", "ab".repeat(16), "cd".repeat(8));
    format!("span {ids} \"\" 0 \"\" Unspecified 0..0 Unset \"\" [{attributes}] -0 events[] -0 links[] -0")
}

#[test]
fn a_span_with_everything_in_it() {
    let event = message()
        .fixed64(1, 7)
        .text(2, "exception")
        .message(3, &pair("a", &text_value("b")))
        .message(3, &pair("c", &message().number(3, 4)))
        .number(4, 5);
    let link = message()
        .bytes(1, &[1; 16])
        .bytes(2, &[2; 8])
        .text(3, "s=1")
        .message(4, &pair("l", &message().number(2, 1)))
        .number(5, 6)
        .fixed32(6, 257);
    let whole = span()
        .text(3, "vendor=x")
        .bytes(4, &[0xee; 8])
        .text(5, "GET /")
        .number(6, 2)
        .fixed64(7, 1000)
        .fixed64(8, 2000)
        .message(9, &pair("http.request.method", &text_value("GET")))
        .number(10, 1)
        .message(11, &event)
        .message(11, &message().text(2, "second"))
        .number(12, 2)
        .message(13, &link)
        .number(14, 3)
        .message(15, &message().text(2, "boom").number(3, 2))
        .fixed32(16, 0x301);
    let (counts, lines) = decoded(&request(&[whole])).unwrap();
    assert_eq!((counts.spans, counts.refused_total(), counts.repaired_texts), (1, 0, 0));
    let expected = "span abababababababababababababababab/cdcdcdcdcdcdcdcd<eeeeeeeeeeeeeeee \"vendor=x\" 769 \"GET /\" \
        Server 1000..2000 Error \"boom\" [http.request.method=\"GET\"] -1 \
        events[\"exception@7 [a=\\\"b\\\",c=4] -5\", \"second@0 [] -0\"] -2 \
        links[\"01010101010101010101010101010101/0202020202020202 \\\"s=1\\\" [l=true] -6 257\"] -3";
    assert_eq!(lines, ["resource [] -0 \"\"", "scope \"\" \"\" [] -0 \"\"", expected]);
}

#[test]
fn resources_and_scopes_come_before_their_spans_whatever_their_order() {
    let resource = message().message(1, &pair("service.name", &text_value("x"))).number(2, 9);
    let more = message().message(1, &pair("k", &text_value("v")));
    let scope = message().text(1, "lib").text(2, "1.0").message(3, &pair("s", &text_value("t"))).number(4, 8);
    let scope_spans = message().message(2, &span()).text(3, "scope-schema").message(1, &scope);
    let resource_spans = message()
        .message(2, &scope_spans)
        .message(1, &resource)
        .text(3, "old")
        .text(3, "schema")
        .message(1, &more);
    let (_, lines) = decoded(&message().message(1, &resource_spans).0).unwrap();
    let expected = [
        "resource [service.name=\"x\",k=\"v\"] -9 \"schema\"".to_owned(),
        "scope \"lib\" \"1.0\" [s=\"t\"] -8 \"scope-schema\"".to_owned(),
        shown(""),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn values_of_every_kind() {
    let check = |value: Bytes, expected: &str| {
        let bytes = request(&[span().message(9, &pair("k", &value))]);
        let (_, lines) = decoded(&bytes).unwrap();
        assert_eq!(lines[2], shown(&format!("k={expected}")));
    };
    check(message(), "empty");
    check(text_value(""), "\"\"");
    check(text_value("é"), "\"é\"");
    check(message().number(2, 1), "true");
    check(message().number(2, 0), "false");
    check(message().number(3, u64::MAX), "-1");
    check(message().number(3, 1 << 63), "-9223372036854775808");
    check(message().fixed64(4, 2.5f64.to_bits()), "2.5");
    check(message().fixed64(4, f64::NAN.to_bits()), "NaN");
    check(message().bytes(7, &[255, 0]), "b[255, 0]");
    check(message().bytes(7, &[]), "b[]");
    check(message().message(5, &message().message(1, &text_value("a"))), "array[10, 3, 10, 1, 97]");
    check(message().message(6, &message()), "map[]");
    // The last of several holds, in one message and in a message that comes in parts.
    check(text_value("a").number(3, 4), "4");
    check(message().number(3, 4).text(1, "a"), "\"a\"");
    // What Jaeger does with a text that is not UTF-8.
    check(message().bytes(1, &[0xff]), "b[255]");
    // A field of a later version of the protocol.
    check(message().number(8, 4), "empty");
    let parts = message().text(1, "k").message(2, &text_value("a")).message(2, &message());
    let (_, lines) = decoded(&request(&[span().message(9, &parts)])).unwrap();
    assert_eq!(lines[2], shown("k=\"a\""));
}

#[test]
fn last_scalars_hold_parts_join_unknown_fields_are_skipped() {
    let check = |span: Bytes, change: fn(String) -> String| {
        let (_, lines) = decoded(&request(&[span])).unwrap();
        assert_eq!(lines[2], change(shown("")));
    };
    check(span().text(5, "a").text(5, "b"), |line| line.replace("0 \"\" Un", "0 \"b\" Un"));
    check(span().number(6, 99), |line| line);
    check(span().number(6, u64::MAX), |line| line);
    check(span().number(6, 1 << 32 | 1), |line| line.replace("Unspecified", "Internal"));
    check(span().number(10, 1 << 32 | 7), |line| line.replace("[] -0 events", "[] -7 events"));
    let (first, second) = (message().number(3, 2), message().text(2, "m"));
    check(span().message(15, &first).message(15, &second), |line| line.replace("Unset \"\"", "Error \"m\""));
    check(span().message(15, &message().number(3, 7)), |line| line);
    check(
        span().number(17, 1).fixed32(1000, 1).fixed64(31, 1).bytes(32, b"x").number(536_870_911, 1),
        |line| line,
    );
}

#[test]
fn a_bad_span_is_refused_and_counted_alone() {
    let check = |bad: Bytes, reason: Refusal| {
        let (counts, lines) = decoded(&request(&[span(), bad, span()])).unwrap();
        assert_eq!((counts.spans, counts.refused_total(), counts.refused(reason)), (2, 1, 1));
        assert_eq!(lines[2..], [shown(""), shown("")]);
    };
    let in_array = |value: &Bytes| message().message(5, &message().message(1, value));
    check(message().bytes(1, &[1; 8]), Refusal::IdLength);
    check(span().bytes(2, &[1; 16]), Refusal::IdLength);
    check(span().bytes(4, &[1]), Refusal::IdLength);
    check(span().message(13, &message().bytes(1, &[1; 15])), Refusal::IdLength);
    check(span().bytes(3, &[0xff]), Refusal::InvalidUtf8);
    check(span().message(15, &message().bytes(2, &[0xc0, 0x80])), Refusal::InvalidUtf8);
    check(span().message(9, &message().bytes(1, &[0xed, 0xa0, 0x80])), Refusal::InvalidUtf8);
    check(span().message(11, &message().bytes(2, &[0xff])), Refusal::InvalidUtf8);
    check(span().message(9, &pair("k", &in_array(&message().bytes(1, &[0xff])))), Refusal::InvalidUtf8);
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        let mut value = message().number(3, 1);
        for level in 0..depth {
            let number = if level % 2 == 0 { 5 } else { 6 };
            let element = if number == 5 { value } else { pair("k", &value) };
            value = message().message(number, &message().message(1, &element));
        }
        request(&[span().message(9, &pair("k", &value))])
    };
    let refused = |depth| decoded(&nested(depth)).unwrap().0.refused(Refusal::ValueTooDeep);
    assert_eq!(refused(MAX_VALUE_DEPTH), 0);
    assert_eq!(refused(MAX_VALUE_DEPTH + 1), 1);
    assert_eq!(refused(20_000), 1);
}

#[test]
fn an_empty_id_is_none_and_a_name_that_is_no_text_becomes_bytes() {
    let (counts, lines) = decoded(&request(&[message().bytes(5, &[0xff])])).unwrap();
    assert_eq!((counts.spans, counts.repaired_texts), (1, 1));
    let expected = shown("invalid-span-name=b[255]")
        .replace("ab", "00")
        .replace("cd", "00")
        .replace("0 \"\" Un", "0 \"invalid-span-name\" Un");
    assert_eq!(lines[2], expected);
}

#[test]
fn what_a_resource_or_scope_cannot_say_refuses_its_spans_only() {
    let key = message().bytes(1, &[0xff]);
    let scope_spans = message().message(2, &span()).message(2, &span());
    let bad_resource = message().message(2, &scope_spans).message(1, &message().message(1, &key));
    let bad_scope = message().message(2, &scope_spans.clone().message(1, &message().bytes(1, &[0xff])));
    let good = message().message(2, &scope_spans);
    let bytes = message().message(1, &bad_resource).message(1, &bad_scope).message(1, &good).0;
    let (counts, lines) = decoded(&bytes).unwrap();
    assert_eq!((counts.spans, counts.refused(Refusal::InvalidUtf8)), (2, 4));
    let (resource, scope) = ("resource [] -0 \"\"".to_owned(), "scope \"\" \"\" [] -0 \"\"".to_owned());
    assert_eq!(lines, [resource.clone(), resource, scope, shown(""), shown("")]);
}

#[test]
fn malformed_messages_are_refused_whole() {
    let check = |bytes: &[u8], expected: &str| {
        assert_eq!(decoded(bytes).unwrap_err().to_string(), expected, "{bytes:02x?}");
    };
    let cut_off = "malformed protobuf at byte 2: a field is longer than the message it is in";
    check(b"\x0a\x05abc", cut_off);
    check(b"zzz", cut_off);
    check(b"\x7e", "malformed protobuf at byte 1: a wire type does not exist");
    check(&[0x0b, 0x0c], "malformed protobuf at byte 1: a field has the wrong wire type");
    check(&[0x13, 0x14], "malformed protobuf at byte 1: groups are not supported");
    let wrong = "malformed protobuf at byte 7: a field has the wrong wire type";
    check(&request(&[message().number(1, 1)]), wrong);
    check(&request(&[message().raw(&[0x22])]), "malformed protobuf at byte 7: a number is cut off");
    // The end of an inner message is an end, though the outer one goes on.
    let inner = message().message(9, &message().message(2, &message().raw(&[0x21, 0, 0])));
    let at = "malformed protobuf at byte 11: a 64-bit value is cut off";
    check(&request(&[inner.text(5, "much more text")]), at);
    assert_eq!(decoded(b"").unwrap().1.len(), 0);
}

#[test]
fn every_beginning_of_a_request_is_read_or_refused() {
    let whole = request(&[span().text(5, "n").message(9, &pair("k", &text_value("v"))).fixed64(7, 3)]);
    let mut refused = 0;
    for end in 0..whole.len() {
        refused += usize::from(decoded(&whole[..end]).is_err());
    }
    assert_eq!(refused, whole.len() - 1, "only the empty beginning is a request");
}
