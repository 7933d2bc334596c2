//! The event service's tables.
//!
//! Input: nothing. Output: the migrations. Only types that SQLite and PostgreSQL share. The unique pair is what makes a repeated
//! event harmless, whichever replica it reaches. Deliberately has no foreign key: tasks live elsewhere.

use todo_telemetry::{Migration, Migrations};

pub(crate) const SCHEMA: Migrations =
    Migrations { table: "todo_event_service_migrations", steps: &[FEED, ORDER, PAST] };

const FEED: Migration = Migration {
    version: 1,
    name: "activities",
    statements: &[
        "CREATE TABLE activities (\
         id {identity}, \
         event_source TEXT NOT NULL, \
         event_id TEXT NOT NULL, \
         event_type TEXT NOT NULL, \
         task_id BIGINT NOT NULL, \
         event_time TEXT, \
         title TEXT, \
         changed TEXT NOT NULL, \
         UNIQUE (event_source, event_id))",
        "CREATE INDEX activities_by_task ON activities (task_id, id)",
    ],
};

/// `position` sorts by the time at which something happened, whenever it arrived. What was kept before has none, and is older.
const ORDER: Migration = Migration {
    version: 2,
    name: "activities in the order of events",
    statements: &[
        "ALTER TABLE activities ADD COLUMN position BIGINT NOT NULL DEFAULT 0",
        "CREATE INDEX activities_by_position ON activities (position, id)",
        "CREATE INDEX activities_by_task_position ON activities (task_id, position, id)",
        "DROP INDEX activities_by_task",
    ],
};

/// What has made room for newer activities, so that it is not taken for new when it is sent again. `activity_id` is the number that the
/// activity had.
const PAST: Migration = Migration {
    version: 3,
    name: "past events",
    statements: &[
        "CREATE TABLE past_events (\
         event_source TEXT NOT NULL, \
         event_id TEXT NOT NULL, \
         activity_id BIGINT NOT NULL, \
         PRIMARY KEY (event_source, event_id))",
        "CREATE INDEX past_events_by_activity ON past_events (activity_id)",
    ],
};
