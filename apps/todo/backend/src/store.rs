//! Tasks in the database.
//!
//! Input: drafts and pages that were checked. Output: tasks. Every change is one statement that returns the row it made, so that
//! replicas never overwrite each other's fields, and is committed together with its event, which then goes to the relay.
//! Deliberately has no statement per database.

use sqlx::{
    Any, Decode, Row, Type,
    any::{AnyArguments, AnyRow},
    query,
    query::Query,
};
use todo_telemetry::{Database, QueryType};

use crate::{
    Error, Result,
    draft::Draft,
    event::{EventType, TaskEvent},
    page::Page,
    relay::RelayHandle,
    task::{Priority, Task, Timestamp},
};

// `updated_at` never goes back, even when a replica's clock does: events of one task are sorted by it.

/// The columns of a [`Task`], in the order [`read`] expects.
macro_rules! columns {
    () => {
        "id, title, description, priority, due_date, completed_at, created_at, updated_at, version"
    };
}

/// `$1`, `$2`: range of `completed`; `$3`: pattern, or empty.
macro_rules! filter {
    () => {
        " FROM tasks WHERE completed BETWEEN $1 AND $2 \
         AND ($3 = '' OR title_folded LIKE $3 ESCAPE '!' OR description_folded LIKE $3 ESCAPE '!')"
    };
}

const LIST: &str = concat!("SELECT ", columns!(), filter!(), " ORDER BY id DESC LIMIT $4 OFFSET $5");
const COUNT: &str = concat!("SELECT COUNT(*)", filter!());
/// Without a search the count is answered from an index alone.
const COUNT_ALL: &str = "SELECT COUNT(*) FROM tasks WHERE completed BETWEEN $1 AND $2";
const GET: &str = concat!("SELECT ", columns!(), " FROM tasks WHERE id = $1");
const INSERT: &str = concat!(
    "INSERT INTO tasks (title, title_folded, description, description_folded, priority, due_date, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING ",
    columns!()
);
const UPDATE: &str = concat!(
    "UPDATE tasks SET title = COALESCE($2, title), title_folded = COALESCE($3, title_folded), \
     description = COALESCE($4, description), description_folded = COALESCE($5, description_folded), \
     priority = COALESCE($6, priority), due_date = CASE WHEN $7 = 1 THEN $8 ELSE due_date END, \
     updated_at = CASE WHEN updated_at > $9 THEN updated_at ELSE $9 END, version = version + 1 WHERE id = $1 RETURNING ",
    columns!()
);
const COMPLETE: &str = concat!(
    "UPDATE tasks SET completed = 1, completed_at = $2, \
     updated_at = CASE WHEN updated_at > $2 THEN updated_at ELSE $2 END, version = version + 1 \
     WHERE id = $1 AND completed = 0 RETURNING ",
    columns!()
);
const REOPEN: &str = concat!(
    "UPDATE tasks SET completed = 0, completed_at = NULL, \
     updated_at = CASE WHEN updated_at > $2 THEN updated_at ELSE $2 END, version = version + 1 \
     WHERE id = $1 AND completed = 1 RETURNING ",
    columns!()
);
const DELETE: &str = concat!("DELETE FROM tasks WHERE id = $1 RETURNING ", columns!());

/// What completing or reopening found.
#[derive(Debug)]
pub(crate) enum Transition {
    /// The task is in the other state now.
    Made(Task),
    /// It already was.
    Unneeded(Task),
    /// There is no such task.
    Missing,
}

/// The table of tasks.
#[derive(Debug)]
pub(crate) struct TaskStore {
    database: Database,
    relay: RelayHandle,
}

/// A change to be announced.
#[derive(Clone, Copy)]
struct Announcement<'a> {
    event_type: EventType,
    /// Names of the fields that are set.
    changed: &'a [&'static str],
    now: Timestamp,
}

impl TaskStore {
    pub(crate) fn new(database: Database, relay: RelayHandle) -> Self {
        Self { database, relay }
    }

    /// One page, and how many tasks match in all.
    pub(crate) async fn list(&self, page: &Page) -> Result<(Vec<Task>, i64)> {
        let (least, most) = match page.completed {
            None => (0_i64, 1_i64),
            Some(completed) => (i64::from(completed), i64::from(completed)),
        };
        let pattern = page.search.as_deref().map(pattern).unwrap_or_default();
        let list = query(LIST).bind(least).bind(most).bind(&pattern).bind(page.limit).bind(page.offset);
        let tasks = self.tasks(QueryType::Select, list).await?;
        if page.offset == 0 && (tasks.len() as i64) < page.limit {
            let total = tasks.len() as i64;
            return Ok((tasks, total));
        }
        let count = if pattern.is_empty() {
            query(COUNT_ALL).bind(least).bind(most)
        } else {
            query(COUNT).bind(least).bind(most).bind(&pattern)
        };
        let rows = self.database.rows(QueryType::Select, count).await?;
        let total = rows.first().map_or(Ok(0), |row| column(row, 0))?;
        Ok((tasks, total))
    }

    pub(crate) async fn get(&self, id: i64) -> Result<Option<Task>> {
        self.one(QueryType::Select, query(GET).bind(id)).await
    }

