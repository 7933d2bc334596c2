//! `tidewatch check rules`, `check config` and `check alertmanager`: what is wrong with files before they are loaded, as promtool and
//! amtool say it.
//!
//! Input: rule files, PrometheusRule manifests, prometheus.yml, alertmanager.yml. Output: how many rules there are, or what is wrong. It
//! loads nothing into a server.

mod alertmanager;
mod lint;

use crate::cli::duration;
use crate::failure::Failure;
use clap::{Args, Subcommand};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
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
        #[command(flatten)]
        rules: RuleFlags,
        /// What is told though it is not wrong
        #[arg(long, value_name = "CHECK", value_delimiter = ',', default_value = DUPLICATE_RULES, value_parser = [DUPLICATE_RULES, "all", "none"])]
        lint: Vec<String>,
    },
    /// Check configurations (prometheus.yml) with their rule files
    Config {
        /// Configuration files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Look at nothing but the configuration itself
        #[arg(long)]
        syntax_only: bool,
        #[command(flatten)]
        rules: RuleFlags,
        /// What is told though it is not wrong
        #[arg(long, value_name = "CHECK", value_delimiter = ',', default_value = DUPLICATE_RULES, value_parser = [DUPLICATE_RULES, LONG_INTERVAL, "all", "none"])]
        lint: Vec<String>,
        /// How far back the server that will have the configuration looks for a sample
        #[arg(long = "query.lookback-delta", value_name = "DURATION", default_value = "5m", value_parser = duration)]
        lookback: Duration,
    },
    /// Check configurations of Alertmanager with their templates, or the Secrets that hold them
    Alertmanager {
        /// Configuration files or manifests; - or none for standard input
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// How rules are read, and what follows from what is told of them.
#[derive(Args, Debug)]
struct RuleFlags {
    /// Pass over unknown fields of rule files
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Switches something on by its name in Prometheus: promql-experimental-functions
    #[arg(long = "enable-feature", value_name = "NAME", value_delimiter = ',')]
    features: Vec<String>,
    /// End with exit code 3 if --lint found something and nothing is wrong
    #[arg(long)]
    lint_fatal: bool,
}

/// The names of promtool's checks.
const DUPLICATE_RULES: &str = "duplicate-rules";
const LONG_INTERVAL: &str = "too-long-scrape-interval";

/// The exit code where nothing is wrong but what `--lint` found; promtool's.
const LINT_EXIT_CODE: u8 = 3;

/// How a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Good,
    /// As `--lint` sees it.
    Doubtful,
    Wrong,
}

impl From<bool> for Verdict {
    fn from(good: bool) -> Self {
        if good { Self::Good } else { Self::Wrong }
    }
}

