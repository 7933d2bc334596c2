//! From a database that may not be there yet to a process that is ready.
//!
//! Input: a database and its migrations. Output: the ready phase, now or later. While the database is away the process lives and
//! `/readyz` says why; what waiting cannot cure ends the start. Deliberately tries for ever: restarting would not help either.

use std::time::Duration;

use crate::{Database, Lifecycle, Migrations, Result};

/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the start waits for the first attempt before it goes on without.
const FIRST_ATTEMPT: Duration = Duration::from_millis(500);

/// Migrates `database` and declares the process ready; goes on trying in the background when the database is away.
///
/// # Errors
/// When the first attempt fails in a way that waiting would not cure.
pub async fn prepare_database(
    database: &Database,
    migrations: &'static Migrations,
    lifecycle: &Lifecycle,
) -> Result<()> {
    let reason = match tokio::time::timeout(FIRST_ATTEMPT, database.migrate(migrations)).await {
        Ok(Ok(())) => {
            lifecycle.ready();
            return Ok(());
        }
        Ok(Err(error)) if error.is_transient() => error.to_string(),
        Ok(Err(error)) => return Err(error),
        Err(_) => "no answer yet".to_owned(),
    };
    tracing::warn!(reason, "waiting for the database");
    tokio::spawn(keep_trying(database.clone(), migrations, lifecycle.clone()));
    Ok(())
}

async fn keep_trying(database: Database, migrations: &'static Migrations, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        tokio::time::sleep(PAUSE).await;
        match database.migrate(migrations).await {
            Ok(()) => {
                tracing::info!("the database is there");
                return lifecycle.ready();
            }
            Err(error) => tracing::warn!(%error, "still waiting for the database"),
        }
    }
}
