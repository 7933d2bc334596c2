//! Random requests: models that must come out as they went in, in any order of fields, and bytes that must only not break anything.

use crate::encode::{Bytes, message, pair, request};
use crate::kept::decoded;
use proptest::collection::vec;
use proptest::prelude::*;
use tidewatch_otlp::json_to_protobuf;

/// Encoded fields of a span and what each adds to the line that shows it.
#[derive(Clone, Debug)]
struct Model {
    name: String,
    trace: [u8; 16],
    kind: u64,
    start: u64,
    attributes: Vec<(String, i64)>,
    unknown: Vec<(u64, u64)>,
}

fn model() -> impl Strategy<Value = Model> {
    let attribute = ("[a-z.]{0,9}", any::<i64>());
    let unknown = (17u64..2000, any::<u64>());
    let parts =
        (".{0,12}", any::<[u8; 16]>(), 0u64..6, any::<u64>(), vec(attribute, 0..6), vec(unknown, 0..4));
    parts.prop_map(|(name, trace, kind, start, attributes, unknown)| Model {
        name,
        trace,
        kind,
        start,
        attributes,
        unknown,
    })
}

impl Model {
    /// The fields in an order that `seed` chooses; attributes keep theirs.
    fn encoded(&self, seed: usize) -> Bytes {
        let mut fields = vec![
            message().text(5, &self.name),
            message().bytes(1, &self.trace),
            message().number(6, self.kind),
            message().fixed64(7, self.start),
        ];
        fields.extend(self.unknown.iter().map(|(number, value)| message().number(*number, *value)));
        let last = fields.len();
        fields.rotate_left(seed % last);
        for (index, (key, value)) in self.attributes.iter().enumerate() {
            let value = message().number(3, value.cast_unsigned());
            fields.insert((index * 2).min(fields.len()), message().message(9, &pair(key, &value)));
        }
        fields.into_iter().fold(message(), |span, field| span.raw(&field.0))
    }

    fn shown(&self) -> String {
        let kinds = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];
        let trace: String = self.trace.iter().map(|byte| format!("{byte:02x}")).collect();
        let pairs: Vec<String> =
            self.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!(
            "span {trace}/0000000000000000<0000000000000000 \"\" 0 {:?} {} {}..0 Unset \"\" [{}] -0 events[] -0 links[] -0",
            self.name,
            kinds[self.kind as usize],
            self.start,
            pairs.join(",")
        )
    }
}

proptest! {
    #[test]
    fn spans_come_out_as_they_went_in(models in vec(model(), 0..5), seed in any::<usize>()) {
        let spans: Vec<Bytes> = models.iter().map(|model| model.encoded(seed)).collect();
        let (counts, lines) = decoded(&request(&spans)).unwrap();
        prop_assert_eq!(counts.spans, models.len() as u64);
        let expected: Vec<String> = models.iter().map(Model::shown).collect();
        prop_assert_eq!(&lines[2..], &expected[..]);
    }

    #[test]
    fn random_bytes_break_nothing(bytes in vec(any::<u8>(), 0..300)) {
        let _ = decoded(&bytes);
        let _ = json_to_protobuf(&bytes);
    }

    /// Well-formed outside, damaged inside: most of it reaches the innermost readers.
    #[test]
    fn damaged_requests_break_nothing(
        models in vec(model(), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let spans: Vec<Bytes> = models.iter().map(|model| model.encoded(0)).collect();
        let mut bytes = request(&spans);
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok((counts, lines)) = decoded(&bytes) {
            let given = lines.iter().filter(|line| line.starts_with("span ")).count() as u64;
            prop_assert_eq!(counts.spans, given);
        }
    }

    #[test]
    fn random_json_breaks_nothing(text in r#"[\{\}\[\]:,"a-z0-9 \\]{0,80}"#) {
        let wrapped = format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{text}]}}]}}]}}");
        for candidate in [text, wrapped] {
            if let Ok(bytes) = json_to_protobuf(candidate.as_bytes()) {
                prop_assert!(decoded(&bytes).is_ok());
            }
        }
    }
}
