//! Brings a database to the schema this release needs.
//!
//! Input: an ordered list of migrations. Output: each of them applied exactly once, however many replicas start at the same
//! moment: SQLite's write lock or a PostgreSQL advisory lock makes them take turns, and one transaction holds the whole step.
//! Deliberately has no way back: a migration only adds what the previous release ignores.

use std::time::{Duration, Instant};

use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row, pool::PoolConnection};

use crate::{Database, DatabaseKind, Error, Result, database::classified};

/// How long replicas that start together wait for each other.
const TURN_TIMEOUT: Duration = Duration::from_secs(20);
/// Key of the advisory lock: "todo" in ASCII.
const ADVISORY_LOCK: &str = "DO $$ BEGIN PERFORM pg_advisory_xact_lock(1953457263); END $$";

/// One step of a schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Ascending, from 1.
    pub version: i64,
    /// What it does.
    pub name: &'static str,
    /// Statements, run in order. `{identity}` stands for the type of a generated key.
    pub statements: &'static [&'static str],
}

/// The schema of one application.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// The table that records what was applied; applications that share a database use different ones.
    pub table: &'static str,
    /// All steps, ascending.
    pub steps: &'static [Migration],
}

impl Database {
    /// Applies what is missing of `migrations`.
    ///
    /// # Errors
    /// [`Error::DatabaseUnavailable`] when the database cannot be reached, [`Error::Setting`] when it cannot be opened,
    /// [`Error::Migration`] when a step fails; then nothing of this call remains.
    pub async fn migrate(&self, migrations: &Migrations) -> Result<()> {
        let mut connection = self.pool.acquire().await.map_err(|error| self.not_opened(&error))?;
        let begin = match self.kind() {
            DatabaseKind::Sqlite => {
                write_ahead_log(&mut connection).await?;
                "BEGIN IMMEDIATE"
            }
            DatabaseKind::Postgres => "BEGIN",
        };
        let mut transaction = connection.begin_with(begin).await.map_err(|error| classified(&error))?;
        if self.kind() == DatabaseKind::Postgres {
            transaction.execute(ADVISORY_LOCK).await.map_err(|error| classified(&error))?;
        }
        let applied = applied_version(&mut transaction, migrations.table).await?;
        let newest = migrations.steps.last().map_or(0, |step| step.version);
        if applied > newest {
            tracing::warn!(applied, newest, "the database was migrated by a newer release");
        }
        for step in migrations.steps.iter().filter(|step| step.version > applied) {
            apply(&mut transaction, self.kind(), migrations.table, step).await?;
            tracing::info!(version = step.version, name = step.name, "migrated");
        }
        transaction.commit().await.map_err(|error| classified(&error))
    }
}

/// Lets readers and the writer work at the same time. The change needs the file for itself for a moment, and SQLite does not
/// wait for that by itself.
async fn write_ahead_log(connection: &mut PoolConnection<sqlx::Any>) -> Result<()> {
    let started = Instant::now();
    loop {
        match connection.execute("PRAGMA journal_mode = WAL").await {
            Ok(_) => return Ok(()),
            Err(error) => {
                let error = classified(&error);
                if !error.is_transient() || started.elapsed() > TURN_TIMEOUT {
                    return Err(error);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn applied_version(connection: &mut AnyConnection, table: &str) -> Result<i64> {
    let create =
        format!("CREATE TABLE IF NOT EXISTS {table} (version BIGINT PRIMARY KEY, name TEXT NOT NULL)");
    connection.execute(AssertSqlSafe(create)).await.map_err(|error| classified(&error))?;
    let newest = format!("SELECT COALESCE(MAX(version), 0) FROM {table}");
    let row = connection.fetch_one(AssertSqlSafe(newest)).await.map_err(|error| classified(&error))?;
    row.try_get(0).map_err(|error| classified(&error))
}

async fn apply(
    connection: &mut AnyConnection,
    kind: DatabaseKind,
    table: &str,
    step: &Migration,
) -> Result<()> {
    let failed = |error: sqlx::Error| Error::Migration {
        version: step.version,
        name: step.name,
        reason: error.to_string(),
    };
    let identity = match kind {
        DatabaseKind::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
        DatabaseKind::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    };
    for statement in step.statements {
        let statement = statement.replace("{identity}", identity);
        connection.execute(AssertSqlSafe(statement)).await.map_err(failed)?;
    }
    let record = format!("INSERT INTO {table} (version, name) VALUES ($1, $2)");
    let record = sqlx::query(AssertSqlSafe(record)).bind(step.version).bind(step.name);
    record.execute(connection).await.map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QueryType;

    const FIRST: Migration = Migration {
        version: 1,
        name: "things",
        statements: &["CREATE TABLE things (id {identity}, name TEXT NOT NULL)"],
    };
    const SECOND: Migration =
        Migration { version: 2, name: "seed", statements: &["INSERT INTO things (name) VALUES ('seed')"] };
    const BROKEN: Migration = Migration {
        version: 3,
        name: "broken",
        statements: &["INSERT INTO things (name) VALUES ('half')", "INSERT INTO nothing VALUES (1)"],
    };

    fn open(folder: &tempfile::TempDir) -> Database {
        Database::open("DATABASE_URL", &format!("sqlite:{}/t.db", folder.path().display())).unwrap()
    }

    async fn count(database: &Database) -> i64 {
        let rows =
            database.rows(QueryType::Select, sqlx::query("SELECT COUNT(*) FROM things")).await.unwrap();
        rows[0].get(0)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn replicas_that_start_together_migrate_once() {
        let folder = tempfile::tempdir().unwrap();
        let steps = Migrations { table: "m", steps: &[FIRST, SECOND] };
        let starting: Vec<_> = (0..8)
            .map(|_| {
                let database = open(&folder);
                tokio::spawn(async move { database.migrate(&steps).await })
            })
            .collect();
        for replica in starting {
            replica.await.unwrap().unwrap();
        }
        assert_eq!(count(&open(&folder)).await, 1);
    }

    #[tokio::test]
    async fn a_failing_step_leaves_nothing_behind_and_an_old_release_still_starts() {
        let folder = tempfile::tempdir().unwrap();
        let database = open(&folder);
        database.migrate(&Migrations { table: "m", steps: &[FIRST, SECOND] }).await.unwrap();
        let error = database
            .migrate(&Migrations { table: "m", steps: &[FIRST, SECOND, BROKEN] })
            .await
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("migration 3 \"broken\" failed:"), "{error}");
        assert_eq!(count(&database).await, 1);
        database.migrate(&Migrations { table: "m", steps: &[FIRST] }).await.unwrap();
    }
}
