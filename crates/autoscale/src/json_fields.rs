//! Takes typed values out of a JSON document and says where one is wrong.
//!
//! Input: a JSON value and its path. Output: plain values, or an error with path, value and remedy. Fields nobody asks for
//! are ignored, and `null` counts as absent.

use crate::AutoscaleError;
use serde_json::Value;
use tidewatch_manifest::Quantity;

/// A JSON value that knows its path; absent ones are `null`.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    value: &'a Value,
    place: Place<'a>,
}

/// A path, written out only when something is wrong.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl Place<'_> {
    fn text(self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(Place::Root, key) => key.to_owned(),
            Self::Key(parent, key) => format!("{}.{key}", parent.text()),
            Self::Index(parent, index) => format!("{}[{index}]", parent.text()),
        }
    }
}

type Found<T> = Result<T, AutoscaleError>;

impl<'a> Field<'a> {
    pub(crate) fn root(value: &'a Value) -> Self {
        Self { value, place: Place::Root }
    }

    /// A field of this object.
    pub(crate) fn get<'b>(&'b self, key: &'b str) -> Field<'b> {
        const NOTHING: &Value = &Value::Null;
        Field { value: self.value.get(key).unwrap_or(NOTHING), place: Place::Key(&self.place, key) }
    }

    pub(crate) fn wrong(&self, message: impl Into<String>, hint: &str) -> AutoscaleError {
        AutoscaleError::Scenario { place: self.place.text(), message: message.into(), hint: hint.to_owned() }
    }

    fn wrong_type(&self, wanted: &str) -> AutoscaleError {
        let shown = self.value.to_string();
        let short: String = shown.chars().take(60).collect();
        let dots = if short.len() < shown.len() { "..." } else { "" };
        self.wrong(format!("must be {wanted}, is {short}{dots}"), &format!("give {wanted}"))
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.value.is_null()
    }

    pub(crate) fn raw(&self) -> &'a Value {
        self.value
    }

    /// Applies `read` when the field is there.
    pub(crate) fn optional<T>(&self, read: impl FnOnce(&Self) -> Found<T>) -> Found<Option<T>> {
        if self.is_absent() { Ok(None) } else { read(self).map(Some) }
    }

    pub(crate) fn text(&self) -> Found<&'a str> {
        self.value.as_str().ok_or_else(|| self.wrong_type("a text"))
    }

    /// A text that says something; an empty one counts as absent.
    pub(crate) fn message(&self) -> Found<Option<String>> {
        let text = self.optional(Self::text)?;
        Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
    }

    pub(crate) fn flag(&self) -> Found<bool> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    pub(crate) fn number(&self) -> Found<f64> {
        self.value.as_f64().ok_or_else(|| self.wrong_type("a number"))
    }

    /// A number of replicas.
    pub(crate) fn replicas(&self) -> Found<i32> {
        let replicas = self.value.as_i64().and_then(|number| i32::try_from(number).ok());
        replicas
            .filter(|replicas| *replicas >= 0)
            .ok_or_else(|| self.wrong_type("a number of replicas from 0 to 2147483647"))
    }

    /// Seconds with at most three decimals, as milliseconds.
    pub(crate) fn milliseconds(&self) -> Found<i64> {
        let milliseconds = self.number()? * 1000.0;
        let whole = milliseconds.round();
        if (milliseconds - whole).abs() > 0.001 || whole.abs() > 1e15 {
            return Err(self.wrong_type("seconds with at most 3 decimals"));
        }
        Ok(whole as i64)
    }

    /// Whole seconds, as milliseconds.
    pub(crate) fn whole_seconds(&self) -> Found<i64> {
        let milliseconds = self.milliseconds()?;
        if milliseconds % 1000 != 0 {
            return Err(self.wrong_type("whole seconds"));
        }
        Ok(milliseconds)
    }

    pub(crate) fn quantity(&self) -> Found<Quantity> {
        let text = match self.value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(self.wrong_type("a quantity")),
        };
        Quantity::parse_signed(text.trim())
            .map_err(|error| self.wrong(error.to_string(), "write e.g. 250m, 0.25, 64Mi or 25e-2"))
    }

    /// Reads each item of a list; an absent one is empty.
    pub(crate) fn list<T>(&self, mut read: impl FnMut(&Field<'_>) -> Found<T>) -> Found<Vec<T>> {
        let items = match self.value {
            Value::Null => return Ok(Vec::new()),
            Value::Array(items) => items,
            _ => return Err(self.wrong_type("a list")),
        };
        let field = |(index, value)| Field { value, place: Place::Index(&self.place, index) };
        items.iter().enumerate().map(|item| read(&field(item))).collect()
    }

    /// Reads each entry of a map; an absent one is empty.
    pub(crate) fn map<T>(&self, mut read: impl FnMut(&'a str, &Field<'_>) -> Found<T>) -> Found<Vec<T>> {
        let entries = match self.value {
            Value::Null => return Ok(Vec::new()),
            Value::Object(entries) => entries,
            _ => return Err(self.wrong_type("a map")),
        };
        entries
            .iter()
            .map(|(key, value)| read(key, &Field { value, place: Place::Key(&self.place, key) }))
            .collect()
    }
}
