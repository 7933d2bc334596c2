//! `tidewatch test rules`: unit tests of rules, as `promtool test rules` runs them.
//!
//! Input: test files. Output: what passed and failed, in promtool's words, and a JUnit report. It asks no server.

use crate::failure::Failure;
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tidewatch_ruletest::{FileResult, RuleTestError, RunOptions, run_file};

/// Settings of `test`.
#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// What is tested.
    #[command(subcommand)]
    command: TestCommand,
}

#[derive(Debug, Subcommand)]
enum TestCommand {
    /// Run unit tests of rules in promtool's format; rule files may be PrometheusRule manifests
    Rules(TestRulesArgs),
}

/// Settings of `test rules`.
#[derive(Args, Debug)]
struct TestRulesArgs {
    /// Test files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only tests whose name matches; repeatable: any of them
    #[arg(long, value_name = "REGEX")]
    run: Vec<String>,
    /// Tell all series at the end of each test
    #[arg(long)]
    debug: bool,
    /// Tell only the alerts that differ
    #[arg(long)]
    diff: bool,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Pass over unknown fields of rule files
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Switches something on by its name in Prometheus: promql-experimental-functions
    #[arg(long = "enable-feature", value_name = "NAME", value_delimiter = ',')]
    features: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When a test failed or could not be run.
pub(crate) fn run(args: &TestArgs) -> Result<(), Failure> {
    let TestCommand::Rules(args) = &args.command;
    let only = match args.run.is_empty() {
        true => None,
        false => Some(regex::Regex::new(&args.run.join("|")).map_err(|e| Failure::from_error(&e))?),
    };
    let options = RunOptions {
        only,
        dump: args.debug,
        diff: args.diff,
        ignore_unknown_fields: args.ignore_unknown_fields,
        experimental_functions: args.features.iter().any(|name| name == "promql-experimental-functions"),
    };
    let mut report = String::from("<testsuites>");
    let mut failed = 0;
    for file in &args.files {
        println!("Processing test file: {}", file.display());
        let result = run_file(file, &options);
        failed += usize::from(!print(&result));
        report.push_str(&suite(file, &result));
    }
    report.push_str("</testsuites>");
    if let Some(path) = &args.junit {
        std::fs::write(path, report).map_err(|error| {
            Failure::new(format!("{}: cannot be written: {error}", path.display()))
                .hint("check the path of --junit")
        })?;
    }
    match failed {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} of {} test files failed", args.files.len()))),
    }
}

/// Prints what came of a file; whether all of it passed.
fn print(result: &Result<FileResult, RuleTestError>) -> bool {
    let failures: Vec<String> = match result {
        Err(error) => vec![error.to_string()],
        Ok(result) => {
            for pattern in &result.unmatched {
                eprintln!("  WARNING: no file match pattern {}", pattern.display());
            }
            for test in &result.tests {
                if let Some(dump) = &test.dump {
                    eprintln!("DEBUG: all series at the end of {}:\n{dump}", test.name);
                }
            }
            result.failures().map(str::to_owned).collect()
        }
    };
    if failures.is_empty() {
        println!("  SUCCESS\n");
        return true;
    }
    eprintln!("  FAILED:");
    for failure in &failures {
        eprintln!("{failure}");
        println!();
    }
    println!();
    false
}

/// The results of a file as a JUnit test suite.
fn suite(file: &Path, result: &Result<FileResult, RuleTestError>) -> String {
    let (mut cases, mut tests, mut failures, mut errors) = (String::new(), 0, 0, 0);
    match result {
        Err(error) => {
            (tests, errors) = (1, 1);
            let _ = write!(
                cases,
                "<testcase name=\"unknown\"><error>{}</error></testcase>",
                xml(&error.to_string())
            );
        }
        Ok(result) => {
            for test in &result.tests {
                tests += 1;
                failures += test.failures.len();
                let _ = write!(cases, "<testcase name=\"{}\">", xml(&test.name));
                for failure in &test.failures {
                    let _ = write!(cases, "<failure>{}</failure>", xml(failure));
                }
                cases.push_str("</testcase>");
            }
        }
    }
    let name = xml(&file.display().to_string());
    format!(
        "<testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\">{cases}</testsuite>"
    )
}

/// Text as XML takes it.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_and_escapes() {
        let mut result = FileResult::default();
        for failures in [vec![], vec!["a < b & \"c\"".to_owned()]] {
            let mut test = tidewatch_ruletest::TestResult::default();
            (test.name, test.failures) = ("t".to_owned(), failures);
            result.tests.push(test);
        }
        assert_eq!(
            suite(Path::new("x.yml"), &Ok(result)),
            "<testsuite name=\"x.yml\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\"><testcase name=\"t\"></testcase>\
             <testcase name=\"t\"><failure>a &lt; b &amp; &quot;c&quot;</failure></testcase></testsuite>"
        );
    }
}
