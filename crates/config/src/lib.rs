//! All inputs of a run, from files to plain specifications of the stages.
//!
//! Input: paths and settings from the command line. Output: what the pipeline starts, and every complaint about the
//! files, each with its place and remedy. It reads files; it starts nothing and listens nowhere.

mod dashboards;
mod platform;
mod serve;
mod up;

pub use dashboards::dashboards_of;
pub use platform::{PlatformAddresses, SCRAPE_INTERVAL, controller_job, kafka_exporter_job, platform_jobs};
pub use serve::{ServeSpec, serve_spec};
pub use up::{UpInput, UpSpec, up_spec};

/// Why nothing can be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Files cannot be used; all complaints, one a line.
    #[error("{}", lines(.0))]
    Files(Vec<tidewatch_manifest::ManifestError>),
    /// Nothing was given to run.
    #[error(
        "nothing to run: no -f PATH was given and {0} does not exist\n  hint: run it in the folder of a tidewatch.yaml, \
         or name manifests with -f"
    )]
    NothingGiven(String),
    /// The manifests hold no Deployment.
    #[error(
        "nothing to run: no Deployment in {0}\n  hint: name the files that hold the application's Deployments"
    )]
    NoDeployment(String),
}

fn lines(errors: &[tidewatch_manifest::ManifestError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
