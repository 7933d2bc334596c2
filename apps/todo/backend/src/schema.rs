//! The backend's tables.
//!
//! Input: nothing. Output: the migrations. Only types that SQLite and PostgreSQL share; times are milliseconds since the epoch.
//! `*_folded` holds a text in lower case, so that searching ignores case in the same way on both. Deliberately no trigger and no
//! stored procedure.

use todo_telemetry::{Migration, Migrations};

pub(crate) const SCHEMA: Migrations = Migrations {
    table: "todo_backend_migrations",
    steps: &[Migration {
        version: 1,
        name: "tasks",
        statements: &[
            "CREATE TABLE tasks (\
             id {identity}, \
             title TEXT NOT NULL, \
             title_folded TEXT NOT NULL, \
             description TEXT NOT NULL, \
             description_folded TEXT NOT NULL, \
             priority TEXT NOT NULL, \
             due_date TEXT, \
             completed BIGINT NOT NULL DEFAULT 0, \
             completed_at BIGINT, \
             created_at BIGINT NOT NULL, \
             updated_at BIGINT NOT NULL, \
             version BIGINT NOT NULL DEFAULT 1)",
            "CREATE INDEX tasks_by_completion ON tasks (completed, id)",
        ],
    }],
};
