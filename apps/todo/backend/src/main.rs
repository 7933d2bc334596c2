//! The backend's process: settings from the environment, then [`todo_backend::run`].
//!
//! Input: environment variables. Output: an exit code. Deliberately nothing else.

use std::process::ExitCode;

use todo_backend::{BackendSettings, run};
use todo_telemetry::{Environment, start};

fn main() -> ExitCode {
    let settings = BackendSettings::from_environment(&Environment::of_process());
    start(settings, |settings| settings.listen.log_level, run)
}
