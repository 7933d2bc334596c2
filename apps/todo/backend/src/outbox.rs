//! The outbox: events that were committed with their change and wait to be published.
//!
//! Input: events of changes, from [`crate::store`]; what became of attempts, from [`crate::relay`]. Output: rows that only one
//! replica holds at a time. A row can be claimed only while it is the oldest of its task, for a limited time (a lease), so that events of one task
//! are published one after the other whichever replicas do it, and a replica that was killed holds nothing up for long. Deliberately
//! never removes a row that was not published, except into the table of refused ones. The clocks of replicas must agree within
//! a few seconds.

use sqlx::{
    Any, Decode, Row, Type,
    any::{AnyArguments, AnyRow},
    query,
    query::Query,
};
use todo_telemetry::{Database, DatabaseKind, QueryType};
use uuid::Uuid;

use crate::{
    Error, Result,
    event::{EventType, TaskEvent},
    task::Timestamp,
};

/// How long a claim holds, in milliseconds. An attempt must be over by then.
pub(crate) const LEASE_MILLISECONDS: i64 = 15_000;
/// Rows that one statement removes or releases.
pub(crate) const BATCH: usize = 16;

macro_rules! columns {
    () => {
        "id, event_id, event_type, task_id, body, traceparent, tracestate, attempts"
    };
}

/// The oldest row of each task that nobody holds and that is due. `$3`: now; `$4`: how many.
macro_rules! heads {
    ($lock:literal) => {
        concat!(
            "WITH heads AS MATERIALIZED (SELECT id FROM task_outbox AS head \
             WHERE not_before <= $3 AND lease_until <= $3 AND NOT EXISTS \
             (SELECT 1 FROM task_outbox AS earlier WHERE earlier.task_id = head.task_id AND earlier.id < head.id) \
             ORDER BY id LIMIT $4",
            $lock,
            ") UPDATE task_outbox SET owner = $1, lease_until = $2 WHERE id IN (SELECT id FROM heads) RETURNING ",
            columns!()
        )
    };
}

/// A row is its replica's from the start (`$7`, until `$8`) when its task has none before it.
const INSERT: &str = "INSERT INTO task_outbox \
                      (event_id, event_type, task_id, body, traceparent, tracestate, created_at, owner, lease_until) \
                      SELECT $1, $2, CAST($3 AS BIGINT), $4, $5, $6, CAST($9 AS BIGINT), \
                      CASE WHEN earlier.waiting = 0 THEN $7 ELSE '' END, \
                      CASE WHEN earlier.waiting = 0 THEN CAST($8 AS BIGINT) ELSE 0 END \
                      FROM (SELECT COUNT(*) AS waiting FROM task_outbox WHERE task_id = $3) AS earlier \
                      RETURNING id, owner";
const CLAIM: &str = heads!("");
/// Replicas at a server look at the same moment: what another one is about to claim is passed over.
const CLAIM_FROM_SERVER: &str = heads!(" FOR UPDATE OF head SKIP LOCKED");
const REMOVE: &str = "DELETE FROM task_outbox WHERE id IN \
                      ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
/// `$1`: owner; `$2`: when it is due again; `$3`: 1 to count an attempt.
const RELEASE: &str = "UPDATE task_outbox SET owner = '', lease_until = 0, not_before = $2, attempts = attempts + $3 \
                       WHERE id = $4 AND owner = $1";
const RELEASE_ALL: &str = "UPDATE task_outbox SET owner = '', lease_until = 0 WHERE owner = $1";
const TAKE_OUT: &str =
    concat!("DELETE FROM task_outbox WHERE id = $1 AND owner = $2 RETURNING created_at, ", columns!());
const SET_ASIDE: &str = "INSERT INTO task_outbox_refused \
                         (id, event_id, event_type, task_id, body, traceparent, tracestate, attempts, created_at, \
                         refused_at, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id";
