//! Tasks in the database.
//!
//! Input: drafts and pages that were checked. Output: tasks. Every change is one statement that returns the row it made, so that
//! replicas never overwrite each other's fields and no transaction is left open. Deliberately has no statement per database.

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
    page::Page,
    task::{Priority, Task, Timestamp},
};

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
     updated_at = $9, version = version + 1 WHERE id = $1 RETURNING ",
    columns!()
);
const COMPLETE: &str = concat!(
    "UPDATE tasks SET completed = 1, completed_at = $2, updated_at = $2, version = version + 1 \
     WHERE id = $1 AND completed = 0 RETURNING ",
    columns!()
);
const REOPEN: &str = concat!(
    "UPDATE tasks SET completed = 0, completed_at = NULL, updated_at = $2, version = version + 1 \
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
#[derive(Clone, Debug)]
pub(crate) struct TaskStore {
    database: Database,
}

impl TaskStore {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
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
        let task = self.one(QueryType::Insert, insert).await?;
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
        self.one(QueryType::Update, update).await
    }

    pub(crate) async fn complete(&self, id: i64, now: Timestamp) -> Result<Transition> {
        self.transition(COMPLETE, id, now).await
    }

    pub(crate) async fn reopen(&self, id: i64, now: Timestamp) -> Result<Transition> {
        self.transition(REOPEN, id, now).await
    }

    /// Removes a task and returns what it was.
    pub(crate) async fn delete(&self, id: i64) -> Result<Option<Task>> {
        self.one(QueryType::Delete, query(DELETE).bind(id)).await
    }

    async fn transition(&self, statement: &'static str, id: i64, now: Timestamp) -> Result<Transition> {
        let made = self.one(QueryType::Update, query(statement).bind(id).bind(now.0)).await?;
        Ok(match made {
            Some(task) => Transition::Made(task),
            None => self.get(id).await?.map_or(Transition::Missing, Transition::Unneeded),
        })
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
