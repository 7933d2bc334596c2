//! Rule files by the patterns of `rule_files`.
//!
//! Input: patterns of paths, as in prometheus.yml. Output: the groups of all files they match, or all mistakes. A pattern that
//! matches nothing is no mistake, as in Prometheus.

use crate::error::{RuleError, RuleErrors};
use crate::group::RuleGroup;
use crate::load::{LoadOptions, load_rule_file};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Reads the groups of all files that match any of the patterns, each file once. `*` and `?` stand for characters of one path
/// component, `[a-z]` and `[^a-z]` for one of a range.
///
/// # Errors
/// All mistakes of all files.
pub fn load_rule_files(patterns: &[String], options: &LoadOptions) -> Result<Vec<RuleGroup>, RuleErrors> {
    let mut files = BTreeSet::new();
    let mut errors = Vec::new();
    for pattern in patterns {
        match matching_files(Path::new(pattern)) {
            Some(found) => files.extend(found),
            None => errors.push(RuleError {
                file: pattern.clone(),
                message: "syntax error in pattern".to_owned(),
                hint: Some("close every bracket, and write '\\[' for a bracket as such".to_owned()),
                ..RuleError::default()
            }),
        }
    }
    let mut groups = Vec::new();
    for path in files {
        let file = path.display().to_string();
        let loaded = match fs::read_to_string(&path) {
            Ok(text) => load_rule_file(&file, &text, options),
            Err(error) => Err(RuleErrors(vec![RuleError {
                file,
                message: format!("cannot be read: {error}"),
                hint: Some("check the path and its permissions, and that it is UTF-8 text".to_owned()),
                ..RuleError::default()
            }])),
        };
        match loaded {
            Ok(loaded) => groups.extend(loaded),
            Err(RuleErrors(found)) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(groups) } else { Err(RuleErrors(errors)) }
}

/// The files that match a pattern, sorted; `None` when it is none. A path without special characters is taken as it is, if it is there.
pub fn matching_files(pattern: &Path) -> Option<Vec<PathBuf>> {
    let special = |text: &str| text.contains(['*', '?', '[', '\\']);
    if !special(&pattern.to_string_lossy()) {
        return Some(if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() });
    }
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !special(&text) {
            found.iter_mut().for_each(|path| path.push(component));
            found.retain(|path| path.exists());
            continue;
        }
        let wanted: Vec<char> = text.chars().collect();
        matches_name(&wanted, &[])?;
        let mut next = Vec::new();
        for folder in &found {
            let opened = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            for entry in fs::read_dir(opened).into_iter().flatten().flatten() {
                let name: Vec<char> = entry.file_name().to_string_lossy().chars().collect();
                if matches_name(&wanted, &name)? {
                    next.push(folder.join(entry.file_name()));
                }
            }
        }
        found = next;
    }
    found.retain(|path| path.is_file());
    found.sort();
    Some(found)
}

/// Whether a name matches a pattern; `None` when the pattern is wrong.
fn matches_name(pattern: &[char], name: &[char]) -> Option<bool> {
    let Some((first, rest)) = pattern.split_first() else { return Some(name.is_empty()) };
    match first {
        '*' => {
            let mut any = false;
            for cut in 0..=name.len() {
                any |= matches_name(rest, &name[cut..])?;
            }
            Some(any)
        }
        '[' => {
            let (holds, rest) = matches_range(rest, name.first().copied())?;
            let inner = matches_name(rest, name.get(1..).unwrap_or_default())?;
            Some(holds && inner)
        }
        _ => {
            let (wanted, rest) = match first {
                '\\' => rest.split_first().map(|(escaped, rest)| (Some(*escaped), rest))?,
                '?' => (None, rest),
                other => (Some(*other), rest),
            };
            let holds = name.first().is_some_and(|c| wanted.is_none_or(|wanted| wanted == *c));
            let inner = matches_name(rest, name.get(1..).unwrap_or_default())?;
            Some(holds && inner)
        }
    }
}

/// Whether a character is in a range, and what follows the range; `None` when the range is not closed or empty.
fn matches_range(pattern: &[char], name: Option<char>) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match pattern.split_first()? {
        ('^', rest) => (true, rest),
        _ => (false, pattern),
    };
    let take = |rest: &mut &[char]| -> Option<char> {
        let (mut c, mut after) = rest.split_first()?;
        if *c == '\\' {
            (c, after) = after.split_first()?;
        }
        *rest = after;
        Some(*c)
    };
    let (mut holds, mut any) = (false, false);
    while *rest.first()? != ']' || !any {
        if *rest.first()? == ']' || *rest.first()? == '-' {
            return None;
        }
        let low = take(&mut rest)?;
        let mut high = low;
        if rest.first() == Some(&'-') {
            rest = &rest[1..];
            high = take(&mut rest)?;
        }
        holds |= name.is_some_and(|c| (low..=high).contains(&c));
        any = true;
    }
    Some((holds != negated && name.is_some(), &rest[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        let check = |pattern: &str, name: &str, expected: Option<bool>| {
            let of = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(matches_name(&of(pattern), &of(name)), expected, "{pattern} {name}");
        };
        check("*.yml", "a.yml", Some(true));
        check("*.yml", "a.yaml", Some(false));
        check("a?c", "abc", Some(true));
        check("[a-c]x", "bx", Some(true));
        check("[^a-c]x", "bx", Some(false));
        check("[^a-c]x", "", Some(false));
        check("\\*", "*", Some(true));
        check("[a", "a", None);
        check("[]a]", "a", None);
        check("a\\", "a", None);
    }

    #[test]
    fn patterns_reach_into_folders_and_a_file_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, name: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = format!("groups: [{{name: {name}, rules: [{{record: a, expr: b}}]}}]");
            fs::write(path, text).unwrap();
        };
        write("x/one.yml", "one");
        write("y/two.yml", "two");
        write("y/other.txt", "other");
        let load = |patterns: &[&str]| {
            let patterns: Vec<_> =
                patterns.iter().map(|p| folder.path().join(p).display().to_string()).collect();
            load_rule_files(&patterns, &LoadOptions::default())
        };
        let names = |patterns: &[&str]| {
            load(patterns).unwrap().into_iter().map(|group| group.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["*/*.yml", "x/one.yml"]), ["one", "two"]);
        assert_eq!(names(&["y/*"]), ["other", "two"]);
        assert_eq!(names(&["none/*.yml", "none.yml"]), [""; 0]);
        assert!(load(&["[x/*.yml"]).unwrap_err().to_string().contains("syntax error in pattern"));
        fs::write(folder.path().join("x/bad.yml"), "groups: 1").unwrap();
        assert!(load(&["*/*.yml"]).unwrap_err().to_string().contains("bad.yml"));
    }
}
