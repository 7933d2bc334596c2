//! `tidewatch check rules`, `check config` and `check alertmanager`: what is wrong with files before they are loaded, as promtool and
//! amtool say it.
//!
//! Input: rule files, PrometheusRule manifests, prometheus.yml, alertmanager.yml. Output: how many rules there are, or what is wrong. It
//! loads nothing into a server.

mod alertmanager;

use crate::failure::Failure;
use clap::{Args, Subcommand};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tidewatch_manifest::PrometheusConfig;
use tidewatch_rules::{LoadOptions, check_identities, matching_files};
use tidewatch_ruletest::{LoadedRules, load_rules};

/// Settings of `check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// What is checked.
    #[command(subcommand)]
    command: CheckCommand,
}

#[derive(Debug, Subcommand)]
enum CheckCommand {
    /// Check rule files and PrometheusRule manifests
    Rules {
        /// Files; - or none for standard input
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Pass over unknown fields of rule files
        #[arg(long)]
        ignore_unknown_fields: bool,
        /// Switches something on by its name in Prometheus: promql-experimental-functions
        #[arg(long = "enable-feature", value_name = "NAME", value_delimiter = ',')]
        features: Vec<String>,
    },
    /// Check configurations (prometheus.yml) with their rule files
    Config {
        /// Configuration files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Look at nothing but the configuration itself
        #[arg(long)]
        syntax_only: bool,
        /// Pass over unknown fields of rule files
        #[arg(long)]
        ignore_unknown_fields: bool,
    },
    /// Check configurations of Alertmanager with their templates, or the Secrets that hold them
    Alertmanager {
        /// Configuration files or manifests; - or none for standard input
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// When something is wrong with any of the files; what it is has been printed then.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let stdin = [PathBuf::from("-")];
    let (failed, count) = match &args.command {
        CheckCommand::Rules { files, ignore_unknown_fields, features } => {
            let experimental_functions = features.iter().any(|name| name == "promql-experimental-functions");
            let options = LoadOptions {
                ignore_unknown_fields: *ignore_unknown_fields,
                experimental_functions,
                ..LoadOptions::default()
            };
            let files = if files.is_empty() { &stdin[..] } else { files };
            (files.iter().filter(|file| !check_rules(file, &options)).count(), files.len())
        }
        CheckCommand::Config { files, syntax_only, ignore_unknown_fields } => {
            let options =
                LoadOptions { ignore_unknown_fields: *ignore_unknown_fields, ..LoadOptions::default() };
            (files.iter().filter(|file| !check_config(file, *syntax_only, &options)).count(), files.len())
        }
        CheckCommand::Alertmanager { files } => {
            let files = if files.is_empty() { &stdin[..] } else { files };
            (files.iter().filter(|file| !check_alertmanager(file)).count(), files.len())
        }
    };
    match failed {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} of {count} files are wrong"))),
    }
}

/// Checks a rule file; whether nothing is wrong with it.
fn check_rules(file: &Path, options: &LoadOptions) -> bool {
    let name = match file == Path::new("-") {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    };
    println!("Checking {name}");
    let checked = read(file).map_err(|error| format!("{name}: cannot be read: {error}")).and_then(|text| {
        let LoadedRules { groups, warnings } =
            load_rules(&name, &text, options).map_err(|errors| errors.to_string())?;
        for warning in warnings {
            println!("  WARNING: {warning}");
        }
        check_identities(&groups).map_err(|errors| errors.to_string())?;
        Ok(groups.iter().map(|group| group.rules.len()).sum::<usize>())
    });
    match &checked {
        Ok(count) => println!("  SUCCESS: {count} rules found\n"),
        Err(error) => eprintln!("  FAILED:\n{error}\n"),
    }
    checked.is_ok()
}

/// Checks a configuration of Alertmanager; whether nothing is wrong with it.
fn check_alertmanager(file: &Path) -> bool {
    let name = if file == Path::new("-") { Path::new("/dev/stdin") } else { file };
    let text = match read(file) {
        Ok(text) => text,
        Err(error) => {
            println!("Checking '{}'  FAILED: cannot be read: {error}\n", name.display());
            return false;
        }
    };
    let report = alertmanager::check(name, &text);
    print!("{}", report.lines);
    report.passed
}

/// Checks a configuration, and its rule files unless only the syntax counts; whether nothing is wrong with them.
fn check_config(file: &Path, syntax_only: bool, options: &LoadOptions) -> bool {
    let name = file.display().to_string();
    println!("Checking {name}");
    let rule_files = match config_rule_files(file, &name, syntax_only) {
        Ok(rule_files) => rule_files,
        Err(error) => {
            eprintln!("  FAILED: {error}\n");
            return false;
        }
    };
    if !rule_files.is_empty() {
        println!("  SUCCESS: {} rule files found", rule_files.len());
    }
    println!(" SUCCESS: {name} is valid prometheus config file syntax\n");
    // all of them, so that one run finds every mistake
    rule_files.iter().filter(|file| !check_rules(file, options)).count() == 0
}

/// The rule files a configuration names.
fn config_rule_files(file: &Path, name: &str, syntax_only: bool) -> Result<Vec<PathBuf>, String> {
    let text = read(file).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    let config = PrometheusConfig::parse(name, &text)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    for warning in &config.warnings {
        println!("  WARNING: {warning}");
    }
    let mut found = Vec::new();
    for pattern in config.rule_files.iter().filter(|_| !syntax_only) {
        let files = matching_files(Path::new(pattern))
            .ok_or_else(|| format!("{pattern}: syntax error in pattern"))?;
        if files.is_empty() && !pattern.contains('*') {
            return Err(format!("{pattern:?} does not point to an existing file"));
        }
        found.extend(files);
    }
    Ok(found)
}

fn read(file: &Path) -> std::io::Result<String> {
    if file != Path::new("-") {
        return std::fs::read_to_string(file);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_checked_with_the_rules_they_name() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let options = LoadOptions::default();
        let good = write("good.yml", "groups: [{name: g, rules: [{record: a, expr: b}]}]");
        let bad = write("bad.yml", "groups: [{name: g, rules: [{record: a, expr: 'b('}]}]");
        assert!(check_rules(&good, &options));
        assert!(!check_rules(&bad, &options));
        assert!(!check_rules(&folder.path().join("none.yml"), &options));
        let config = write("good-config.yml", "rule_files: [good.yml, 'none*.yml']");
        assert!(check_config(&config, false, &options));
        for text in ["rule_files: [bad.yml]", "rule_files: [none.yml]"] {
            let config = write("config.yml", text);
            assert!(!check_config(&config, false, &options), "{text}");
            assert!(check_config(&config, true, &options), "{text}");
        }
        assert!(!check_config(&write("wrong.yml", "rules: []"), true, &options));
    }
}
