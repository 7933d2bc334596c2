//! Files and folders → what the sidecar of one application is to do.
//!
//! Input: `--resources-path` and `--config`. Output: [`Resources`], or every mistake of every file. Only what is in scope for the
//! application is kept.

use crate::component::{self, Component, Owner};
use crate::configuration::{self, Configuration};
use crate::document;
use crate::resiliency::Resiliency;
use crate::subscription::{self, Subscription};
use crate::{SidecarError, SidecarOptions};
use std::path::{Path, PathBuf};
use tidewatch_manifest::{ManifestError, Other, load};

/// What was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources {
    pub(crate) components: Vec<Component>,
    /// Declarative ones.
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) resiliency: Resiliency,
    pub(crate) configuration: Configuration,
}

const GROUP: &str = "dapr.io/";

impl Resources {
    /// Reads all files.
    ///
    /// # Errors
    /// Every mistake of every file.
    pub(crate) fn load(options: &SidecarOptions) -> Result<Self, SidecarError> {
        let others = read_files(&options.resources_paths)?;
        let mut resources = Self::default();
        let mut errors = Vec::new();
        for other in others.iter().filter(|other| is_for(other, options)) {
            resources.add(other, options, &mut errors);
        }
        if let Some(config) = &options.config {
            match find_configuration(config, &others) {
                Ok(other) => match configuration::read(&other) {
                    Ok(configuration) => resources.configuration = configuration,
                    Err(more) => errors.extend(more),
                },
                Err(more) => errors.extend(more),
            }
        }
        if errors.is_empty() { Ok(resources) } else { Err(SidecarError::Resources(errors)) }
    }

    fn add(&mut self, other: &Other, options: &SidecarOptions, errors: &mut Vec<ManifestError>) {
        let outcome = match (other.kind.as_str(), other.api_version.as_str()) {
            ("Component", "dapr.io/v1alpha1") if !component::is_pubsub(other) => {
                tracing::warn!(component = other.meta.name, "is no pub/sub component and is left out");
                Ok(())
            }
            ("Component", "dapr.io/v1alpha1") => {
                let owner = Owner {
                    app_id: &options.app_id,
                    namespace: options.namespace.as_deref().unwrap_or("default"),
                    pod_name: options.pod_name.as_deref().unwrap_or_default(),
                };
                component::read(other, &owner).map(|component| self.components.push(component))
            }
            ("Subscription", "dapr.io/v1alpha1" | "dapr.io/v2alpha1") => {
                subscription::read(other).map(|subscription| self.subscriptions.push(subscription))
            }
            ("Resiliency", "dapr.io/v1alpha1") => self.resiliency.add(other),
            ("Configuration", _) => Ok(()),
            (kind @ ("Component" | "Subscription" | "Resiliency"), version) => {
                let error = ManifestError::new(
                    &other.meta.source.file,
                    format!("{kind} of {version:?} is not known"),
                )
                .at(other.meta.source.line, 1)
                .object(format!("{kind}/{}", other.meta.name))
                .field("apiVersion")
                .hint("write dapr.io/v1alpha1, or dapr.io/v2alpha1 for a Subscription");
                Err(vec![error])
            }
            (kind, _) => {
                tracing::info!(kind, name = other.meta.name, "does not concern pub/sub and is left out");
                Ok(())
            }
        };
        if let Err(more) = outcome {
            errors.extend(more);
        }
    }
}

fn read_files(paths: &[PathBuf]) -> Result<Vec<Other>, SidecarError> {
    let manifests = load(paths).map_err(SidecarError::Resources)?;
    for warning in &manifests.warnings {
        tracing::warn!("{warning}");
    }
    Ok(manifests.others.into_iter().filter(|other| other.api_version.starts_with(GROUP)).collect())
}

/// Whether an object concerns this application: its namespace, where both are said, and its scopes.
fn is_for(other: &Other, options: &SidecarOptions) -> bool {
    let written = other
        .raw
        .get("metadata")
        .and_then(|metadata| metadata.get("namespace"))
        .and_then(|text| text.as_str());
    let namespace_fits = match (written, options.namespace.as_deref()) {
        (Some(written), Some(own)) => written == own,
        _ => true,
    };
    let scopes = document::scopes(other);
    namespace_fits && (scopes.is_empty() || scopes.contains(&options.app_id.as_str()))
}

