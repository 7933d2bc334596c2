//! Files that a configuration names and that are not there, such as those with receivers' addresses.
//!
//! Input: the configuration's text, the disk and the environment. Output: each file with the setting that names it. A file is no mistake
//! of the configuration: it may come later, and is read at every use. What stands in it is not looked at.

use super::Config;
use crate::receivers::variable_of;
use std::path::{Path, PathBuf};
use tidewatch_manifest::ManifestError;
use tidewatch_manifest::reading::{Node, NodeValue, first_document};

impl Config {
    /// The files that settings name and that neither exist nor have an environment variable in their place: what needs them fails until
    /// they do. Each is a warning with the setting, the file and the remedy.
    pub fn missing_files(&self) -> Vec<ManifestError> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let mut named = Vec::new();
        if let Some(document) = first_document(&self.text) {
            collect(&document, "", &mut named);
        }
        let missing = |path: &Path| !path.exists() && std::env::var_os(variable_of(path)).is_none();
        let named = named.into_iter().map(|(field, path, node)| (field, folder.join(path), node));
        let missing = named.filter(|(_, path, _)| missing(path));
        let told = missing.map(|(field, path, (line, column))| {
            let variable = variable_of(&path);
            let message = format!("{field}: there is neither {} nor the variable {variable}", path.display());
            let hint = format!("create the file, or set the environment variable {variable}");
            ManifestError::new(self.file.display().to_string(), message).at(line, column).hint(hint)
        });
        told.collect()
    }
}

/// All settings below a node whose names end in `_file`, with path, value and place.
fn collect(node: &Node, path: &str, named: &mut Vec<(String, PathBuf, (u64, u64))>) {
    match &node.value {
        NodeValue::Map(entries) => {
            for (key, value) in entries {
                let key = key.text().unwrap_or_default();
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                match value.text().filter(|text| key.ends_with("_file") && !text.is_empty()) {
                    Some(file) => named.push((path, PathBuf::from(file), (value.line, value.column))),
                    None => collect(value, &path, named),
                }
            }
        }
        NodeValue::List(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(item, &format!("{path}[{at}]"), named);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_there_are_named_with_their_setting() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("there"), "x").unwrap();
        let text = "route: {receiver: r}\nreceivers:\n- name: r\n  webhook_configs:\n  - url_file: there\n  \
            - url_file: /nowhere/pager-url\n    http_config: {basic_auth: {username: u, password_file: gone}}\n";
        let config = Config::parse(&folder.path().join("am.yml"), text).unwrap();
        let missing: Vec<String> = config.missing_files().iter().map(ToString::to_string).collect();
        let [first, second] = &missing[..] else { panic!("{missing:?}") };
        let expected =
            ":6:15: receivers[0].webhook_configs[1].url_file: there is neither /nowhere/pager-url nor";
        assert!(first.contains(expected) && first.contains("TIDEWATCH_SECRET_PAGER_URL"), "{first}");
        assert!(second.contains("http_config.basic_auth.password_file"), "{second}");
    }
}
