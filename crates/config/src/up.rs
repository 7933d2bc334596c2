//! What `tidewatch up` runs: manifests, the settings of tidewatch.yaml, dashboards.
//!
//! Input: paths and overrides from the command line. Output: an [`UpSpec`]. A manifest with a mistake is left out and
//! its mistakes are listed; only when nothing is left to run is that an error.

use crate::ConfigError;
use crate::dashboards::dashboards_of;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidewatch_dashboard::Catalog;
use tidewatch_manifest::{ManifestError, Manifests, Settings, Severity, check, load_usable};

/// The settings file looked for in the current folder.
const DEFAULT_SETTINGS: &str = "tidewatch.yaml";

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct UpInput {
    /// Manifests; none: those that the settings name.
    pub files: Vec<PathBuf>,
    /// The settings file; none: `tidewatch.yaml`, if there is one.
    pub settings: Option<PathBuf>,
    /// Ports on 127.0.0.1 by Service; they win over those of the settings.
    pub expose: Vec<(String, u16)>,
}

/// What is to be run.
#[derive(Debug)]
pub struct UpSpec {
    /// The objects that can be used.
    pub manifests: Manifests,
    /// What runs for an image, and what is exposed.
    pub settings: Settings,
    /// The folder of the settings file, absolute.
    pub settings_dir: PathBuf,
    /// The dashboards.
    pub dashboards: Catalog,
    /// Mistakes: what they are in is left out or will not work.
    pub errors: Vec<String>,
    /// What may not be as it was meant.
    pub warnings: Vec<String>,
}

/// Reads everything that `up` needs.
///
/// # Errors
/// When there is no Deployment to run, or the settings file has mistakes.
pub fn up_spec(input: &UpInput) -> Result<UpSpec, ConfigError> {
    let (mut settings, settings_dir) = read_settings(input)?;
    for (service, port) in &input.expose {
        settings.expose.insert(service.clone(), *port);
    }
    let paths: Vec<PathBuf> = if input.files.is_empty() {
        settings.manifests.iter().map(|path| relative_to(&settings_dir, path)).collect()
    } else {
        input.files.clone()
    };
    let (manifests, mistakes) = load_usable(&paths);
    if manifests.deployments.is_empty() {
        if mistakes.is_empty() {
            let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
            return Err(ConfigError::NoDeployment(names.join(", ")));
        }
        return Err(ConfigError::Files(mistakes));
    }
    Ok(assemble(manifests, settings, settings_dir, &mistakes))
}

fn assemble(
    manifests: Manifests,
    settings: Settings,
    settings_dir: PathBuf,
    mistakes: &[ManifestError],
) -> UpSpec {
    let (dashboards, complaints) = dashboards_of(&manifests);
    let mut errors: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    errors.extend(complaints);
    let ignored = settings.warnings.iter().chain(&manifests.warnings);
    let mut warnings: Vec<String> = ignored.map(ToString::to_string).collect();
    for diagnostic in check(&manifests) {
        match diagnostic.severity {
            Severity::Error => errors.push(diagnostic.error.to_string()),
            Severity::Warning => warnings.push(diagnostic.error.to_string()),
        }
    }
    UpSpec { manifests, settings, settings_dir, dashboards, errors, warnings }
}

/// The settings and their folder; no settings at all when manifests are given and no file is there.
fn read_settings(input: &UpInput) -> Result<(Settings, PathBuf), ConfigError> {
    let path = input.settings.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_SETTINGS));
    let here = || std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    if input.settings.is_none() && !path.exists() {
        if input.files.is_empty() {
            return Err(ConfigError::NothingGiven(path.display().to_string()));
        }
        return Ok((Settings::default(), here()));
    }
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let error = ManifestError::new(&shown, format!("cannot be read: {error}"))
            .hint("check the path after --config");
        ConfigError::Files(vec![error])
    })?;
    let settings = Settings::parse(&shown, &text).map_err(ConfigError::Files)?;
    let absolute = here().join(&path);
    Ok((settings, absolute.parent().unwrap_or(Path::new("/")).to_path_buf()))
}

/// A path of the settings file, as short as it can be shown.
fn relative_to(folder: &Path, path: &str) -> PathBuf {
    let joined = folder.join(path);
    let here = std::env::current_dir().unwrap_or_default();
    joined.strip_prefix(&here).map(Path::to_path_buf).unwrap_or(joined)
}

impl UpSpec {
    /// The ports on 127.0.0.1 by Service, as the settings and the command line say.
    pub fn exposed(&self) -> &BTreeMap<String, u16> {
        &self.settings.expose
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  selector: {matchLabels: {app: a}}\n  \
        template:\n    metadata: {labels: {app: a}}\n    spec:\n      containers: [{name: c, image: i}]\n";

    fn spec(files: &[(&str, &str)]) -> Result<UpSpec, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut input = UpInput { expose: vec![("a".into(), 0)], ..UpInput::default() };
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            if *name == "tidewatch.yaml" {
                input.settings = Some(path);
            } else {
                input.files.push(path);
            }
        }
        up_spec(&input).map_err(|e| e.to_string())
    }

    #[test]
    fn a_broken_file_is_left_out_and_the_rest_is_run() {
        let spec = spec(&[("bad.yaml", "kind: [\n"), ("good.yaml", GOOD)]).unwrap();
        assert_eq!(spec.manifests.deployments.len(), 1);
        assert!(spec.errors.iter().any(|e| e.contains("bad.yaml:")), "{:?}", spec.errors);
    }

    #[test]
    fn with_nothing_left_to_run_all_mistakes_are_told() {
        let error = spec(&[("bad.yaml", "kind: [\n"), ("worse.yaml", "a: b: c\n")]).unwrap_err();
        assert!(error.contains("bad.yaml:") && error.contains("worse.yaml:"), "{error}");
        let error =
            spec(&[("empty.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n")]).unwrap_err();
        assert!(error.contains("no Deployment in") && error.contains("hint:"), "{error}");
    }

    #[test]
    fn the_command_line_wins_over_the_settings() {
        let settings = "images: {i: {command: [x]}}\nexpose: {a: 8000, b: 1}\n";
        let spec = spec(&[("tidewatch.yaml", settings), ("good.yaml", GOOD)]).unwrap();
        assert_eq!(spec.exposed().get("a"), Some(&0));
        assert_eq!(spec.exposed().get("b"), Some(&1));
    }
}
