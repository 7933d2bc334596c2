//! Which tasks a list shows.
//!
//! Input: a query string. Output: a filter and a page within bounds, or every parameter that is wrong. Deliberately refuses
//! unknown parameters: a misspelt filter must not return everything.

use serde_json::Value;
use todo_telemetry::{FieldError, Problem};

/// Longest search text, in characters.
const MAX_SEARCH: usize = 200;
const MAX_LIMIT: i64 = 100;
const MAX_OFFSET: i64 = 1_000_000;

/// One page of a filtered list, newest task first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) completed: Option<bool>,
    /// Text to find in title or description, whatever its case.
    pub(crate) search: Option<String>,
    /// 1 to 100.
    pub(crate) limit: i64,
    /// 0 to 1,000,000.
    pub(crate) offset: i64,
}

impl Page {
    /// Reads decoded query parameters.
    pub(crate) fn of(parameters: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut page = Self { completed: None, search: None, limit: 20, offset: 0 };
        let mut errors = Vec::new();
        for (name, value) in parameters {
            if let Err(remedy) = page.set(&name, &value) {
                errors.push(FieldError::new(&name, Value::String(value), remedy));
            }
        }
        if errors.is_empty() { Ok(page) } else { Err(Problem::invalid_parameters(errors)) }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "completed" => {
                self.completed = Some(value.parse().map_err(|_| "give true or false, or leave it out")?);
            }
            "q" => {
                let search = value.trim();
                if search.chars().count() > MAX_SEARCH || search.chars().any(char::is_control) {
                    return Err(format!("give at most {MAX_SEARCH} characters without control characters"));
                }
                self.search = Some(search.to_lowercase()).filter(|search| !search.is_empty());
            }
            "limit" => self.limit = number(value, 1, MAX_LIMIT)?,
            "offset" => self.offset = number(value, 0, MAX_OFFSET)?,
            _ => return Err("remove it; the parameters are completed, q, limit, offset".to_owned()),
        }
        Ok(())
    }
}

fn number(value: &str, least: i64, most: i64) -> Result<i64, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("give a whole number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Result<Page, Problem> {
        Page::of(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn defaults_and_bounds() {
        assert_eq!(read(&[]).unwrap(), Page { completed: None, search: None, limit: 20, offset: 0 });
        assert_eq!(
            read(&[("completed", "true"), ("q", " MILK "), ("limit", "100"), ("offset", "1000000")]).unwrap(),
            Page { completed: Some(true), search: Some("milk".to_owned()), limit: 100, offset: 1_000_000 }
        );
        assert_eq!(read(&[("q", "  ")]).unwrap().search, None);
        let check = |name: &str, value: &str| {
            let text = format!("{:?}", read(&[(name, value)]).unwrap_err());
            assert!(text.contains(&format!("field: \"{name}\"")), "{text}");
        };
        check("limit", "0");
        check("limit", "101");
        check("limit", "ten");
        check("offset", "-1");
        check("offset", "1000001");
        check("completed", "yes");
        check("q", &"x".repeat(201));
        check("q", "a\u{0}b");
        check("complete", "true");
    }
}