const TAKE_BACK: &str = concat!("DELETE FROM task_outbox_refused RETURNING created_at, ", columns!());
const COUNT: &str = "SELECT (SELECT COUNT(*) FROM task_outbox), \
                     (SELECT created_at FROM task_outbox ORDER BY id LIMIT 1), \
                     (SELECT COUNT(*) FROM task_outbox_refused)";

/// A row that this replica holds.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) id: i64,
    pub(crate) event: TaskEvent,
    /// Attempts before this claim.
    pub(crate) attempts: i64,
    /// When the claim ends, in milliseconds since the epoch.
    pub(crate) lease_until: i64,
}

/// How much waits, in the whole table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) waiting: i64,
    /// When the oldest was committed.
    pub(crate) oldest: Option<i64>,
    pub(crate) refused: i64,
}

/// The table, seen by one replica.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    database: Database,
    /// A name that no other process has, nor this one after a restart.
    owner: String,
}

type Statement<'q> = Query<'q, Any, AnyArguments>;

impl Outbox {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, owner: Uuid::now_v7().to_string() }
    }

    /// The statement that adds `event`, for the transaction of its change. It returns what [`Outbox::inserted`] reads. With `claim` the row
    /// is this replica's at once, unless another one of the task is waiting.
    pub(crate) fn insertion(&self, event: &TaskEvent, now: Timestamp, claim: bool) -> Statement<'static> {
        let lease_until = if claim { now.0 + LEASE_MILLISECONDS } else { 0 };
        let owner = if claim { self.owner.clone() } else { String::new() };
        query(INSERT)
            .bind(event.id.clone())
            .bind(event.event_type.name())
            .bind(event.task_id)
            .bind(event.body.clone())
            .bind(event.traceparent.clone())
            .bind(event.tracestate.clone())
            .bind(owner)
            .bind(lease_until)
            .bind(now.0)
    }

    /// The claim on a row that was just committed; `None` when it has to wait for its turn.
    pub(crate) fn inserted(&self, row: &AnyRow, event: TaskEvent, now: Timestamp) -> Result<Option<Claimed>> {
        let (id, owner): (i64, String) = (column(row, 0)?, column(row, 1)?);
        let lease_until = now.0 + LEASE_MILLISECONDS;
        Ok((owner == self.owner).then_some(Claimed { id, event, attempts: 0, lease_until }))
    }

    /// Claims at most `most` rows that are due, oldest first, at most one of each task.
    pub(crate) async fn claim(&self, most: usize) -> Result<Vec<Claimed>> {
        let now = Timestamp::now().0;
        let lease_until = now + LEASE_MILLISECONDS;
        let statement = match self.database.kind() {
            DatabaseKind::Sqlite => CLAIM,
            DatabaseKind::Postgres => CLAIM_FROM_SERVER,
        };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let claim = query(statement).bind(&self.owner).bind(lease_until).bind(now).bind(most);
        let rows = self.database.rows(QueryType::Update, claim).await?;
        let claimed: Result<Vec<_>> = rows.iter().map(|row| read(row, 0, lease_until)).collect();
        let mut claimed = claimed?;
        claimed.sort_unstable_by_key(|row| row.id);
        Ok(claimed)
    }

    /// Removes rows that were published, at most [`BATCH`].
    pub(crate) async fn remove(&self, published: &[i64]) -> Result<()> {
        let padding = std::iter::repeat(&0);
        let remove =
            published.iter().chain(padding).take(BATCH).fold(query(REMOVE), |remove, id| remove.bind(*id));
        Ok(self.database.rows(QueryType::Delete, remove).await.map(drop)?)
    }

    /// Gives a claim up; the row is due again at `not_before`. `attempted` counts an attempt.
    pub(crate) async fn release(&self, id: i64, not_before: i64, attempted: bool) -> Result<()> {
        let release = query(RELEASE).bind(&self.owner).bind(not_before).bind(i64::from(attempted)).bind(id);
        Ok(self.database.rows(QueryType::Update, release).await.map(drop)?)
    }

    /// Gives every claim of this replica up.
    pub(crate) async fn release_all(&self) -> Result<()> {
        let release = query(RELEASE_ALL).bind(&self.owner);
        Ok(self.database.rows(QueryType::Update, release).await.map(drop)?)
    }

    /// Moves a row that this replica holds to the refused ones: later events of its task no longer wait for it. `false` when the claim
    /// ended before and another replica has the row: what becomes of it is decided there.
    pub(crate) async fn set_aside(&self, id: i64, reason: &str) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let rows = transaction.rows(QueryType::Delete, query(TAKE_OUT).bind(id).bind(&self.owner)).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let created_at: i64 = column(row, 0)?;
        let Claimed { event, attempts, .. } = read(row, 1, 0)?;
        let aside = query(SET_ASIDE)
            .bind(id)
            .bind(event.id)
            .bind(event.event_type.name())
            .bind(event.task_id)
            .bind(event.body)
            .bind(event.traceparent)
            .bind(event.tracestate)
            .bind(attempts + 1)
            .bind(created_at)
            .bind(Timestamp::now().0)
            .bind(reason.replace('\0', ""));
        transaction.rows(QueryType::Insert, aside).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Offers again, in the order in which they were made, all events that were set aside. Gives how many.
    pub(crate) async fn offer_again(&self) -> Result<usize> {
        let mut transaction = self.database.begin().await?;
        let mut rows = transaction.rows(QueryType::Delete, query(TAKE_BACK)).await?;
        rows.sort_by_key(|row| column::<i64>(row, 1).unwrap_or_default());
        for row in &rows {
            let made = Timestamp(column(row, 0)?);
            let Claimed { event, .. } = read(row, 1, 0)?;
            transaction.rows(QueryType::Insert, self.insertion(&event, made, false)).await?;
        }
        transaction.commit().await?;
        Ok(rows.len())
    }

    /// Counts the rows of all replicas.
    pub(crate) async fn depth(&self) -> Result<Depth> {
        let rows = self.database.rows(QueryType::Select, query(COUNT)).await?;
        let row = rows.first().ok_or_else(|| Error::Row("a count returned no row".to_owned()))?;
        Ok(Depth { waiting: column(row, 0)?, oldest: column(row, 1)?, refused: column(row, 2)? })
    }
}

