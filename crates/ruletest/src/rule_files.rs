//! Rule files by pattern, and PrometheusRules where rule files are expected.
//!
//! Input: patterns of paths, relative to the test file. Output: groups of rules, or all mistakes. A document of kind PrometheusRule
//! counts as a rule file, so that what a cluster is given is what is tested.

use std::fs;
use std::path::{Path, PathBuf};
use tidewatch_manifest::{ManifestError, load_text};
use tidewatch_rules::{
    LoadOptions, RuleError, RuleErrors, RuleGroup, groups_of, load_rule_file, matching_files,
};

/// The rules of a text.
#[derive(Debug)]
pub struct LoadedRules {
    /// Its groups, in their order.
    pub groups: Vec<RuleGroup>,
    /// What manifests have and nothing reads, such as misspelt fields; in a rule file that is a mistake.
    pub warnings: Vec<ManifestError>,
}

/// Reads the rules of a text: a rule file as Prometheus has it, or Kubernetes manifests with PrometheusRules. `file` is how it is named
/// in messages.
///
/// # Errors
/// All mistakes of the text.
pub fn load_rules(file: &str, text: &str, options: &LoadOptions) -> Result<LoadedRules, RuleErrors> {
    let kind = |line: &str| {
        let value = line.strip_prefix("kind:").map(|value| value.trim().trim_matches(['"', '\'']));
        value == Some("PrometheusRule")
    };
    if !text.lines().any(kind) {
        let groups = load_rule_file(file, text, options)?;
        return Ok(LoadedRules { groups, warnings: Vec::new() });
    }
    let manifests = load_text(file, text)
        .map_err(|errors| RuleErrors(errors.into_iter().map(RuleError::from).collect()))?;
    let (mut groups, mut errors) = (Vec::new(), Vec::new());
    for object in &manifests.prometheus_rules {
        match groups_of(object, options) {
            Ok(found) => groups.extend(found),
            Err(RuleErrors(found)) => errors.extend(found),
        }
    }
    let warnings = manifests.warnings;
    if errors.is_empty() { Ok(LoadedRules { groups, warnings }) } else { Err(RuleErrors(errors)) }
}

/// The files that patterns match, each once, and the patterns that match none. `Err` names a pattern that is none.
pub(crate) fn resolve(folder: &Path, patterns: &[String]) -> Result<(Vec<PathBuf>, Vec<PathBuf>), String> {
    let (mut files, mut unmatched) = (Vec::new(), Vec::new());
    for pattern in patterns {
        let pattern = folder.join(pattern);
        let found = matching_files(&pattern).ok_or_else(|| {
            format!("{}: syntax error in pattern; hint: close every bracket", pattern.display())
        })?;
        if found.is_empty() {
            unmatched.push(pattern);
        }
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok((files, unmatched))
}

/// The groups of all files.
pub(crate) fn load_files(files: &[PathBuf], options: &LoadOptions) -> Result<Vec<RuleGroup>, RuleErrors> {
    let (mut groups, mut errors) = (Vec::new(), Vec::new());
    for path in files {
        let file = path.display().to_string();
        let loaded = match fs::read_to_string(path) {
            Ok(text) => load_rules(&file, &text, options).map(|loaded| loaded.groups),
            Err(error) => {
                let mut unreadable = RuleError::default();
                (unreadable.file, unreadable.message) = (file, format!("cannot be read: {error}"));
                Err(RuleErrors(vec![unreadable]))
            }
        };
        match loaded {
            Ok(found) => groups.extend(found),
            Err(RuleErrors(found)) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(groups) } else { Err(RuleErrors(errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_from_both_kinds_of_files() {
        let plain = "groups:\n- name: g\n  rules:\n  - record: a\n    expr: b\n";
        let indented: String = plain.lines().map(|line| format!("  {line}\n")).collect();
        let object = format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: r\n  namespace: shop\nspec:\n{indented}"
        );
        for text in [plain, &object] {
            let groups = load_rules("r.yml", text, &LoadOptions::default()).unwrap().groups;
            assert_eq!((groups.len(), groups[0].rules[0].name.as_str()), (1, "a"), "{text}");
            let wrong = text.replace("expr: b", "expr: b(");
            let error = load_rules("r.yml", &wrong, &LoadOptions::default()).unwrap_err();
            assert!(error.to_string().contains("r.yml"), "{error}");
        }
    }

    #[test]
    fn a_field_of_a_manifest_that_nothing_reads_is_told() {
        let text = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: x}\nspec:\n  groups:\n  - name: g\n    \
                    intervall: 5s\n    rules: [{record: a, expr: b}]\n";
        let warnings = load_rules("a.yaml", text, &LoadOptions::default()).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let told = warnings[0].to_string();
        assert!(told.contains("a.yaml:7") && told.contains("intervall"), "{told}");
    }
}
