//! What a caller wants a task to be: new, replaced or changed in part.
//!
//! Input: a JSON body. Output: a [`Draft`], or every field that is wrong at once, each with its value and a remedy. Deliberately
//! does not accept `completed` or the fields the service sets: completing has a route of its own, with its own event.

use serde_json::{Map, Value};
use time::{Date, Month};
use todo_telemetry::{FieldError, Problem};

use crate::task::Priority;

/// Longest title, in characters.
const MAX_TITLE: usize = 200;
/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 2000;

/// Fields to set; `None` leaves a field as it is.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Draft {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) priority: Option<Priority>,
    /// `Some(None)` removes the date.
    pub(crate) due_date: Option<Option<String>>,
}

impl Draft {
    /// A whole task, for POST and PUT: `title` is required, everything else has a default.
    pub(crate) fn whole(body: Value) -> Result<Self, Problem> {
        let mut fields = Fields::of(body)?;
        let draft = Self {
            title: fields.required_title(),
            description: Some(fields.description().unwrap_or_default()),
            priority: Some(fields.priority().unwrap_or_default()),
            due_date: Some(fields.due_date().unwrap_or_default()),
        };
        fields.finish(draft)
    }

    /// Some fields of a task, for PATCH.
    pub(crate) fn partial(body: Value) -> Result<Self, Problem> {
        let mut fields = Fields::of(body)?;
        if fields.given.is_empty() {
            let remedy = "give at least one of title, description, priority, due_date";
            return Err(Problem::invalid_fields(vec![FieldError::new("", Value::Null, remedy)]));
        }
        let draft = Self {
            title: fields.title(),
            description: fields.description(),
            priority: fields.priority(),
            due_date: fields.due_date(),
        };
        fields.finish(draft)
    }

    /// Names of the fields it sets, for the event.
    pub(crate) fn changed(&self) -> Vec<&'static str> {
        [
            ("title", self.title.is_some()),
            ("description", self.description.is_some()),
            ("priority", self.priority.is_some()),
            ("due_date", self.due_date.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, set)| set.then_some(name))
        .collect()
    }
}

/// The fields not looked at yet, and what was wrong with the others.
struct Fields {
    given: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    fn of(body: Value) -> Result<Self, Problem> {
        match body {
            Value::Object(given) => Ok(Self { given, errors: Vec::new() }),
            other => Err(Problem::invalid_fields(vec![FieldError::new("", other, "send a JSON object")])),
        }
    }

    fn refuse<T>(&mut self, field: &str, value: Value, remedy: impl Into<String>) -> Option<T> {
        self.errors.push(FieldError::new(field, value, remedy));
        None
    }

    fn required_title(&mut self) -> Option<String> {
        if self.given.contains_key("title") {
            return self.title();
        }
        self.refuse("title", Value::Null, title_remedy())
    }

    fn title(&mut self) -> Option<String> {
        match self.given.shift_remove("title")? {
            Value::String(text) => {
                let title = text.trim();
                let fits = (1..=MAX_TITLE).contains(&title.chars().count());
                if fits && !title.chars().any(char::is_control) {
                    return Some(title.to_owned());
                }
                self.refuse("title", text.into(), title_remedy())
            }
            other => self.refuse("title", other, title_remedy()),
        }
    }

    fn description(&mut self) -> Option<String> {
        let remedy =
            format!("give a text of at most {MAX_DESCRIPTION} characters, without control characters");
        match self.given.shift_remove("description")? {
            Value::String(text) => {
                let unprintable = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
                if text.chars().count() <= MAX_DESCRIPTION && !text.chars().any(unprintable) {
                    return Some(text);
                }
                self.refuse("description", text.into(), remedy)
            }
            other => self.refuse("description", other, remedy),
        }
    }

    fn priority(&mut self) -> Option<Priority> {
        let value = self.given.shift_remove("priority")?;
        match value.as_str().and_then(Priority::of_name) {
            Some(priority) => Some(priority),
            None => self.refuse("priority", value, format!("give {}", Priority::NAMES)),
        }
    }

