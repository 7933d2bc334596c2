//! Matchers in the configuration: lists in the new notation, maps in the old ones.
//!
//! Input: fields such as `matchers`, `match` and `match_re`. Output: all of them together; mistakes go to the report of the fields.

use crate::matchers::{Matchers, read_matchers};
use tidewatch_manifest::reading::{self, Fields};
use tidewatch_model::{MatchOp, Matcher, is_valid_label_name};

/// The names of the three fields: equal values, expressions, matchers.
pub(super) type Keys = [&'static str; 3];

const HINT: &str = "write e.g. 'severity=\"critical\"' or 'job=~\"a|b\"'";

/// Reads the three fields.
pub(super) fn read(fields: &Fields<'_>, [equal, regex, matchers]: Keys) -> Matchers {
    let mut all = Vec::new();
    for (key, op) in [(equal, MatchOp::Equal), (regex, MatchOp::Regex)] {
        for (name, value) in reading::text_map(fields, key) {
            if !is_valid_label_name(&name) {
                fields.wrong(key, format!("invalid label name {name:?}"), "use matchers for names like this");
                continue;
            }
            match Matcher::new(name, op, value) {
                Ok(matcher) => all.push(matcher),
                Err(error) => fields.wrong(key, error, "see the syntax of RE2"),
            }
        }
    }
    for (index, text) in reading::texts(fields, matchers).iter().enumerate() {
        match read_matchers(text) {
            Ok(read) => {
                if let Some(note) = read.note {
                    let hint = "put the value in double quotes, and write a backslash twice";
                    fields.warn(matchers, format!("matcher {text:?} is {note}"), hint);
                }
                all.extend(read.matchers);
            }
            Err(message) => fields.wrong_item(matchers, index, message, HINT),
        }
    }
    Matchers::new(all)
}
