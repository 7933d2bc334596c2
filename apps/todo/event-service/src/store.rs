//! Activities in the database.
//!
//! Input: checked events and feed requests. Output: activities, newest first by the time of their events: one that arrives late takes its
//! place. The table is bounded: now and then the oldest beyond the limit are removed. Of those it remembers source and id, ten times as
//! many, so that one that is sent again is not taken for new. Deliberately has no statement per database.

use std::{
    fmt::{self, Display},
    str::FromStr,
};

use serde::Serialize;
use sqlx::{Any, Decode, Row, Type, any::AnyRow, query};
use todo_telemetry::{Database, QueryType};

use crate::{Error, Result, cloud_event::CloudEvent};

/// The oldest activities are removed after every so many new ones.
const PRUNE_EVERY: i64 = 64;
/// Removed activities that are remembered, for each that is kept.
const PAST_FOR_EACH: i64 = 10;

macro_rules! columns {
    () => {
        "SELECT id, event_id, event_type, task_id, event_time, title, changed, position FROM activities"
    };
}

/// A repeated event is looked for first, since a conflict uses a number up: the limit is one of numbers. The conflict is for two at once.
const INSERT: &str = "INSERT INTO activities (event_source, event_id, event_type, task_id, event_time, title, changed, position) \
                      SELECT $1, $2, $3, CAST($4 AS BIGINT), $5, $6, $7, CAST($8 AS BIGINT) \
                      WHERE NOT EXISTS (SELECT 1 FROM activities WHERE event_source = $1 AND event_id = $2) \
                      AND NOT EXISTS (SELECT 1 FROM past_events WHERE event_source = $1 AND event_id = $2) \
                      ON CONFLICT (event_source, event_id) DO NOTHING RETURNING id";
const REMEMBER: &str = "INSERT INTO past_events (event_source, event_id, activity_id) \
                        SELECT event_source, event_id, id FROM activities WHERE id <= $1 ORDER BY id \
                        ON CONFLICT (event_source, event_id) DO NOTHING";
/// An activity is removed only when an earlier turn has remembered it: an insertion that runs meanwhile sees it in one of the tables.
const PRUNE: &str = "DELETE FROM activities WHERE id <= $1 AND EXISTS (SELECT 1 FROM past_events \
                     WHERE past_events.event_source = activities.event_source AND past_events.event_id = activities.event_id)";
const FORGET: &str = "DELETE FROM past_events WHERE activity_id <= $1";
const FEED: &str =
    concat!(columns!(), " WHERE (position, id) < ($1, $2) ORDER BY position DESC, id DESC LIMIT $3");
const FEED_OF_TASK: &str = concat!(
    columns!(),
    " WHERE task_id = $4 AND (position, id) < ($1, $2) ORDER BY position DESC, id DESC LIMIT $3"
);

/// One line of the feed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Activity {
    /// Ascending in the order of arrival.
    pub(crate) id: i64,
    pub(crate) event_id: String,
    pub(crate) r#type: String,
    pub(crate) task_id: i64,
    pub(crate) time: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) changed: Vec<String>,
    #[serde(skip)]
    position: i64,
}

/// A place in the feed, written as `<position>-<id>`: the activities after it are older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    position: i64,
    id: i64,
}

impl Cursor {
    /// Before the newest activity.
    pub(crate) const START: Self = Self { position: i64::MAX, id: i64::MAX };

    pub(crate) fn after(activity: &Activity) -> Self {
        Self { position: activity.position, id: activity.id }
    }
}

impl Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.position, self.id)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (position, id) = text.split_once('-').ok_or(())?;
        let number = |text: &str| text.parse().ok().filter(|number| *number >= 0).ok_or(());
        Ok(Self { position: number(position)?, id: number(id)? })
    }
}

/// Which activities a feed shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) task_id: Option<i64>,
    /// 1 to 200.
    pub(crate) limit: i64,
    /// Only activities after this place.
    pub(crate) before: Cursor,
}

/// The table of activities.
#[derive(Clone, Debug)]
pub(crate) struct ActivityStore {
    database: Database,
    limit: i64,
}

impl ActivityStore {
    /// Keeps about the newest `limit` activities, and knows ten times as many older ones again.
    pub(crate) fn new(database: Database, limit: i64) -> Self {
        Self { database, limit }
    }

