//! Several statements that are committed together or not at all.
//!
//! Input: statements, one after the other. Output: their rows, and after [`Transaction::commit`] their effect. A transaction that is
//! dropped leaves nothing. Deliberately only for writing: a single statement needs none.

use sqlx::{
    Any,
    any::{AnyArguments, AnyRow},
    query::Query,
};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

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
