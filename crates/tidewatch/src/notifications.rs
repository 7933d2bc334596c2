//! The Alertmanager that runs here: which configuration it has, and where it is reached.
//!
//! Input: a configuration file, or the Secret that the Prometheus operator would hand to an Alertmanager; flags. Output: what the pipeline
//! starts it with. Who is told of what is the notify crate's.

use crate::failure::Failure;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidewatch_http::ListenerSpec;
use tidewatch_manifest::Secret;
use tidewatch_model::Clock;
use tidewatch_notify::{Alertmanager, AlertmanagerOptions, Config};

/// The keys that the operator and the real Alertmanager look for.
const KEYS: [&str; 2] = ["alertmanager.yaml", "alertmanager.yml"];

/// An Alertmanager that is to run.
pub(crate) struct AlertmanagerSpec {
    /// Who is told.
    pub(crate) config: Config,
    /// Where its API is served.
    pub(crate) listener: ListenerSpec,
    /// Where silences and the notification log are kept.
    pub(crate) folder: PathBuf,
    /// How long they are kept.
    pub(crate) retention: Duration,
}

impl AlertmanagerSpec {
    /// Starts it; `external_url` stands in its notifications.
    ///
    /// # Errors
    /// When a template is wrong, or the folder cannot be used.
    pub(crate) fn start(
        self,
        clock: &Arc<dyn Clock>,
        external_url: &str,
    ) -> Result<Arc<Alertmanager>, Failure> {
        let options = AlertmanagerOptions {
            data_dir: Some(self.folder),
            retention: self.retention,
            clock: Arc::clone(clock),
            external_url: external_url.to_owned(),
            ..AlertmanagerOptions::default()
        };
        Alertmanager::start(self.config, options).map_err(|e| Failure::from_error(&e))
    }
}

/// Reads a configuration file and its templates; warnings are printed.
///
/// # Errors
/// When it cannot be read or has mistakes, all of which are named.
pub(crate) fn read_config(file: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(format!("cannot read {}: {error}", file.display()))
            .hint("name Alertmanager's configuration with --alertmanager.config.file")
    })?;
    parse(file, &text)
}

fn parse(file: &Path, text: &str) -> Result<Config, Failure> {
    let config = Config::parse(file, text).map_err(|e| Failure::from_error(&e))?;
    config.read_templates("").map_err(|e| Failure::from_error(&e))?;
    let missing = config.missing_files();
    if !missing.is_empty() {
        eprintln!(
            "{}: some receivers cannot be told yet; what they would be told is on the page",
            file.display()
        );
        for error in missing {
            eprintln!("  {}", error.message);
        }
    }
    Ok(config)
}

/// The configuration in the Secret that has one, if any does.
///
/// # Errors
/// When it has mistakes; or a second Secret has one, too.
pub(crate) fn config_of(secrets: &[Secret]) -> Result<Option<Config>, Failure> {
    configuration_in(secrets)?.map(|(name, text)| parse(&name, &text)).transpose()
}

/// The text of the configuration in the Secret that has one, if any does, with the name that its mistakes carry.
///
/// # Errors
/// When it is no text; or a second Secret has one, too.
pub(crate) fn configuration_in(secrets: &[Secret]) -> Result<Option<(PathBuf, String)>, Failure> {
    let configs = secrets.iter().filter_map(|secret| {
        let (key, value) = KEYS.iter().find_map(|key| secret.data.get_key_value(*key))?;
        Some((secret, key, value))
    });
    let configs: Vec<_> = configs.collect();
    let (secret, key, value) = match &configs[..] {
        [] => return Ok(None),
        [one] => *one,
        [(first, ..), (second, ..), ..] => {
            let message = format!(
                "{}: Secret {} has a configuration of Alertmanager, as has {} of {}",
                second.meta.source, second.meta.name, first.meta.name, first.meta.source
            );
            return Err(Failure::new(message)
                .hint("leave one of them out, or name a file with --alertmanager.config.file"));
        }
    };
    let text = std::str::from_utf8(value.reveal()).map_err(|error| {
        let message = format!("{}: Secret {}: {key}: {error}", secret.meta.source, secret.meta.name);
        Failure::new(message).hint("write it as UTF-8 text")
    })?;
    // its folder is that of the manifest, for what it names relative to it
    let name = format!("{}: Secret {}, in {key}", secret.meta.source.file, secret.meta.name);
    Ok(Some((PathBuf::from(name), text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::{ObjectMeta, SecretValue, Source};

    fn secret(file: &str, key: &str, text: &str) -> Secret {
        let source = Source { file: file.to_owned(), line: 3, ..Source::default() };
        let meta = ObjectMeta { name: "am".to_owned(), source, ..ObjectMeta::default() };
        let data = [(key.to_owned(), SecretValue::new(text))].into();
        Secret { meta, data, ..Secret::default() }
    }

    #[test]
    fn one_secret_may_have_the_configuration() {
        let good = "route: {receiver: r}\nreceivers: [{name: r}]";
        let check = |secrets: &[Secret], expected: Result<bool, &str>| match (config_of(secrets), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.is_some(), expected),
            (Err(failure), Err(expected)) => assert!(failure.to_string().contains(expected), "{failure}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        };
        check(&[], Ok(false));
        check(&[secret("a.yaml", "password", good)], Ok(false));
        check(&[secret("a.yaml", "alertmanager.yml", good)], Ok(true));
        let two = [secret("a.yaml", "alertmanager.yaml", good), secret("b.yaml", "alertmanager.yaml", good)];
        check(&two, Err("b.yaml:3: Secret am has a configuration of Alertmanager, as has am of a.yaml:3"));
        let bad = secret("k/a.yaml", "alertmanager.yaml", "route: {receiver: x}\nreceivers: [{name: r}]");
        check(
            &[bad],
            Err("k/a.yaml: Secret am, in alertmanager.yaml:1:19: route.receiver: undefined receiver"),
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_told_with_its_flag() {
        let failure = read_config(Path::new("no/such.yml")).unwrap_err().to_string();
        assert!(
            failure.contains("no/such.yml") && failure.contains("--alertmanager.config.file"),
            "{failure}"
        );
    }
}
