//! The template files that a configuration names.
//!
//! Input: the patterns under `templates`. Output: the usual templates with those of the files, in the order of patterns and names. A
//! pattern that matches nothing is no mistake, as in Alertmanager.

use super::Config;
use crate::Templates;
use crate::error::ConfigErrors;
use std::path::{Component, Path, PathBuf};
use tidewatch_manifest::ManifestError;

impl Config {
    /// The files that the patterns under `templates` match now.
    pub fn template_files(&self) -> Vec<PathBuf> {
        self.templates.iter().flat_map(|pattern| matching(pattern)).collect()
    }

    /// Reads the template files; notifications say that they come from `external_url`.
    ///
    /// # Errors
    /// All files that cannot be read, or are no templates, with Go's complaint.
    pub fn read_templates(&self, external_url: &str) -> Result<Templates, ConfigErrors> {
        let mut templates = Templates::new(external_url);
        let mut errors = Vec::new();
        for path in self.template_files() {
            let file = path.display().to_string();
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    if let Err(message) = templates.add(&name, &text) {
                        errors.push(located(ManifestError::new(file, message), &name));
                    }
                }
                Err(error) => {
                    let error = ManifestError::new(file, format!("cannot be read: {error}"));
                    errors.push(error.hint("check its permissions, and that it is UTF-8 text"));
                }
            }
        }
        if errors.is_empty() { Ok(templates) } else { Err(ConfigErrors(errors)) }
    }
}

/// The error with the line that Go's complaint names: `template: name:line: …` or `template: name:line:column: …`.
fn located(error: ManifestError, name: &str) -> ManifestError {
    let prefix = format!("template: {name}:");
    let line = error.message.strip_prefix(&prefix).and_then(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    });
    match line {
        Some(line) => error.at(line, 1),
        None => error,
    }
}

/// The files that a pattern matches, in order.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        let plain = !matches!(component, Component::Normal(_)) || !text.contains(['*', '?', '[', '\\']);
        found = found.into_iter().flat_map(|folder| below(&folder, &text, plain)).collect();
    }
    found.retain(|path| path.is_file());
    found
}

fn below(folder: &Path, pattern: &str, plain: bool) -> Vec<PathBuf> {
    if plain {
        return vec![folder.join(pattern)];
    }
    let at = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(at) else { return Vec::new() };
    let pattern: Vec<char> = pattern.chars().collect();
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| matches(&pattern, &name.chars().collect::<Vec<_>>())).collect();
    names.sort_unstable();
    names.iter().map(|name| folder.join(name)).collect()
}

/// Whether a name matches a pattern of `*`, `?`, `[a-z]`, `[^a-z]` and escaped characters.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            matches(rest, name) || matches!(name, [_, tail @ ..] if matches(pattern, tail))
        }
        (['?', rest @ ..], [_, tail @ ..]) => matches(rest, tail),
        (['[', rest @ ..], [c, tail @ ..]) => {
            let Some(end) = rest.iter().skip(1).position(|c| *c == ']').map(|at| at + 1) else {
                return false;
            };
            let (negated, set) = match &rest[..end] {
                ['^', set @ ..] => (true, set),
                set => (false, set),
            };
            is_one_of(set, *c) != negated && matches(&rest[end + 1..], tail)
        }
        (['\\', escaped, rest @ ..], [c, tail @ ..]) => escaped == c && matches(rest, tail),
        ([wanted, rest @ ..], [c, tail @ ..]) => wanted == c && matches(rest, tail),
        _ => false,
    }
}

fn is_one_of(set: &[char], c: char) -> bool {
    match set {
        [first, '-', last, rest @ ..] => (*first..=*last).contains(&c) || is_one_of(rest, c),
        [one, rest @ ..] => *one == c || is_one_of(rest, c),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        let check = |pattern: &str, name: &str, expected: bool| {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(matches(&chars(pattern), &chars(name)), expected, "{pattern} {name}");
        };
        check("*.tmpl", "a.tmpl", true);
        check("*.tmpl", "a.tmp", false);
        check("a*b*c", "axxbyyc", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("[a-c]x", "bx", true);
        check("[^a-c]x", "bx", false);
        check("\\*", "*", true);
        check("\\*", "a", false);
        check("[a", "a", false);
    }

    #[test]
    fn files_are_read_in_order_and_mistakes_have_lines() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let text = "templates: ['*.tmpl', 'none/*.tmpl']\nroute: {receiver: r}\nreceivers: [{name: r}]\n";
        let config = Config::parse(&folder.path().join("am.yml"), text).unwrap();
        assert!(config.template_files().is_empty());
        write("b.tmpl", "{{ define \"x\" }}b{{ end }}");
        write("a.tmpl", "{{ define \"x\" }}a{{ end }}");
        let templates = config.read_templates("http://am").unwrap();
        let rendered = templates.text("{{ template \"x\" . }}", &crate::Notification::default());
        assert_eq!(rendered.as_deref(), Ok("b"));
        write("c.tmpl", "\n{{ nope }}");
        let errors = config.read_templates("http://am").unwrap_err().to_string();
        let place = format!("{}:2:1: ", folder.path().join("c.tmpl").display());
        assert!(errors.starts_with(&place) && errors.contains("\"nope\" not defined"), "{errors}");
    }
}
