//! Regular expressions with the syntax and anchoring that Prometheus gives them.
//!
//! Prometheus uses Go's RE2: an expression must match the whole text, `.` matches a newline too, and the Perl classes
//! `\d \w \s \b` are ASCII. The `regex` crate shares the rest of the syntax, so the expression is only translated
//! where the two differ. Capture groups keep their numbers.

use regex::Regex;

/// A whole-text regular expression in RE2 syntax.
#[derive(Clone, Debug)]
pub struct AnchoredRegex {
    source: String,
    regex: Regex,
}

/// A regular expression that does not compile.
#[derive(Debug, thiserror::Error)]
#[error("invalid regular expression {pattern:?}: {reason}")]
pub struct RegexError {
    /// The expression as the user wrote it.
    pub pattern: String,
    /// What is wrong with it, in one line.
    pub reason: String,
}

impl AnchoredRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When the syntax is wrong or the compiled form would exceed 10 MiB.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        let failed = |reason: String| RegexError { pattern: pattern.to_owned(), reason };
        let translated = ascii_classes(pattern);
        let regex = Regex::new(&format!("^(?s:{translated})$")).map_err(|e| failed(one_line(&e)))?;
        Ok(Self { source: pattern.to_owned(), regex })
    }

    /// The expression as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The captures of a match of the whole text.
    pub fn captures<'t>(&self, text: &'t str) -> Option<regex::Captures<'t>> {
        self.regex.captures(text)
    }

    /// Expands `$1`, `$name`, `${1}` in a template by the captures of `text`; `None` when `text` does not match.
    pub fn expand(&self, text: &str, template: &str) -> Option<String> {
        let captures = self.captures(text)?;
        let mut expanded = String::new();
        captures.expand(template, &mut expanded);
        Some(expanded)
    }
}

impl PartialEq for AnchoredRegex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for AnchoredRegex {}

fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// Rewrites Perl classes, which are Unicode in the `regex` crate, to RE2's ASCII ones.
fn ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('Q') => quote(&mut chars, &mut out),
                Some('z') => out.push_str("\\z"),
                Some('C') => out.push('.'),
                Some(class) => out.push_str(&escape(class, in_class)),
                None => out.push('\\'),
            },
            '[' if in_class => out.push_str(if chars.as_str().starts_with(':') { "[" } else { "\\[" }),
            '[' => {
                in_class = true;
                out.push('[');
                // a "]" right after the opening (or its negation) stands for itself
                if chars.as_str().starts_with('^') {
                    out.extend(chars.next());
                }
                if chars.as_str().starts_with(']') {
                    chars.next();
                    out.push_str("\\]");
                }
            }
            ':' if in_class && chars.as_str().starts_with(']') && posix_class_is_open(&out) => {
                chars.next();
                out.push_str(":]");
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            // set operations of the regex crate are plain characters in RE2
            '&' | '~' | '-' if in_class && chars.as_str().starts_with(c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn posix_class_is_open(out: &str) -> bool {
    out.rfind("[:").is_some_and(|at| !out[at..].contains(":]"))
}

/// `\Q…\E` quotes everything in between.
fn quote(chars: &mut std::str::Chars<'_>, out: &mut String) {
    let rest = chars.as_str();
    let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
    out.push_str(&regex::escape(quoted));
    *chars = after.chars();
}

fn escape(class: char, in_class: bool) -> String {
    let (positive, ranges) = match class {
        'd' => (true, "0-9"),
        'D' => (false, "0-9"),
        'w' => (true, "0-9A-Za-z_"),
        'W' => (false, "0-9A-Za-z_"),
        's' => (true, "\\t\\n\\f\\r "),
        'S' => (false, "\\t\\n\\f\\r "),
        'b' | 'B' if !in_class => return format!("(?-u:\\{class})"),
        other => return format!("\\{other}"),
    };
    match (positive, in_class) {
        (true, true) => ranges.to_owned(),
        (true, false) => format!("[{ranges}]"),
        (false, _) => format!("[^{ranges}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_re2_does() {
        let check = |pattern: &str, text: &str, expected: bool| {
            let regex = AnchoredRegex::new(pattern).unwrap();
            assert_eq!(regex.is_match(text), expected, "{pattern:?} on {text:?}");
        };
        check("a|b", "ab", false);
        check("a.c", "a\nc", true);
        check(r"\d+", "42", true);
        check(r"\d+", "٤٢", false);
        check(r"[\d.]+", "4.2", true);
        check(r"\w", "é", false);
        check(r"[^\w]", "é", true);
        check(r"[\D]", "x", true);
        check(r"\Qa.b\E+", "a.bb", true);
        check(r"\Qa.b\E", "axb", false);
        check("(?i)STRASSE", "strasse", true);
        check("[[:alpha:]]+", "abc", true);
        check("[[]x", "[x", true);
        check("[]x]+", "]x", true);
        check("[a&&b]", "&", true);
        check(r"5..", "503", true);
    }

    #[test]
    fn groups_keep_their_numbers() {
        let regex = AnchoredRegex::new(r"(\w+):(?P<port>\d+)").unwrap();
        assert_eq!(regex.expand("host:80", "$2/${port}/$1").as_deref(), Some("80/80/host"));
        assert_eq!(regex.expand("host", "$1"), None);
        // the longest name counts: the group called "1x" does not exist
        assert_eq!(regex.expand("host:80", "$1x").as_deref(), Some(""));
    }

    #[test]
    fn an_error_names_the_expression() {
        let error = AnchoredRegex::new("a(b").unwrap_err();
        assert_eq!(error.to_string(), "invalid regular expression \"a(b\": unclosed group");
    }
}