/// Reads the columns that begin at `first`.
fn read(row: &AnyRow, first: usize, lease_until: i64) -> Result<Claimed> {
    let (id, name): (i64, String) = (column(row, first)?, column(row, first + 2)?);
    let unknown = || Error::Row(format!("event {id} has the unknown type \"{name}\""));
    Ok(Claimed {
        id,
        event: TaskEvent {
            event_type: EventType::of_name(&name).ok_or_else(unknown)?,
            id: column(row, first + 1)?,
            task_id: column(row, first + 3)?,
            body: column(row, first + 4)?,
            traceparent: column(row, first + 5)?,
            tracestate: column(row, first + 6)?,
        },
        attempts: column(row, first + 7)?,
        lease_until,
    })
}

fn column<'r, T: Decode<'r, Any> + Type<Any>>(row: &'r AnyRow, index: usize) -> Result<T> {
    row.try_get(index).map_err(|error| Error::Row(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SCHEMA;

    fn event(task_id: i64) -> TaskEvent {
        let id = Uuid::now_v7().to_string();
        let body = "{}".to_owned();
        TaskEvent { event_type: EventType::Created, task_id, id, body, traceparent: None, tracestate: None }
    }

    async fn replicas(folder: &tempfile::TempDir) -> [Outbox; 2] {
        let url = format!("sqlite:{}/t.db", folder.path().display());
        let database = Database::open("DATABASE_URL", &url).unwrap();
        database.migrate(&SCHEMA).await.unwrap();
        [Outbox::new(database), Outbox::new(Database::open("DATABASE_URL", &url).unwrap())]
    }

    /// Adds an event of `task_id`; the id of the claim, if it is one.
    async fn add(outbox: &Outbox, task_id: i64, claim: bool) -> Option<i64> {
        let (event, now) = (event(task_id), Timestamp::now());
        let insert = outbox.insertion(&event, now, claim);
        let rows = outbox.database.rows(QueryType::Insert, insert).await.unwrap();
        outbox.inserted(&rows[0], event, now).unwrap().map(|claimed| claimed.id)
    }

    async fn claim(outbox: &Outbox) -> Vec<i64> {
        outbox.claim(10).await.unwrap().iter().map(|row| row.event.task_id * 100 + row.id).collect()
    }

    #[tokio::test]
    async fn only_the_oldest_of_a_task_is_claimed_and_by_one_replica() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = replicas(&folder).await;
        for task_id in [1, 1, 2] {
            assert_eq!(add(&first, task_id, false).await, None);
        }
        assert_eq!(claim(&first).await, [101, 203]);
        assert_eq!(claim(&second).await, [0; 0]);
        first.remove(&[1]).await.unwrap();
        assert_eq!(claim(&second).await, [102]);
        // Another's claim is not to be given up by this one.
        first.release(2, 0, true).await.unwrap();
        assert_eq!(claim(&first).await, [0; 0]);
        second.release(2, 0, true).await.unwrap();
        assert_eq!(first.claim(10).await.unwrap()[0].attempts, 1);
        first.release_all().await.unwrap();
        assert_eq!(claim(&second).await, [102, 203]);
    }

    #[tokio::test]
    async fn a_new_row_belongs_to_its_replica_unless_one_of_its_task_waits() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = replicas(&folder).await;
        assert_eq!(add(&first, 1, true).await, Some(1));
        assert_eq!(add(&first, 1, true).await, None);
        assert_eq!(add(&second, 2, true).await, Some(3));
        assert_eq!(claim(&second).await, [0; 0]);
        first.remove(&[1]).await.unwrap();
        assert_eq!(claim(&second).await, [102]);
    }

    #[tokio::test]
    async fn a_row_is_not_claimed_before_it_is_due_nor_while_its_lease_runs() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = replicas(&folder).await;
        add(&first, 1, false).await;
        assert_eq!(claim(&first).await, [101]);
        first.release(1, Timestamp::now().0 + 60_000, true).await.unwrap();
        assert_eq!(claim(&second).await, [0; 0]);
        let lapse = query("UPDATE task_outbox SET not_before = 0, owner = 'gone', lease_until = $1");
        let lapse = lapse.bind(Timestamp::now().0 - 1);
        first.database.rows(QueryType::Update, lapse).await.unwrap();
        assert_eq!(claim(&second).await, [101], "whoever held it is gone");
    }

    #[tokio::test]
    async fn a_refused_row_is_kept_aside_and_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let [first, _] = replicas(&folder).await;
        add(&first, 1, false).await;
        add(&first, 1, false).await;
        assert_eq!(claim(&first).await, [101]);
        assert!(first.set_aside(1, "status 400").await.unwrap());
        assert!(!first.set_aside(1, "again").await.unwrap());
        assert_eq!(claim(&first).await, [102]);
        let depth = first.depth().await.unwrap();
        assert_eq!((depth.waiting, depth.refused, depth.oldest.is_some()), (1, 1, true));
        let kept = query("SELECT reason, attempts FROM task_outbox_refused");
        let kept = first.database.rows(QueryType::Select, kept).await.unwrap();
        assert_eq!((kept[0].get::<String, _>(0), kept[0].get::<i64, _>(1)), ("status 400".to_owned(), 1));
    }

    #[tokio::test]
    async fn what_another_replica_took_over_is_not_refused_here() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = replicas(&folder).await;
        add(&first, 1, false).await;
        assert_eq!(claim(&first).await, [101]);
        let lapse = query("UPDATE task_outbox SET lease_until = 0");
        first.database.rows(QueryType::Update, lapse).await.unwrap();
        assert_eq!(claim(&second).await, [101]);
        assert!(!first.set_aside(1, "status 400").await.unwrap());
        let depth = first.depth().await.unwrap();
        assert_eq!((depth.waiting, depth.refused), (1, 0), "it may be under way to the sidecar");
        assert!(second.set_aside(1, "status 400").await.unwrap());
    }
}