impl RuleFlags {
    fn options(&self) -> LoadOptions {
        LoadOptions {
            ignore_unknown_fields: self.ignore_unknown_fields,
            experimental_functions: self.features.iter().any(|name| name == "promql-experimental-functions"),
            ..LoadOptions::default()
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When something is wrong with any of the files, or is found with `--lint-fatal`; what it is has been printed then.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let stdin = [PathBuf::from("-")];
    let or_stdin = |files: &[PathBuf]| if files.is_empty() { stdin.to_vec() } else { files.to_vec() };
    let (verdicts, lint_fatal): (Vec<Verdict>, bool) = match &args.command {
        CheckCommand::Rules { files, rules, lint } => {
            let (options, files) = (rules.options(), or_stdin(files));
            (files.iter().map(|file| check_rules(file, lint, &options)).collect(), rules.lint_fatal)
        }
        CheckCommand::Config { files, syntax_only, rules, lint, lookback } => {
            let options = rules.options();
            let check = |file: &PathBuf| match syntax_only {
                true => check_syntax(file),
                false => check_config(file, lint, *lookback, &options),
            };
            (files.iter().map(check).collect(), rules.lint_fatal)
        }
        CheckCommand::Alertmanager { files } => {
            (or_stdin(files).iter().map(|file| check_alertmanager(file).into()).collect(), false)
        }
    };
    let count = |verdict| verdicts.iter().filter(|one| **one == verdict).count();
    match (count(Verdict::Wrong), count(Verdict::Doubtful)) {
        (0, 0) => Ok(()),
        (0, _) if !lint_fatal => Ok(()),
        (0, found) => {
            let text = format!("--lint found something in {found} of {} files", verdicts.len());
            Err(Failure::new(text).code(LINT_EXIT_CODE))
        }
        (wrong, _) => Err(Failure::new(format!("{wrong} of {} files are wrong", verdicts.len()))),
    }
}

/// Checks a rule file.
fn check_rules(file: &Path, lint: &[String], options: &LoadOptions) -> Verdict {
    let name = match file == Path::new("-") {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    };
    println!("Checking {name}");
    let loaded = read(file).map_err(|error| format!("{name}: cannot be read: {error}")).and_then(|text| {
        let LoadedRules { groups, warnings } =
            load_rules(&name, &text, options).map_err(|errors| errors.to_string())?;
        for warning in warnings {
            println!("  WARNING: {warning}");
        }
        check_identities(&groups).map_err(|errors| errors.to_string())?;
        Ok(groups)
    });
    let (verdict, told) = match loaded {
        Err(error) => (Verdict::Wrong, Err(error)),
        Ok(groups) => {
            match lint::duplicate_rules(&groups).filter(|_| lint::asks_for(lint, DUPLICATE_RULES)) {
                Some(found) => (Verdict::Doubtful, Err(found)),
                None => (Verdict::Good, Ok(groups.iter().map(|group| group.rules.len()).sum::<usize>())),
            }
        }
    };
    match told {
        Ok(count) => println!("  SUCCESS: {count} rules found\n"),
        Err(error) => eprintln!("  FAILED:\n{error}\n"),
    }
    verdict
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

/// Checks a configuration, and the rule files that it names.
fn check_config(file: &Path, lint: &[String], lookback: Duration, options: &LoadOptions) -> Verdict {
    let name = file.display().to_string();
    println!("Checking {name}");
    let found = read_config(file, &name).and_then(|config| Ok((rule_files(&config)?, config)));
    let (rule_files, config) = match found {
        Ok(found) => found,
        Err(error) => {
            eprintln!("  FAILED: {error}\n");
            return Verdict::Wrong;
        }
    };
    if !rule_files.is_empty() {
        println!("  SUCCESS: {} rule files found", rule_files.len());
    }
    println!(" SUCCESS: {name} is valid prometheus config file syntax\n");
    let slow = lint::too_long_interval(&config.scrape_configs, lookback);
    let slow = slow.filter(|_| lint::asks_for(lint, LONG_INTERVAL));
    if let Some(slow) = &slow {
        eprintln!("  FAILED: {slow}");
    }
    let of_jobs = if slow.is_some() { Verdict::Doubtful } else { Verdict::Good };
    // all of them, so that one run finds every mistake
    rule_files.iter().map(|file| check_rules(file, lint, options)).fold(of_jobs, Verdict::max)
}

/// Checks a configuration without what it names.
fn check_syntax(file: &Path) -> Verdict {
    let name = file.display().to_string();
    println!("Checking {name}");
    let read = read_config(file, &name);
    match &read {
        Ok(_) => println!(" SUCCESS: {name} is valid prometheus config file syntax\n"),
        Err(error) => eprintln!("  FAILED: {error}\n"),
    }
    read.is_ok().into()
}

fn read_config(file: &Path, name: &str) -> Result<PrometheusConfig, String> {
    let text = read(file).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    let config = PrometheusConfig::parse(name, &text)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    for warning in &config.warnings {
        println!("  WARNING: {warning}");
    }
    Ok(config)
}

/// The rule files a configuration names.
fn rule_files(config: &PrometheusConfig) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for pattern in &config.rule_files {
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
        let lint = [DUPLICATE_RULES.to_owned()];
        let rules = |file: &Path| check_rules(file, &lint, &options);
        let config = |file: &Path| check_config(file, &lint, Duration::from_secs(300), &options);
        let good = write("good.yml", "groups: [{name: g, rules: [{record: a, expr: b}]}]");
        let bad = write("bad.yml", "groups: [{name: g, rules: [{record: a, expr: 'b('}]}]");
        let twice =
            write("twice.yml", "groups: [{name: g, rules: [{record: a, expr: b}, {record: a, expr: c}]}]");
        assert_eq!(rules(&good), Verdict::Good);
        assert_eq!(rules(&bad), Verdict::Wrong);
        assert_eq!(rules(&twice), Verdict::Doubtful);
        assert_eq!(check_rules(&twice, &["none".to_owned()], &options), Verdict::Good);
        assert_eq!(rules(&folder.path().join("none.yml")), Verdict::Wrong);
        for (text, expected) in [
            ("rule_files: [good.yml, 'none*.yml']", Verdict::Good),
            ("rule_files: [bad.yml]", Verdict::Wrong),
            ("rule_files: [none.yml]", Verdict::Wrong),
            ("rule_files: [good.yml, twice.yml]", Verdict::Doubtful),
            ("rule_files: [bad.yml, twice.yml]", Verdict::Wrong),
        ] {
            let file = write("config.yml", text);
            assert_eq!(config(&file), expected, "{text}");
            assert_eq!(check_syntax(&file), Verdict::Good, "{text}");
        }
        let slow = write("slow.yml", "scrape_configs: [{job_name: a, scrape_interval: 5m}]");
        assert_eq!(config(&slow), Verdict::Good);
        let all = ["all".to_owned()];
        assert_eq!(check_config(&slow, &all, Duration::from_secs(300), &options), Verdict::Doubtful);
        assert_eq!(check_syntax(&write("wrong.yml", "rules: []")), Verdict::Wrong);
    }
}