    /// Keeps an event; `false` when it is there already, or was.
    pub(crate) async fn add(&self, event: &CloudEvent) -> Result<bool> {
        let insert = query(INSERT)
            .bind(&event.source)
            .bind(&event.id)
            .bind(&event.event_type)
            .bind(event.task_id)
            .bind(event.time.as_deref())
            .bind(event.title.as_deref())
            .bind(&event.changed)
            .bind(event.position);
        let rows = self.database.rows(QueryType::Insert, insert).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let id: i64 = column(row, 0)?;
        if id % PRUNE_EVERY == 0 && id + PRUNE_EVERY > self.limit {
            self.prune(id).await?;
        }
        Ok(true)
    }

    /// Makes room, as `newest` was kept.
    async fn prune(&self, newest: i64) -> Result<()> {
        let oldest = newest - self.limit;
        let mut transaction = self.database.begin().await?;
        transaction.rows(QueryType::Delete, query(PRUNE).bind(oldest)).await?;
        // Those whose turn is the next one.
        transaction.rows(QueryType::Insert, query(REMEMBER).bind(oldest + PRUNE_EVERY)).await?;
        let forgotten = oldest - PAST_FOR_EACH.saturating_mul(self.limit);
        transaction.rows(QueryType::Delete, query(FORGET).bind(forgotten)).await?;
        Ok(transaction.commit().await?)
    }

    /// The newest activities that `feed` asks for.
    pub(crate) async fn feed(&self, feed: &Feed) -> Result<Vec<Activity>> {
        let Cursor { position, id } = feed.before;
        let select = match feed.task_id {
            None => query(FEED).bind(position).bind(id).bind(feed.limit),
            Some(task_id) => query(FEED_OF_TASK).bind(position).bind(id).bind(feed.limit).bind(task_id),
        };
        self.database.rows(QueryType::Select, select).await?.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<Activity> {
    let changed: String = column(row, 6)?;
    Ok(Activity {
        id: column(row, 0)?,
        event_id: column(row, 1)?,
        r#type: column(row, 2)?,
        task_id: column(row, 3)?,
        position: column(row, 7)?,
        time: column(row, 4)?,
        title: column(row, 5)?,
        changed: changed.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
    })
}

fn column<'r, T: Decode<'r, Any> + Type<Any>>(row: &'r AnyRow, index: usize) -> Result<T> {
    row.try_get(index).map_err(|error| Error::Row(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SCHEMA;

    fn event(number: i64) -> CloudEvent {
        CloudEvent {
            source: "/todo-backend".to_owned(),
            id: format!("e{number}"),
            event_type: "task.updated".to_owned(),
            task_id: 1,
            time: None,
            position: number,
            title: None,
            changed: String::new(),
        }
    }

    #[tokio::test]
    async fn what_made_room_is_known_again_for_ten_times_as_long() {
        let folder = tempfile::tempdir().unwrap();
        let database =
            Database::open("DATABASE_URL", &format!("sqlite:{}/t.db", folder.path().display())).unwrap();
        database.migrate(&SCHEMA).await.unwrap();
        let store = ActivityStore::new(database.clone(), 100);
        let count = async |table: &'static str| {
            let count = match table {
                "past_events" => query("SELECT COUNT(*) FROM past_events"),
                _ => query("SELECT COUNT(*) FROM activities"),
            };
            let rows = database.rows(QueryType::Select, count).await.unwrap();
            rows[0].get::<i64, _>(0)
        };
        let mut most = (0, 0);
        for number in 1..=1280 {
            assert!(store.add(&event(number)).await.unwrap(), "{number} is new");
            most = (count("activities").await.max(most.0), count("past_events").await.max(most.1));
            // Kept, remembered as the next to go, and gone.
            for before in [0, 50, 90, 150, 500, 1000] {
                let repeated = number - before;
                if repeated > 0 {
                    assert!(!store.add(&event(repeated)).await.unwrap(), "{repeated} after {number}");
                }
            }
        }
        assert!(most.0 <= 100 + PRUNE_EVERY && most.1 <= 1000 + 2 * PRUNE_EVERY, "{most:?}");
        assert!(store.add(&event(1)).await.unwrap(), "forgotten in the end");
    }
}
