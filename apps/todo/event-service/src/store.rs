//! Activities in the database.
//!
//! Input: checked events and feed requests. Output: activities, newest first. The table is bounded: now and then the oldest beyond
//! the limit are removed. Deliberately has no statement per database.

use serde::Serialize;
use sqlx::{Row, any::AnyRow, query};
use todo_telemetry::{Database, QueryType};

use crate::{Error, Result, cloud_event::CloudEvent};

/// The oldest activities are removed after every so many new ones.
const PRUNE_EVERY: i64 = 64;

macro_rules! columns {
    () => {
        "SELECT id, event_id, event_type, task_id, event_time, title, changed FROM activities"
    };
}

const INSERT: &str = "INSERT INTO activities (event_source, event_id, event_type, task_id, event_time, title, changed) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (event_source, event_id) DO NOTHING RETURNING id";
const PRUNE: &str = "DELETE FROM activities WHERE id <= $1";
const FEED: &str = concat!(columns!(), " WHERE id < $1 ORDER BY id DESC LIMIT $2");
const FEED_OF_TASK: &str = concat!(columns!(), " WHERE task_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2");

/// One line of the feed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Activity {
    /// Ascending in the order of arrival; the cursor of the feed.
    pub(crate) id: i64,
    pub(crate) event_id: String,
    pub(crate) r#type: String,
    pub(crate) task_id: i64,
    pub(crate) time: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) changed: Vec<String>,
}

/// Which activities a feed shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) task_id: Option<i64>,
    /// 1 to 200.
    pub(crate) limit: i64,
    /// Only activities with a smaller id.
    pub(crate) before: i64,
}

/// The table of activities.
#[derive(Clone, Debug)]
pub(crate) struct ActivityStore {
    database: Database,
    limit: i64,
}

impl ActivityStore {
    /// Keeps about the newest `limit` activities.
    pub(crate) fn new(database: Database, limit: i64) -> Self {
        Self { database, limit }
    }

    /// Keeps an event; `false` when it was there already.
    pub(crate) async fn add(&self, event: &CloudEvent) -> Result<bool> {
        let insert = query(INSERT)
            .bind(&event.source)
            .bind(&event.id)
            .bind(&event.event_type)
            .bind(event.task_id)
            .bind(event.time.as_deref())
            .bind(event.title.as_deref())
            .bind(&event.changed);
        let rows = self.database.rows(QueryType::Insert, insert).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let id: i64 = row.try_get(0).map_err(unreadable)?;
        if id % PRUNE_EVERY == 0 && id > self.limit {
            self.database.rows(QueryType::Delete, query(PRUNE).bind(id - self.limit)).await?;
        }
        Ok(true)
    }

    /// The newest activities that `feed` asks for.
    pub(crate) async fn feed(&self, feed: &Feed) -> Result<Vec<Activity>> {
        let select = match feed.task_id {
            None => query(FEED).bind(feed.before).bind(feed.limit),
            Some(task_id) => query(FEED_OF_TASK).bind(feed.before).bind(feed.limit).bind(task_id),
        };
        self.database.rows(QueryType::Select, select).await?.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<Activity> {
    let changed: String = row.try_get(6).map_err(unreadable)?;
    Ok(Activity {
        id: row.try_get(0).map_err(unreadable)?,
        event_id: row.try_get(1).map_err(unreadable)?,
        r#type: row.try_get(2).map_err(unreadable)?,
        task_id: row.try_get(3).map_err(unreadable)?,
        time: row.try_get(4).map_err(unreadable)?,
        title: row.try_get(5).map_err(unreadable)?,
        changed: changed.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
    })
}

fn unreadable(error: sqlx::Error) -> Error {
    Error::Row(error.to_string())
}
