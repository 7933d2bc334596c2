//! The objects of bodies: alerts and silences as clients send them.
//!
//! Input: JSON. Output: alerts and silences, or the first thing that is wrong with them, in the words and the order of the library under
//! Alertmanager's API. As in Go, names of fields are found in any case, `null` is what is not there, and unknown fields are ignored.

use super::date_time::DateTime;
use super::generator_url::is_request_uri;
use super::reply::Refusal;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use tidewatch_model::{Alert, Labels, MatchOp, Matcher};
use tidewatch_notify::Silence;

type LabelSet = BTreeMap<String, Option<String>>;

/// An object whose fields are given to it one by one.
trait Fields<'de>: Default {
    /// Takes the value of a field, by its name in lower case, or skips it.
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Reads an object; `null` is one without fields.
struct Object<T>(PhantomData<T>);

impl<'de, T: Fields<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut object = T::default();
        while let Some(name) = map.next_key::<String>()? {
            object.take(&name.to_ascii_lowercase(), &mut map)?;
        }
        Ok(object)
    }
}

macro_rules! read_by_fields {
    ($($object:ty),*) => {$(
        impl<'de> Deserialize<'de> for $object {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Object(PhantomData))
            }
        }
    )*};
}
read_by_fields!(PostableAlert, PostableSilence, PostableMatcher);

/// Labels of several fields of one name come together, as in Go.
fn merge(known: &mut Option<LabelSet>, more: Option<LabelSet>) {
    match (known, more) {
        (Some(known), Some(more)) => known.extend(more),
        (known, more) => *known = more,
    }
}

fn required<T>(value: Option<T>, name: &str) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::coded(602, format!("{name} in body is required")))
}

#[derive(Default)]
struct PostableAlert {
    labels: Option<LabelSet>,
    annotations: Option<LabelSet>,
    starts_at: DateTime,
    ends_at: DateTime,
    generator_url: String,
}

impl<'de> Fields<'de> for PostableAlert {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "labels" => merge(&mut self.labels, map.next_value()?),
            "annotations" => merge(&mut self.annotations, map.next_value()?),
            "startsat" => self.starts_at = map.next_value::<Option<_>>()?.unwrap_or_default(),
            "endsat" => self.ends_at = map.next_value::<Option<_>>()?.unwrap_or_default(),
            "generatorurl" => self.generator_url = map.next_value::<Option<_>>()?.unwrap_or_default(),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl PostableAlert {
    fn checked(self, index: usize) -> Result<Alert, Refusal> {
        let url = self.generator_url;
        if !url.is_empty() && !is_request_uri(&url) {
            let text = format!("{index}.generatorURL in body must be of type uri: {url:?}");
            return Err(Refusal::coded(601, text));
        }
        let labels = required(self.labels, &format!("{index}.labels"))?;
        Ok(Alert {
            labels: without_empty(labels),
            annotations: without_empty(self.annotations.unwrap_or_default()),
            starts_at: self.starts_at.0,
            ends_at: self.ends_at.0,
            generator_url: url,
        })
    }
}

fn without_empty(labels: LabelSet) -> Labels {
    Labels::from_pairs(labels.into_iter().map(|(name, value)| (name, value.unwrap_or_default())))
}

/// Alerts, or what is wrong with the first that is wrong.
pub(super) struct PostableAlerts(pub(super) Result<Vec<Alert>, Refusal>);

impl<'de> Deserialize<'de> for PostableAlerts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AlertList)
    }
}

struct AlertList;

impl<'de> Visitor<'de> for AlertList {
    type Value = PostableAlerts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of alerts")
    }

    fn visit_unit<E>(self) -> Result<PostableAlerts, E> {
        Ok(PostableAlerts(Ok(Vec::new())))
    }

    /// To its end even if one is wrong: mistakes of JSON count more. No more than what is right is kept.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PostableAlerts, A::Error> {
        let mut found = Ok(Vec::new());
        let mut index = 0;
        while let Some(alert) = list.next_element::<PostableAlert>()? {
            if let Ok(alerts) = &mut found {
                match alert.checked(index) {
                    Ok(alert) => alerts.push(alert),
                    Err(refusal) => found = Err(refusal),
                }
            }
            index += 1;
        }
        Ok(PostableAlerts(found))
    }
}

#[derive(Default)]
struct PostableMatcher {
    name: Option<String>,
    value: Option<String>,
    is_regex: Option<bool>,
    is_equal: Option<bool>,
}

impl<'de> Fields<'de> for PostableMatcher {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "name" => self.name = map.next_value()?,
            "value" => self.value = map.next_value()?,
            "isregex" => self.is_regex = map.next_value()?,
            "isequal" => self.is_equal = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl PostableMatcher {
    fn checked(self, index: usize) -> Result<(String, MatchOp, String), Refusal> {
        let at = |field: &str| format!("matchers.{index}.{field}");
        let is_regex = required(self.is_regex, &at("isRegex"))?;
        let name = required(self.name, &at("name"))?;
        let value = required(self.value, &at("value"))?;
        let op = match (self.is_equal.unwrap_or(true), is_regex) {
            (true, false) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (false, true) => MatchOp::NotRegex,
        };
        Ok((name, op, value))
    }
}

#[derive(Default)]
pub(super) struct PostableSilence {
    id: Option<String>,
    matchers: Option<Vec<PostableMatcher>>,
    starts_at: Option<DateTime>,
    ends_at: Option<DateTime>,
    created_by: Option<String>,
    comment: Option<String>,
    annotations: Option<LabelSet>,
}

impl<'de> Fields<'de> for PostableSilence {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "id" => self.id = map.next_value()?,
            "matchers" => self.matchers = map.next_value()?,
            "startsat" => self.starts_at = map.next_value()?,
            "endsat" => self.ends_at = map.next_value()?,
            "createdby" => self.created_by = map.next_value()?,
            "comment" => self.comment = map.next_value()?,
            "annotations" => merge(&mut self.annotations, map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl PostableSilence {
    /// What is wrong with it as an object comes first, then its matchers; its times are for whoever knows what time it is.
    pub(super) fn checked(self) -> Result<Silence, Refusal> {
        let comment = required(self.comment, "comment")?;
        let created_by = required(self.created_by, "createdBy")?;
        let ends_at = required(self.ends_at, "endsAt")?.0;
        let matchers = required(self.matchers, "matchers")?;
        if matchers.is_empty() {
            return Err(Refusal::coded(612, "matchers in body should have at least 1 items"));
        }
        let matchers = matchers.into_iter().enumerate().map(|(index, matcher)| matcher.checked(index));
        let matchers: Vec<_> = matchers.collect::<Result<_, _>>()?;
        let starts_at = required(self.starts_at, "startsAt")?.0;
        let annotations = self.annotations.unwrap_or_default().into_iter();
        let mut silence = Silence {
            id: self.id.unwrap_or_default(),
            starts_at,
            ends_at,
            created_by,
            comment,
            annotations: annotations.map(|(name, value)| (name, value.unwrap_or_default())).collect(),
            ..Silence::default()
        };
        for (index, (name, op, value)) in matchers.into_iter().enumerate() {
            let wrong = |why: &dyn fmt::Display| {
                Refusal::bad(format!("invalid silence: invalid label matcher {index} in set 0: {why}"))
            };
            if name.is_empty() {
                return Err(wrong(&"invalid label name \"\""));
            }
            silence.matchers.push(Matcher::new(name, op, value).map_err(|error| wrong(&error))?);
        }
        Ok(silence)
    }
}
