//! The frame of every process's `main`.
//!
//! Input: settings, or why there are none, and the future that serves. Output: an exit code; a failure is one JSON log line.
//! Deliberately small: a pod of this application should cost a few megabytes.

use std::{fmt::Display, process::ExitCode, thread::available_parallelism};

use crate::{LogLevel, ServeOutcome, init_json_logs};

/// Most worker threads: more replicas serve more, not more threads.
const MAX_WORKERS: usize = 4;

/// Starts logging and the runtime, and runs `serve` to its end. Exit code 1 when it could not start, or had to cut requests.
pub fn start<S, E, F>(
    settings: Result<S, E>,
    log_level: impl FnOnce(&S) -> LogLevel,
    serve: impl FnOnce(S) -> F,
) -> ExitCode
where
    E: Display,
    F: Future<Output = Result<ServeOutcome, E>>,
{
    let outcome = settings.and_then(|settings| {
        init_json_logs(log_level(&settings));
        let workers = available_parallelism().map_or(1, |cores| cores.get().min(MAX_WORKERS));
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .max_blocking_threads(8)
            .enable_all()
            .build()
            .expect("threads can be started")
            .block_on(serve(settings))
    });
    match outcome {
        Ok(ServeOutcome::Drained) => ExitCode::SUCCESS,
        Ok(ServeOutcome::Cut { .. }) => ExitCode::FAILURE,
        Err(error) => {
            init_json_logs(LogLevel::Error);
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