/// The Configuration of a file, or the one of that name among the resources.
fn find_configuration(config: &str, others: &[Other]) -> Result<Other, Vec<ManifestError>> {
    let is_one = |other: &&Other| other.kind == "Configuration";
    if Path::new(config).is_file() {
        let manifests = load(&[PathBuf::from(config)])?;
        return manifests.others.iter().find(is_one).cloned().ok_or_else(|| {
            vec![
                ManifestError::new(config, "has no Configuration of dapr.io/v1alpha1")
                    .hint("give a file that has one"),
            ]
        });
    }
    others.iter().filter(is_one).find(|other| other.meta.name == config).cloned().ok_or_else(|| {
        let error = ManifestError::new(
            config,
            "is neither a file nor the name of a Configuration in --resources-path",
        );
        vec![error.hint("give the path of the file, or add its folder to --resources-path")]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: bus\n  namespace: ns\nspec:\n  type: pubsub.kafka\n  version: v1\n  metadata:\n  - name: brokers\n    value: 'k:9092'\n  - name: authType\n    value: none\n";
    const SUBSCRIPTION: &str = "apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata:\n  name: s\nspec:\n  pubsubname: bus\n  topic: things\n  routes: {default: /x}\nscopes: [reader]\n";
    const CONFIGURATION: &str = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata:\n  name: settings\nspec:\n  tracing: {samplingRate: '1'}\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder can be made");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file can be written");
        }
        folder
    }

    fn options(app_id: &str, folder: &tempfile::TempDir) -> SidecarOptions {
        let resources_paths = vec![folder.path().to_owned()];
        SidecarOptions { resources_paths, namespace: Some("ns".to_owned()), ..SidecarOptions::new(app_id) }
    }

    #[test]
    fn what_is_in_scope_is_kept() {
        let other = COMPONENT.replace("ns", "elsewhere").replace("bus", "far");
        let state = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: store}\nspec: {type: state.redis, version: v1}\n";
        let service = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns}\n";
        let folder = folder(&[(
            "a.yaml",
            &[COMPONENT, SUBSCRIPTION, CONFIGURATION, &other, state, service].join("---\n"),
        )]);
        let check = |app_id: &str, expected: (usize, usize)| {
            let resources = Resources::load(&options(app_id, &folder)).expect("all is right");
            assert_eq!((resources.components.len(), resources.subscriptions.len()), expected, "{app_id}");
        };
        check("reader", (1, 1));
        check("writer", (1, 0));
        let named = SidecarOptions { config: Some("settings".to_owned()), ..options("reader", &folder) };
        assert_eq!(Resources::load(&named).expect("all is right").configuration.sampling_rate, "1");
    }

    #[test]
    fn a_configuration_may_be_a_file() {
        let folder = folder(&[
            ("a.yaml", COMPONENT),
            (
                "b.json",
                r#"{"apiVersion":"dapr.io/v1alpha1","kind":"Configuration","metadata":{"name":"c"},"spec":{"tracing":{"samplingRate":"0.5"}}}"#,
            ),
        ]);
        let file = folder.path().join("b.json").display().to_string();
        let resources = Resources::load(&SidecarOptions { config: Some(file), ..options("a", &folder) })
            .expect("all is right");
        assert_eq!(resources.configuration.sampling_rate, "0.5");
        let missing = SidecarOptions { config: Some("nothing".to_owned()), ..options("a", &folder) };
        let error = Resources::load(&missing).unwrap_err().to_string();
        assert!(
            error.contains("nothing: is neither a file nor the name") && error.contains("hint:"),
            "{error}"
        );
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let wrong = SUBSCRIPTION.replace("v2alpha1", "v3");
        let broken = COMPONENT.replace("name: authType", "name: other");
        let folder = folder(&[("a.yaml", &broken), ("b.yaml", &wrong)]);
        let error = Resources::load(&options("reader", &folder)).unwrap_err().to_string();
        assert!(error.contains("authType: is missing"), "{error}");
        assert!(error.contains("Subscription of \"dapr.io/v3\" is not known"), "{error}");
    }
}
