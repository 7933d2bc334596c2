//! Several statements that are committed together or not at all.
//!
//! Input: statements, one after the other. Output: their rows, and after [`Transaction::commit`] their effect. A transaction that is
//! dropped leaves nothing. Deliberately only for writing: a single statement needs none.

use std::time::Instant;

use sqlx::{
    Any,
    any::{AnyArguments, AnyRow},
    query::Query,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{Database, DatabaseKind, QueryType, Result, database::classified, query_span::QuerySpan};

/// A transaction under way; on SQLite it holds the one turn to write, so it should be short.
#[derive(Debug)]
pub struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    database: Database,
    /// Given back after the commit or rollback.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Database {
    /// Begins a transaction that will write.
    ///
    /// # Errors
    /// [`Error::DatabaseUnavailable`](crate::Error::DatabaseUnavailable) or
    /// [`Error::DatabaseFailure`](crate::Error::DatabaseFailure).
    pub async fn begin(&self) -> Result<Transaction> {
        let started = Instant::now();
        let mut span = QuerySpan::named(&self.names, "BEGIN");
        let turn = self.turn_to_write().await;
        let begin = match self.kind() {
            DatabaseKind::Sqlite => "BEGIN IMMEDIATE",
            DatabaseKind::Postgres => "BEGIN",
        };
        let outcome = self.pool.begin_with(begin).await;
        span.waited(started.elapsed());
        span.ended(&outcome);
        let inner = outcome.map_err(|error| classified(&error))?;
        Ok(Transaction { inner, database: self.clone(), _turn: turn })
    }
}

impl Transaction {
    /// Runs one statement and returns its rows.
    ///
    /// # Errors
    /// [`Error::DatabaseUnavailable`](crate::Error::DatabaseUnavailable) or
    /// [`Error::DatabaseFailure`](crate::Error::DatabaseFailure); the transaction is of no use then.
    pub async fn rows(
        &mut self,
        query_type: QueryType,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>> {
        let started = Instant::now();
        let (mut span, query) = QuerySpan::of(&self.database.names, query);
        let outcome = query.fetch_all(&mut *self.inner).await;
        span.ended(&outcome);
        self.database.observe(query_type, started.elapsed());
        outcome.map_err(|error| classified(&error))
    }

    /// Makes the effect of every statement lasting.
    ///
    /// # Errors
    /// As for [`Transaction::rows`]; whether the effect lasts is unknown when the connection broke off.
    pub async fn commit(self) -> Result<()> {
        let mut span = QuerySpan::named(&self.database.names, "COMMIT");
        let outcome = self.inner.commit().await;
        span.ended(&outcome);
        outcome.map_err(|error| classified(&error))
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use sqlx::{Row, query};

    use super::*;
    use crate::{
        Environment, SpanKind, TracePipeline, TraceSettings,
        testing::{Collector, ReceivedSpan},
    };

    async fn traced(work: impl AsyncFnOnce(Database)) -> Vec<ReceivedSpan> {
        let folder = tempfile::tempdir().unwrap();
        let database =
            Database::open("DATABASE_URL", &format!("sqlite:{}/t.db?mode=rwc", folder.path().display()))
                .unwrap();
        database.rows(QueryType::Update, query("CREATE TABLE things (name TEXT UNIQUE)")).await.unwrap();
        let collector = Collector::start().await;
        let environment = Environment::of([("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str())]);
        let settings = TraceSettings::from_environment(&environment).unwrap();
        let pipeline = TracePipeline::start(&settings, "x", "1", &mut Registry::default()).unwrap();
        let operation = pipeline.tracer().operation("root", SpanKind::Internal);
        let root = pipeline.tracer().begin(&operation, None);
        let id = root.context().unwrap().span_id().to_string();
        root.run(work(database)).await;
        drop(root);
        pipeline.close(std::time::Duration::from_secs(5)).await;
        let spans = collector.spans();
        let (calls, roots): (Vec<_>, Vec<_>) = spans.into_iter().partition(|span| span.name != "root");
        assert!(
            roots.len() == 1 && calls.iter().all(|call| call.parent_id == id && call.kind == 3),
            "{calls:?}"
        );
        calls
    }

    const ADD: &str = "INSERT INTO things (name) VALUES ($1)";

    #[tokio::test]
    async fn every_statement_is_a_span_without_values() {
        let spans = traced(async |database| {
            let mut transaction = database.begin().await.unwrap();
            transaction.rows(QueryType::Insert, query(ADD).bind("private")).await.unwrap();
            transaction.commit().await.unwrap();
            let rows = database
                .rows(QueryType::Select, query("SELECT name FROM things WHERE name = $1").bind("private"));
            assert_eq!(rows.await.unwrap()[0].get::<String, _>(0), "private");
        });
        let spans = spans.await;
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["BEGIN", "INSERT things", "COMMIT", "SELECT things"]);
        let select = &spans[3].attributes;
        for (key, value) in [
            ("db.system.name", "sqlite"),
            ("db.namespace", "t.db"),
            ("db.operation.name", "SELECT"),
            ("db.collection.name", "things"),
            ("db.query.summary", "SELECT things"),
            ("db.query.text", "SELECT name FROM things WHERE name = $1"),
        ] {
            assert_eq!(select[key], value, "{key}");
        }
        assert!(!format!("{spans:?}").contains("private"), "{spans:?}");
    }

    #[tokio::test]
    async fn a_long_wait_for_the_turn_to_write_is_noted() {
        let spans = traced(async |database| {
            let transaction = database.begin().await.unwrap();
            let adding = database.rows(QueryType::Insert, query(ADD).bind("x"));
            let committing = async {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                transaction.commit().await.unwrap();
            };
            let (added, ()) = tokio::join!(adding, committing);
            added.unwrap();
        });
        let spans = spans.await;
        let insert = spans.iter().find(|span| span.name == "INSERT things").unwrap();
        assert_eq!(insert.events, ["connection acquired"]);
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_and_what_is_dropped_leaves_nothing() {
        let spans = traced(async |database| {
            let mut transaction = database.begin().await.unwrap();
            transaction.rows(QueryType::Insert, query(ADD).bind("private")).await.unwrap();
            assert!(transaction.rows(QueryType::Insert, query(ADD).bind("private")).await.is_err());
            drop(transaction);
            let rows = database.rows(QueryType::Select, query("SELECT name FROM things")).await.unwrap();
            assert!(rows.is_empty());
            assert!(database.rows(QueryType::Select, query("SELECT name FROM nothing")).await.is_err());
        });
        let spans = spans.await;
        let seen: Vec<_> = spans
            .iter()
            .map(|span| {
                (span.name.as_str(), span.status, span.attributes.get("error.type").map(String::as_str))
            })
            .collect();
        let expected = [
            ("BEGIN", 0, None),
            ("INSERT things", 0, None),
            ("INSERT things", 2, Some("2067")),
            ("SELECT things", 0, None),
            ("SELECT nothing", 2, Some("1")),
        ];
        assert_eq!(seen, expected);
        assert!(!format!("{spans:?}").contains("private"), "{spans:?}");
    }
}
