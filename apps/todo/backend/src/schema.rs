//! The backend's tables.
//!
//! Input: nothing. Output: the migrations. Only types that SQLite and PostgreSQL share; times are milliseconds since the epoch.
//! `*_folded` holds a text in lower case, so that searching ignores case in the same way on both. Deliberately no trigger and no
//! stored procedure.

use todo_telemetry::{Migration, Migrations};

pub(crate) const SCHEMA: Migrations = Migrations {
    table: "todo_backend_migrations",
    steps: &[
        Migration {
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
        },
        // `id` ascends within a task in the order of its changes: it is given while the task's row, or the file, is locked.
        Migration {
            version: 2,
            name: "outbox",
            statements: &[
                "CREATE TABLE task_outbox (\
                 id {identity}, \
                 event_id TEXT NOT NULL, \
                 event_type TEXT NOT NULL, \
                 task_id BIGINT NOT NULL, \
                 body TEXT NOT NULL, \
                 traceparent TEXT, \
                 tracestate TEXT, \
                 created_at BIGINT NOT NULL, \
                 attempts BIGINT NOT NULL DEFAULT 0, \
                 not_before BIGINT NOT NULL DEFAULT 0, \
                 owner TEXT NOT NULL, \
                 lease_until BIGINT NOT NULL)",
                "CREATE INDEX task_outbox_by_task ON task_outbox (task_id, id)",
                "CREATE TABLE task_outbox_refused (\
                 id BIGINT PRIMARY KEY, \
                 event_id TEXT NOT NULL, \
                 event_type TEXT NOT NULL, \
                 task_id BIGINT NOT NULL, \
                 body TEXT NOT NULL, \
                 traceparent TEXT, \
                 tracestate TEXT, \
                 created_at BIGINT NOT NULL, \
                 attempts BIGINT NOT NULL, \
                 refused_at BIGINT NOT NULL, \
                 reason TEXT NOT NULL)",
            ],
        },
    ],
};