    fn due_date(&mut self) -> Option<Option<String>> {
        match self.given.shift_remove("due_date")? {
            Value::Null => Some(None),
            Value::String(text) if is_date(&text) => Some(Some(text)),
            other => self.refuse("due_date", other, "give a date as YYYY-MM-DD, or null for none"),
        }
    }

    fn finish(mut self, draft: Draft) -> Result<Draft, Problem> {
        for (field, value) in std::mem::take(&mut self.given) {
            let remedy = match field.as_str() {
                "completed" | "completed_at" => {
                    "remove it; POST /api/tasks/{id}/complete completes a task, POST /api/tasks/{id}/reopen opens it again"
                }
                "id" | "created_at" | "updated_at" | "version" => "remove it; the service sets it",
                _ => "remove it; the fields are title, description, priority, due_date",
            };
            self.errors.push(FieldError::new(&field, value, remedy));
        }
        if self.errors.is_empty() { Ok(draft) } else { Err(Problem::invalid_fields(self.errors)) }
    }
}

fn title_remedy() -> String {
    format!("give a text of 1 to {MAX_TITLE} characters on one line")
}

/// Whether `text` is a day of the calendar, written `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !shaped {
        return false;
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<u16>().expect("the digits were checked");
    let month = u8::try_from(number(5..7)).ok().and_then(|month| Month::try_from(month).ok());
    let day = u8::try_from(number(8..10)).unwrap_or(0);
    month.is_some_and(|month| Date::from_calendar_date(i32::from(number(0..4)), month, day).is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_refused(outcome: Result<Draft, Problem>, expected: &[&str]) {
        let text = format!("{:?}", outcome.unwrap_err());
        let fields = text.matches("FieldError {").count();
        assert_eq!(fields, expected.len(), "{text}");
        for field in expected {
            assert!(text.contains(&format!("field: \"{field}\"")), "{field} is not named in {text}");
        }
    }

    #[test]
    fn a_whole_task_has_defaults() {
        let draft = Draft::whole(json!({"title": "  Buy milk "})).unwrap();
        assert_eq!(
            draft,
            Draft {
                title: Some("Buy milk".to_owned()),
                description: Some(String::new()),
                priority: Some(Priority::Medium),
                due_date: Some(None),
            }
        );
    }

    #[test]
    fn a_part_changes_only_what_it_names() {
        let draft = Draft::partial(json!({"due_date": null, "priority": "high"})).unwrap();
        assert_eq!(draft.changed(), ["priority", "due_date"]);
        assert_eq!(draft.due_date, Some(None));
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        check_refused(Draft::whole(json!({})), &["title"]);
        check_refused(Draft::whole(json!([])), &[""]);
        check_refused(Draft::whole(json!({"title": "   "})), &["title"]);
        check_refused(Draft::whole(json!({"title": "a".repeat(201)})), &["title"]);
        check_refused(Draft::whole(json!({"title": "a\nb"})), &["title"]);
        check_refused(
            Draft::whole(json!({
                "title": 1, "description": "\u{0}", "priority": "urgent", "due_date": "2026-02-30",
                "completed": true, "owner": "me",
            })),
            &["title", "description", "priority", "due_date", "completed", "owner"],
        );
        check_refused(Draft::whole(json!({"title": "a", "description": "d".repeat(2001)})), &["description"]);
        check_refused(Draft::partial(json!({})), &[""]);
        check_refused(Draft::partial(json!({"title": null})), &["title"]);
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(Draft::whole(json!({"title": "ß".repeat(200), "description": "日".repeat(2000)})).is_ok());
    }

    #[test]
    fn dates_are_days_of_the_calendar() {
        let check = |text: &str, expected: bool| assert_eq!(is_date(text), expected, "{text}");
        check("2028-02-29", true);
        check("2026-02-29", false);
        check("2026-13-01", false);
        check("2026-00-10", false);
        check("2026-1-1", false);
        check("2026-01-01T00:00:00Z", false);
        check("二〇二六年", false);
    }
}
