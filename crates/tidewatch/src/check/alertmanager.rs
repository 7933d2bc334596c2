//! `tidewatch check alertmanager`: what is wrong with a configuration of Alertmanager before it is loaded, in the lines of amtool.
//!
//! Input: the text of a configuration file, or of manifests with the Secret that the Prometheus operator would hand to an Alertmanager.
//! Output: what stands in it, or all mistakes. Files with receivers' addresses that are not there are warnings: they may come later.

use crate::notifications::configuration_in;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tidewatch_manifest::load_text;
use tidewatch_notify::Config;

/// What was found in a file.
pub(super) struct Report {
    /// The lines to print.
    pub(super) lines: String,
    /// Whether nothing is wrong.
    pub(super) passed: bool,
}

/// Checks the text of `file`.
pub(super) fn check(file: &Path, text: &str) -> Report {
    let mut lines = format!("Checking '{}'", file.display());
    let config = found(file, text)
        .and_then(|(path, text)| Config::parse(&path, &text).map_err(|errors| errors.to_string()));
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            let _ = writeln!(lines, "  FAILED: {error}\n");
            return Report { lines, passed: false };
        }
    };
    let _ = write!(
        lines,
        "  SUCCESS\nFound:\n - global config\n - route\n - {} inhibit rules\n - {} receivers\n - {} templates\n",
        config.inhibit_rules.len(),
        config.receivers.len(),
        config.templates.len()
    );
    let mut passed = true;
    if !config.templates.is_empty() {
        let _ = match config.read_templates("") {
            Ok(_) => writeln!(lines, "  SUCCESS"),
            Err(errors) => {
                passed = false;
                writeln!(lines, "  FAILED: {errors}")
            }
        };
    }
    for warning in config.warnings.iter().chain(&config.missing_files()) {
        let _ = writeln!(lines, "  WARNING: {warning}");
    }
    lines.push('\n');
    Report { lines, passed }
}

/// The configuration with the name that its mistakes carry: the text itself, or that of the Secret in it.
fn found(file: &Path, text: &str) -> Result<(PathBuf, String), String> {
    let is_kind = |line: &str| line.strip_prefix("kind:").is_some_and(|kind| !kind.trim().is_empty());
    if !text.lines().any(is_kind) {
        return Ok((file.to_owned(), text.to_owned()));
    }
    let manifests = load_text(&file.display().to_string(), text)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let found = configuration_in(&manifests.secrets).map_err(|failure| failure.to_string())?;
    found.ok_or_else(|| {
        format!(
            "{}: no Secret with the key alertmanager.yaml\n  hint: name the file with the Secret, or the configuration itself",
            file.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
route: {receiver: a, routes: [{receiver: b}]}
inhibit_rules: [{source_matchers: [a=b], target_matchers: [c=d]}]
receivers: [{name: a}, {name: b}]
";

    fn of(text: &str) -> (String, bool) {
        let report = check(Path::new("am.yml"), text);
        (report.lines, report.passed)
    }

    #[test]
    fn what_stands_in_it_is_told_in_amtools_lines() {
        // printed by amtool 0.34.2 for this text
        let expected = "Checking 'am.yml'  SUCCESS\nFound:\n - global config\n - route\n - 1 inhibit rules\n - 2 receivers\n - 0 templates\n\n";
        assert_eq!(of(GOOD), (expected.to_owned(), true));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let (lines, passed) = of("route:\n  receiver: x\nreceivers: [{name: a}]\n");
        assert!(!passed);
        assert!(lines.starts_with("Checking 'am.yml'  FAILED: am.yml:2:"), "{lines}");
        assert!(lines.contains("undefined receiver"), "{lines}");
    }

    #[test]
    fn templates_are_read_and_absent_secrets_are_warnings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("am.yml");
        let text = "templates: ['*.tmpl']\nroute: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url_file: no/such}]}]\n";
        let report = check(&path, text);
        assert!(report.passed, "{}", report.lines);
        assert!(report.lines.contains(" - 1 templates\n  SUCCESS\n"), "{}", report.lines);
        assert!(report.lines.contains("  WARNING: ") && report.lines.contains("no/such"), "{}", report.lines);
        std::fs::write(folder.path().join("a.tmpl"), "{{ define \"x\" }}{{ nope }}{{ end }}").unwrap();
        let report = check(&path, text);
        assert!(!report.passed, "{}", report.lines);
        assert!(
            report.lines.contains(" - 1 templates\n  FAILED: ") && report.lines.contains("a.tmpl"),
            "{}",
            report.lines
        );
    }

    #[test]
    fn the_secret_of_a_manifest_is_the_configuration() {
        let secret = |key: &str, config: &str| {
            let config: String = config.lines().map(|line| format!("    {line}\n")).collect();
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: am}}\nstringData:\n  {key}: |\n{config}")
        };
        let (lines, passed) = of(&secret("alertmanager.yaml", GOOD));
        assert!(passed && lines.contains(" - 2 receivers"), "{lines}");
        let (lines, passed) =
            of(&secret("alertmanager.yaml", "route: {receiver: x}\nreceivers: [{name: a}]"));
        assert!(!passed && lines.contains("am.yml: Secret am, in alertmanager.yaml:1:"), "{lines}");
        let (lines, passed) = of(&secret("other", GOOD));
        assert!(!passed && lines.contains("no Secret with the key alertmanager.yaml"), "{lines}");
    }
}
