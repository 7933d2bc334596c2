//! What `tidewatch serve` runs: a prometheus.yml and, if given, dashboards.
//!
//! Input: paths. Output: a [`ServeSpec`], with the configuration as the API may show it. Files that the configuration
//! names (targets, secrets) are read later, where they are used.

use crate::ConfigError;
use crate::dashboards::dashboards_of;
use std::path::{Path, PathBuf};
use tidewatch_dashboard::Catalog;
use tidewatch_manifest::{ManifestError, PrometheusConfig, load, shown_config};

/// What is to be scraped and shown.
#[derive(Debug)]
pub struct ServeSpec {
    /// The configuration.
    pub prometheus: PrometheusConfig,
    /// The configuration as YAML, without its secrets.
    pub shown: String,
    /// The dashboards.
    pub dashboards: Catalog,
    /// What the file asks for and this program does not do, and dashboards left out.
    pub warnings: Vec<String>,
}

/// Reads a prometheus.yml and manifests with dashboards.
///
/// # Errors
/// All mistakes of all files.
pub fn serve_spec(config: &Path, dashboards: &[PathBuf]) -> Result<ServeSpec, ConfigError> {
    let shown = config.display().to_string();
    let text = std::fs::read_to_string(config).map_err(|error| {
        let error = ManifestError::new(&shown, format!("cannot be read: {error}"))
            .hint("check the path after --config.file; it is a Prometheus configuration file");
        ConfigError::Files(vec![error])
    })?;
    let prometheus = PrometheusConfig::parse(&shown, &text).map_err(ConfigError::Files)?;
    let manifests = load(dashboards).map_err(ConfigError::Files)?;
    let (catalog, complaints) = dashboards_of(&manifests);
    let ignored = prometheus.warnings.iter().chain(&manifests.warnings);
    let mut warnings: Vec<String> = ignored.map(ToString::to_string).collect();
    warnings.extend(complaints);
    Ok(ServeSpec { prometheus, shown: shown_config(&shown, &text), dashboards: catalog, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_name_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, "global:\n  scrape_interval: never\n").unwrap();
        let error = serve_spec(&file, &[]).unwrap_err().to_string();
        assert!(error.contains("prometheus.yml:2") && error.contains("never"), "{error}");
        let error = serve_spec(Path::new("no.yml"), &[]).unwrap_err().to_string();
        assert!(error.starts_with("no.yml: cannot be read") && error.contains("hint:"), "{error}");
    }
}
