//! One YAML file that is one configuration, read strictly: prometheus.yml, Alertmanager's configuration.
//!
//! Input: the file's text and a function that asks for its fields. Output: what the function made of them with warnings, or every
//! mistake with its line; a field that nobody asked for is one.

use crate::ManifestError;
use crate::fields::{Fields, Report};
use crate::node;
use crate::prometheus::values::keep_as_written;
use std::cell::RefCell;

/// Reads the text of `file` with `read`. An empty file has no fields. Texts of `private` files do not appear in messages.
///
/// # Errors
/// All mistakes of the file, by line.
pub fn read_settings_file<T>(
    file: &str,
    text: &str,
    private: bool,
    read: impl FnOnce(&Fields<'_>) -> T,
) -> Result<(T, Vec<ManifestError>), Vec<ManifestError>> {
    let report = RefCell::new(Report { file: file.to_owned(), private, ..Report::default() });
    let mut root = node::Node { value: node::NodeValue::Map(Vec::new()), line: 1, column: 1 };
    for (index, document) in node::documents(file, text) {
        match document {
            Err(error) => report.borrow_mut().errors.push(error),
            Ok(_) if index > 0 => {
                let error = ManifestError::new(file, "holds more than one YAML document");
                report.borrow_mut().errors.push(error.hint("one file is one configuration"));
            }
            Ok(node) if node.is_null() => {}
            Ok(mut node) => {
                keep_as_written(&mut node, text);
                root = node;
            }
        }
    }
    let unreadable = !report.borrow().errors.is_empty();
    let made = match Fields::open(&root, "", &report) {
        Some(fields) if !unreadable => {
            let made = read(&fields);
            fields.finish();
            Some(made)
        }
        _ => None,
    };
    let Report { mut errors, warnings, .. } = report.into_inner();
    // what the Kubernetes API ignores with a warning, these files' owners refuse
    let (unknown, warnings): (Vec<_>, Vec<_>) =
        warnings.into_iter().partition(|w| w.message == UNKNOWN_FIELD);
    errors.extend(unknown.into_iter().map(refused));
    errors.sort_by_key(|error| error.position);
    match made {
        Some(made) if errors.is_empty() => Ok((made, warnings)),
        _ => Err(errors),
    }
}

/// How [`Fields::finish`] words a field that nobody asked for.
pub(crate) const UNKNOWN_FIELD: &str = "unknown field, ignored";

pub(crate) fn refused(mut error: ManifestError) -> ManifestError {
    error.message = "unknown field".to_owned();
    error.hint.get_or_insert_with(|| "see the configuration reference for the fields it has".to_owned());
    error
}
