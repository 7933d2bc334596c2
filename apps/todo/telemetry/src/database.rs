//! The one door to SQLite or PostgreSQL: the same statements run on both.
//!
//! Input: `DATABASE_URL` and statements with `$1` parameters of the types both databases share (text, 64-bit integers).
//! Output: rows, timed by kind of statement and traced, or [`Error`] split into "try later" and "will not help". Deliberately has no
//! cache: several replicas share one database.

use std::{
    str::FromStr,
    sync::{Arc, Once},
    time::{Duration, Instant},
};

use prometheus_client::registry::Registry;
use sqlx::{
    Any, AnyPool, ConnectOptions, Executor,
    any::{AnyArguments, AnyConnectOptions, AnyPoolOptions, AnyRow},
    postgres::PgConnectOptions,
    query::Query,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Error, QueryMetrics, QueryType, Result,
    query_span::{DatabaseNames, QuerySpan},
    settings::without_credentials,
};

/// How long a call waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Run on every SQLite connection. NORMAL in WAL mode survives the end of the process; the end of the machine may cost the
/// newest transactions but never the file. The busy timeout is what several replicas wait for each other; the cache is in KiB.
const SQLITE_SETTINGS: &str = "PRAGMA busy_timeout = 5000; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512; \
                               PRAGMA journal_size_limit = 4194304; PRAGMA foreign_keys = ON";

/// Which database is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file shared by the replicas of one machine.
    Sqlite,
    /// A server shared by the replicas of a cluster.
    Postgres,
}

/// A pool of connections.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) pool: AnyPool,
    kind: DatabaseKind,
    /// The setting it came from and its value without credentials, for messages.
    variable: &'static str,
    address: Arc<str>,
    /// What spans say about it.
    pub(crate) names: DatabaseNames,
    /// SQLite has one writer at a time: waiting here is fair, waiting for its file lock is polling.
    writer: Arc<Semaphore>,
    metrics: Option<QueryMetrics>,
}

impl Database {
    /// Checks `url` and prepares a pool; nothing is connected yet. `variable` names the setting in errors.
    ///
    /// # Errors
    /// [`Error::Setting`] when the URL is neither `sqlite:<file>` nor a `postgres://` URL that can be understood.
    pub fn open(variable: &'static str, url: &str) -> Result<Self> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let refuse = |reason: &str| Error::Setting {
            name: variable,
            value: without_credentials(url),
            reason: reason.to_owned(),
            hint: format!(
                "set {variable} to sqlite:<file> or postgres://<user>:<password>@<host>:5432/<database>"
            ),
        };
        let (kind, url, names) = match url.split_once(':') {
            Some(("sqlite", path)) => {
                let url = sqlite_url(path).map_err(refuse)?;
                (DatabaseKind::Sqlite, url, sqlite_names(path))
            }
            Some(("postgres" | "postgresql", _)) => {
                let options = PgConnectOptions::from_str(url).map_err(|_| refuse("not a PostgreSQL URL"))?;
                (DatabaseKind::Postgres, url.to_owned(), postgres_names(&options))
            }
            _ => return Err(refuse("not a database this application knows")),
        };
        let options =
            AnyConnectOptions::from_str(&url).map_err(|_| refuse("not a URL"))?.disable_statement_logging();
        Ok(Self {
            pool: pool(kind, options),
            kind,
            variable,
            address: without_credentials(&url).into(),
            names,
            writer: Arc::new(Semaphore::new(1)),
            metrics: None,
        })
    }

    /// Reports calls and connections in `registry`.
    pub fn register(&mut self, registry: &mut Registry) {
        self.metrics = Some(QueryMetrics::register(registry, &self.pool));
    }

    /// Which database this is.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The error of a first connection: what will not pass by itself is a matter of the setting.
    pub(crate) fn not_opened(&self, error: &sqlx::Error) -> Error {
        let hint = match self.kind {
            DatabaseKind::Sqlite => "the folder must exist and, like the file, be writable for this process",
            DatabaseKind::Postgres => "check user, password and database name",
        };
        match classified(error) {
            Error::DatabaseFailure(reason) => Error::Setting {
                name: self.variable,
                value: self.address.to_string(),
                reason,
                hint: hint.to_owned(),
            },
            transient => transient,
        }
    }

    /// Runs one statement to its end and returns its rows. A statement that writes is committed when this returns.
    ///
    /// # Errors
    /// [`Error::DatabaseUnavailable`] or [`Error::DatabaseFailure`].
    pub async fn rows(
        &self,
        query_type: QueryType,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>> {
        let started = Instant::now();
        let (mut span, query) = QuerySpan::of(&self.names, query);
        let turn = if query_type.writes() { self.turn_to_write().await } else { None };
        let outcome = match self.pool.acquire().await {
            Ok(mut connection) => {
                if span.0.is_recording() {
                    span.waited(started.elapsed());
                }
                // All rows, even of a statement that returns one: SQLite commits, and reports a full disk, after the last.
                query.fetch_all(&mut *connection).await
            }
            Err(error) => Err(error),
        };
        drop(turn);
        span.ended(&outcome);
        self.observe(query_type, started.elapsed());
        outcome.map_err(|error| classified(&error))
    }

    /// Waits for the turn to write, where turns are taken.
    pub(crate) async fn turn_to_write(&self) -> Option<OwnedSemaphorePermit> {
        match self.kind {
            DatabaseKind::Sqlite => {
                Some(Arc::clone(&self.writer).acquire_owned().await.expect("the semaphore is never closed"))
            }
            DatabaseKind::Postgres => None,
        }
    }

    /// Counts a finished call, with the current span as an example of it.
    pub(crate) fn observe(&self, query_type: QueryType, duration: Duration) {
        if let Some(metrics) = &self.metrics {
            metrics.observe(query_type, duration);
        }
    }

    /// Asks the database for nothing.
    ///
    /// # Errors
    /// [`Error::DatabaseUnavailable`] or [`Error::DatabaseFailure`].
    pub async fn ping(&self) -> Result<()> {
        self.pool.execute("SELECT 1").await.map(drop).map_err(|error| classified(&error))
    }

    /// Closes every connection, after the calls under way.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn pool(kind: DatabaseKind, options: AnyConnectOptions) -> AnyPool {
    let pool = AnyPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
    match kind {
        DatabaseKind::Sqlite => pool
            .max_connections(4)
            // A file does not hang up.
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(SQLITE_SETTINGS).await.map(drop) })
            }),
        // Ten replicas stay within the hundred connections a server takes by default.
        DatabaseKind::Postgres => pool.max_connections(8),
    }
    .connect_lazy_with(options)
}