    /// Stores a whole draft as a new task.
    pub(crate) async fn insert(&self, draft: &Draft, now: Timestamp) -> Result<Task> {
        let title = draft.title.as_deref().unwrap_or_default();
        let description = draft.description.as_deref().unwrap_or_default();
        let insert = query(INSERT)
            .bind(title)
            .bind(title.to_lowercase())
            .bind(description)
            .bind(description.to_lowercase())
            .bind(draft.priority.unwrap_or_default().name())
            .bind(draft.due_date.clone().flatten())
            .bind(now.0);
        let announcement = Announcement { event_type: EventType::Created, changed: &draft.changed(), now };
        let task = self.change(QueryType::Insert, insert, announcement).await?;
        task.ok_or_else(|| Error::Row("an insertion returned no row".to_owned()))
    }

    /// Sets the fields of `draft`; `None` when there is no such task.
    pub(crate) async fn update(&self, id: i64, draft: &Draft, now: Timestamp) -> Result<Option<Task>> {
        let update = query(UPDATE)
            .bind(id)
            .bind(draft.title.as_deref())
            .bind(draft.title.as_deref().map(str::to_lowercase))
            .bind(draft.description.as_deref())
            .bind(draft.description.as_deref().map(str::to_lowercase))
            .bind(draft.priority.map(Priority::name))
            .bind(i64::from(draft.due_date.is_some()))
            .bind(draft.due_date.clone().flatten())
            .bind(now.0);
        let announcement = Announcement { event_type: EventType::Updated, changed: &draft.changed(), now };
        self.change(QueryType::Update, update, announcement).await
    }

    pub(crate) async fn complete(&self, id: i64, now: Timestamp) -> Result<Transition> {
        self.transition(COMPLETE, EventType::Completed, id, now).await
    }

    pub(crate) async fn reopen(&self, id: i64, now: Timestamp) -> Result<Transition> {
        self.transition(REOPEN, EventType::Updated, id, now).await
    }

    /// Removes a task and returns what it was.
    pub(crate) async fn delete(&self, id: i64, now: Timestamp) -> Result<Option<Task>> {
        let announcement = Announcement { event_type: EventType::Deleted, changed: &[], now };
        self.change(QueryType::Delete, query(DELETE).bind(id), announcement).await
    }

    async fn transition(
        &self,
        statement: &'static str,
        event_type: EventType,
        id: i64,
        now: Timestamp,
    ) -> Result<Transition> {
        let announcement = Announcement { event_type, changed: &["completed"], now };
        let made =
            self.change(QueryType::Update, query(statement).bind(id).bind(now.0), announcement).await?;
        Ok(match made {
            Some(task) => Transition::Made(task),
            None => self.get(id).await?.map_or(Transition::Missing, Transition::Unneeded),
        })
    }

    /// Makes a change of one task and leaves its event in the outbox, both or neither.
    async fn change(
        &self,
        query_type: QueryType,
        statement: Statement<'_>,
        Announcement { event_type, changed, now }: Announcement<'_>,
    ) -> Result<Option<Task>> {
        let place = self.relay.place();
        let outbox = self.relay.outbox();
        let mut transaction = self.database.begin().await?;
        let rows = transaction.rows(query_type, statement).await?;
        let Some(task) = rows.first().map(read).transpose()? else { return Ok(None) };
        let event = TaskEvent::new(event_type, &task, now, changed);
        let insert = outbox.insertion(&event, now, place.is_some());
        let rows = transaction.rows(QueryType::Insert, insert).await?;
        transaction.commit().await?;
        // The change is committed: what cannot be handed over now is found in the table.
        let claimed = rows.first().and_then(|row| outbox.inserted(row, event, now).ok().flatten());
        self.relay.committed(place, claimed, now);
        Ok(Some(task))
    }

    async fn one(&self, query_type: QueryType, query: Statement<'_>) -> Result<Option<Task>> {
        Ok(self.tasks(query_type, query).await?.into_iter().next())
    }

    async fn tasks(&self, query_type: QueryType, query: Statement<'_>) -> Result<Vec<Task>> {
        self.database.rows(query_type, query).await?.iter().map(read).collect()
    }
}

type Statement<'q> = Query<'q, Any, AnyArguments>;

fn read(row: &AnyRow) -> Result<Task> {
    let id: i64 = column(row, 0)?;
    let priority: String = column(row, 3)?;
    let completed_at: Option<i64> = column(row, 5)?;
    Ok(Task {
        id,
        title: column(row, 1)?,
        description: column(row, 2)?,
        priority: Priority::of_name(&priority).ok_or(Error::Stored {
            id,
            column: "priority",
            value: priority,
        })?,
        due_date: column(row, 4)?,
        completed: completed_at.is_some(),
        completed_at: completed_at.map(Timestamp),
        created_at: Timestamp(column(row, 6)?),
        updated_at: Timestamp(column(row, 7)?),
        version: column(row, 8)?,
    })
}

fn column<'r, T: Decode<'r, Any> + Type<Any>>(row: &'r AnyRow, index: usize) -> Result<T> {
    row.try_get(index).map_err(|error| Error::Row(error.to_string()))
}

/// A LIKE pattern that finds `search` anywhere, letter by letter.
fn pattern(search: &str) -> String {
    let mut pattern = String::with_capacity(search.len() + 2);
    pattern.push('%');
    for letter in search.chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
