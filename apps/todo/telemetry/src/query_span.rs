//! The span of a database call.
//!
//! Input: a statement, and what is known of the database. Output: a CLIENT span named by operation and table, with the statement's
//! text: it has placeholders where values go. Deliberately never looks at a value, and at nothing at all unless the trace is sampled.

use std::{borrow::Cow, sync::Arc, time::Duration};

use sqlx::{Any, Execute, any::AnyArguments, query::Query, query_with};

use crate::{Span, SpanKind, current_context::of_current};

/// A wait for a connection, or for the turn to write, is noted in the span from this length on.
const LONG_WAIT: Duration = Duration::from_millis(1);

/// What spans say about the database.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseNames {
    /// `sqlite` or `postgresql`.
    pub(crate) system: &'static str,
    /// The database's name, or that of its file.
    pub(crate) namespace: Option<Arc<str>>,
    /// Host and port of a server.
    pub(crate) server: Option<(Arc<str>, u16)>,
}

/// The span of one call.
pub(crate) struct QuerySpan(pub(crate) Span);

impl QuerySpan {
    /// A span for `query`, which has to be taken apart for it.
    pub(crate) fn of<'q>(
        names: &DatabaseNames,
        mut query: Query<'q, Any, AnyArguments>,
    ) -> (Self, Query<'q, Any, AnyArguments>) {
        if !of_current(|context| context.tracer.is_some()).unwrap_or(false) {
            return (Self(Span::none()), query);
        }
        // Arguments that could not be encoded surface when the query runs, which is why it must not be taken apart then.
        let Ok(Some(arguments)) = query.take_arguments() else {
            return (Self::named(names, "query"), query);
        };
        let statement = query.sql();
        let mut span = Self::named(names, &summary(statement.as_str()));
        let text = statement.as_str();
        let (operation, table) = operation_and_table(text);
        span.0.attribute("db.operation.name", operation.as_ref());
        if let Some(table) = table {
            span.0.attribute("db.collection.name", table);
        }
        span.0.attribute("db.query.text", text);
        (span, query_with(statement, arguments))
    }

    /// A span for what is no statement of the application's: `BEGIN`, `COMMIT`.
    pub(crate) fn named(names: &DatabaseNames, summary: &str) -> Self {
        let mut span = Span::child(summary, SpanKind::Client);
        if span.is_recording() {
            span.attribute("db.system.name", names.system);
            span.attribute("db.query.summary", summary);
            if let Some(namespace) = &names.namespace {
                span.attribute("db.namespace", &**namespace);
            }
            if let Some((host, port)) = &names.server {
                span.attribute("server.address", &**host);
                span.attribute("server.port", *port);
            }
        }
        Self(span)
    }

    /// Notes that the call began to run, `waited` after it was asked for.
    pub(crate) fn waited(&mut self, waited: Duration) {
        if waited >= LONG_WAIT {
            self.0.event("connection acquired");
        }
    }

    /// Notes what the call came to. The database's own text stays out: it may quote values.
    pub(crate) fn ended<T>(&mut self, outcome: &Result<T, sqlx::Error>) {
        let Err(error) = outcome else { return };
        if !self.0.is_recording() {
            return;
        }
        match error {
            sqlx::Error::Database(database) => match database.code() {
                Some(code) => {
                    self.0.attribute("db.response.status_code", &*code);
                    self.0.error(&code, "");
                }
                None => self.0.error("_OTHER", ""),
            },
            sqlx::Error::PoolTimedOut => self.0.error("pool_timed_out", "no connection became free in time"),
            sqlx::Error::PoolClosed => self.0.error("pool_closed", "the process is stopping"),
            sqlx::Error::Io(_) => self.0.error("io", "the connection broke off"),
            _ => self.0.error("_OTHER", ""),
        }
    }
}

/// Operation and table, as in `db.query.summary`.
fn summary(statement: &str) -> String {
    match operation_and_table(statement) {
        (operation, Some(table)) => format!("{operation} {table}"),
        (operation, None) => operation.into_owned(),
    }
}

/// The first word in capitals, and the word after the first FROM, INTO or UPDATE.
fn operation_and_table(statement: &str) -> (Cow<'_, str>, Option<&str>) {
    let mut words = statement.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    let operation: Cow<'_, str> = if first.bytes().any(|letter| letter.is_ascii_lowercase()) {
        first.to_ascii_uppercase().into()
    } else {
        first.into()
    };
    let is_table =
        |table: &&str| table.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let table = if operation == "UPDATE" {
        words.next()
    } else {
        words
            .find(|word| matches!(word.to_ascii_uppercase().as_str(), "FROM" | "INTO"))
            .and_then(|_| words.next())
    };
    let name = |table: &'_ str| {
        table.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(table.len())
    };
    (operation, table.map(|table| &table[..name(table)]).filter(is_table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_summed_up_by_operation_and_table() {
        let check = |statement: &str, expected: &str| assert_eq!(summary(statement), expected, "{statement}");
        check("SELECT id, title FROM tasks WHERE id = $1", "SELECT tasks");
        check("select count(*) from tasks", "SELECT tasks");
        check("INSERT INTO tasks (title) VALUES ($1) RETURNING id", "INSERT tasks");
        check("INSERT INTO tasks(title) VALUES ($1)", "INSERT tasks");
        check("UPDATE tasks SET title = $1", "UPDATE tasks");
        check("DELETE FROM outbox WHERE id <= $1", "DELETE outbox");
        check("SELECT 1", "SELECT");
        check("WITH gone AS (DELETE FROM outbox RETURNING id) SELECT id FROM gone", "WITH outbox");
        check("SELECT x FROM (SELECT 1)", "SELECT");
        check("", "");
    }
}