fn sqlite_names(path: &str) -> DatabaseNames {
    let file = path.split('?').next().and_then(|file| file.rsplit('/').next());
    DatabaseNames { system: "sqlite", namespace: file.map(Into::into), server: None }
}

fn postgres_names(options: &PgConnectOptions) -> DatabaseNames {
    DatabaseNames {
        system: "postgresql",
        namespace: options.get_database().map(Into::into),
        server: Some((options.get_host().into(), options.get_port())),
    }
}

/// `path` is what follows `sqlite:`; the file is created when missing.
fn sqlite_url(path: &str) -> std::result::Result<String, &'static str> {
    let file = path.trim_start_matches("//").split('?').next().unwrap_or_default();
    if file.is_empty() {
        return Err("a SQLite URL without a file");
    }
    if path.contains(":memory:") || path.contains("mode=memory") {
        return Err("a database in memory, which replicas cannot share");
    }
    if path.contains("mode=") {
        return Ok(format!("sqlite:{path}"));
    }
    let separator = if path.contains('?') { '&' } else { '?' };
    Ok(format!("sqlite:{path}{separator}mode=rwc"))
}

/// Splits what may pass by itself from what will not.
pub(crate) fn classified(error: &sqlx::Error) -> Error {
    let transient = match error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Io(_)
        | sqlx::Error::WorkerCrashed => true,
        // SQLite: primary codes 5 (busy) and 6 (locked). PostgreSQL: classes 08 (connection), 53 (resources), 57 (operator
        // intervention), 40 (rolled back, to be repeated).
        sqlx::Error::Database(database) => database.code().is_some_and(|code| match code.parse::<u32>() {
            Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6),
            _ => ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class)),
        }),
        _ => false,
    };
    if transient {
        Error::DatabaseUnavailable(error.to_string())
    } else {
        Error::DatabaseFailure(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_is_understood_or_refused_without_its_password() {
        let check = |url: &str, expected: std::result::Result<DatabaseKind, &str>| match (
            Database::open("DATABASE_URL", url).map(|database| database.kind()),
            expected,
        ) {
            (Ok(kind), Ok(expected)) => assert_eq!(kind, expected, "{url}"),
            (Err(error), Err(expected)) => {
                let text = error.to_string();
                assert!(text.contains(expected), "{text}");
                assert!(text.contains("hint: set DATABASE_URL to sqlite:<file>"), "{text}");
                assert!(!text.contains("secret"), "{text}");
            }
            (outcome, _) => panic!("{url} gave {outcome:?}"),
        };
        check("sqlite:todo.db", Ok(DatabaseKind::Sqlite));
        check("sqlite:///tmp/todo.db?mode=ro", Ok(DatabaseKind::Sqlite));
        check("postgres://me:secret@127.0.0.1/todo", Ok(DatabaseKind::Postgres));
        check("postgresql://me@127.0.0.1:5432/todo", Ok(DatabaseKind::Postgres));
        check("postgres://me:secret@127.0.0.1:port/todo", Err("not a PostgreSQL URL"));
        check("mysql://me:secret@127.0.0.1/todo", Err("\"mysql://…@127.0.0.1/todo\""));
        check("sqlite:", Err("without a file"));
        check("sqlite::memory:", Err("replicas cannot share"));
        check("todo.db", Err("\"todo.db\""));
    }
}
