//! `tidewatch slo generate` and `tidewatch slo check`: service level objectives of a declaration.
//!
//! Input: declarations. Output: PrometheusRules on standard output, or what is wrong. It asks no server and writes no file.

use crate::failure::Failure;
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tidewatch_manifest::ManifestError;
use tidewatch_slo::{Declaration, expand, prometheus_rule};

/// Settings of `slo`.
#[derive(Args, Debug)]
pub(crate) struct SloArgs {
    /// What to do with them.
    #[command(subcommand)]
    command: SloCommand,
}

#[derive(Debug, Subcommand)]
enum SloCommand {
    /// Print the PrometheusRule of each declaration: recording rules, burn-rate alerts, error-budget series
    Generate {
        /// Declarations (kind ServiceLevelObjectives)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Check declarations, and that generated rules are not stale
    Check {
        /// Declarations (kind ServiceLevelObjectives)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The generated PrometheusRule: fails when it is not what the declarations make
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// All mistakes of all files, each with its place and remedy.
pub(crate) fn run(args: &SloArgs) -> Result<(), Failure> {
    match &args.command {
        SloCommand::Generate { files } => {
            print!("{}", generated(&declarations(files)?));
            Ok(())
        }
        SloCommand::Check { files, rules } => {
            let declarations = declarations(files)?;
            for (file, declaration) in &declarations {
                let rules: usize = expand(declaration).iter().map(|group| group.rules.len()).sum();
                println!("{file}: {} objectives, {rules} rules", declaration.objectives.len());
            }
            rules.as_deref().map_or(Ok(()), |rules| check_fresh(rules, files, &declarations))
        }
    }
}

fn declarations(files: &[PathBuf]) -> Result<Vec<(String, Declaration)>, Failure> {
    let (mut declarations, mut mistakes) = (Vec::new(), Vec::new());
    for path in files {
        let file = path.display().to_string();
        match read(path).and_then(|text| Declaration::parse(&file, &text)) {
            Ok(declaration) => declarations.push((file, declaration)),
            Err(errors) => mistakes.extend(errors),
        }
    }
    if mistakes.is_empty() {
        return Ok(declarations);
    }
    let shown: Vec<String> = mistakes.iter().map(ManifestError::to_string).collect();
    Err(Failure::new(shown.join("\n")))
}

fn read(path: &Path) -> Result<String, Vec<ManifestError>> {
    std::fs::read_to_string(path).map_err(|error| {
        let error = ManifestError::new(path.display().to_string(), format!("cannot be read: {error}"));
        vec![error.hint("name a declaration, e.g. slo/todo-app.yaml")]
    })
}

fn generated(declarations: &[(String, Declaration)]) -> String {
    let mut out = String::new();
    for (index, (file, declaration)) in declarations.iter().enumerate() {
        let separator = if index == 0 { "" } else { "---\n" };
        let _ = write!(out, "{separator}{}", prometheus_rule(file, declaration));
    }
    out
}

fn check_fresh(
    rules: &Path,
    files: &[PathBuf],
    declarations: &[(String, Declaration)],
) -> Result<(), Failure> {
    let shown = rules.display();
    let text =
        std::fs::read_to_string(rules).map_err(|e| Failure::new(format!("{shown}: cannot be read: {e}")))?;
    // comments name the declaration by the path that was given
    let content =
        |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    if content(&text) == content(&generated(declarations)) {
        return Ok(());
    }
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Err(Failure::new(format!("{shown} is stale"))
        .hint(format!("tidewatch slo generate {} > {shown}", files.join(" "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
    }

    fn check(file: PathBuf, rules: Option<PathBuf>) -> Result<(), String> {
        let command = SloCommand::Check { files: vec![file], rules };
        run(&SloArgs { command }).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_shipped_rules_are_what_the_declaration_makes() {
        let declaration = repository("slo/todo-app.yaml");
        check(declaration.clone(), Some(repository("kubernetes/monitoring/slo-rules.yaml"))).unwrap();
        let other = repository("kubernetes/monitoring/prometheus-rules.yaml");
        let message = check(declaration, Some(other)).unwrap_err();
        assert!(message.contains("is stale\n  hint: tidewatch slo generate"), "{message}");
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("slo.yaml");
        std::fs::write(&file, "apiVersion: tidewatch/v1\nkind: ServiceLevelObjective\n").unwrap();
        let message = check(file, None).unwrap_err();
        assert!(message.contains("slo.yaml:2:"), "{message}");
        assert!(message.contains("hint: write kind: ServiceLevelObjectives"), "{message}");
        let message = check(folder.path().join("none.yaml"), None).unwrap_err();
        assert!(message.contains("none.yaml: cannot be read"), "{message}");
    }
}
