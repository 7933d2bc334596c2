//! The event service's process: settings from the environment, then [`todo_event_service::run`].
//!
//! Input: environment variables. Output: an exit code. Deliberately nothing else.

use std::process::ExitCode;

use todo_event_service::{EventServiceSettings, run};
use todo_telemetry::{Environment, start};

fn main() -> ExitCode {
    let settings = EventServiceSettings::from_environment(&Environment::of_process());
    start(settings, |settings| settings.listen.log_level, run)
}
