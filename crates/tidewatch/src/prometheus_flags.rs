//! Prometheus's flags that `serve` does not have itself, so that an existing service file starts or says why not.
//!
//! Input: the process's arguments. Output: those that the command line knows, and a remark for each flag that was taken
//! out because it changes nothing here. A flag that would change something is refused with a remedy.

use crate::failure::Failure;

/// What becomes of a flag.
enum Treatment {
    /// It changes nothing that matters here.
    Ignored(&'static str),
    /// Leaving it out would surprise: told as an error with this remedy.
    Refused(&'static str),
}
use Treatment::{Ignored, Refused};

const OWN_LIMITS: &str = "tidewatch has limits of its own";
const HEAD_ONLY: &str = "blocks are not cut yet";
const PAGE: &str = "the page is built in and served at the root";

/// Name, whether a value follows, and what becomes of it (Prometheus 3.16, `prometheus --help`).
const FLAGS: [(&str, bool, Treatment); 26] = [
    ("web.console.templates", true, Ignored(PAGE)),
    ("web.console.libraries", true, Ignored(PAGE)),
    ("web.page-title", true, Ignored(PAGE)),
    ("web.max-connections", true, Ignored(OWN_LIMITS)),
    ("web.max-notifications-subscribers", true, Ignored(OWN_LIMITS)),
    ("web.read-timeout", true, Ignored(OWN_LIMITS)),
    ("web.cors.origin", true, Ignored("only pages of the same origin may read the API")),
    ("web.route-prefix", true, Refused("put a proxy in front that adds the prefix")),
    ("web.config.file", true, Refused("listen on loopback and put a proxy with TLS and users in front")),
    ("web.enable-admin-api", false, Refused("series cannot be deleted yet; leave the flag out")),
    ("web.enable-remote-write-receiver", false, Refused("remote write is not received yet; scrape instead")),
    ("web.enable-otlp-receiver", false, Refused("OTLP metrics are not received yet; scrape instead")),
    ("storage.tsdb.retention.size", true, Refused("use --storage.tsdb.retention.time")),
    ("storage.tsdb.retention.percentage", true, Refused("use --storage.tsdb.retention.time")),
    ("storage.tsdb.no-lockfile", false, Refused("the folder is always locked; leave the flag out")),
    ("storage.tsdb.wal-compression", false, Ignored("the log is always compressed where that is shorter")),
    ("storage.tsdb.wal-compression-type", true, Ignored("the log is always compressed with snappy")),
    ("storage.tsdb.wal-segment-size", true, Ignored("segments are 128 MiB")),
    ("storage.tsdb.min-block-duration", true, Ignored(HEAD_ONLY)),
    ("storage.tsdb.max-block-duration", true, Ignored(HEAD_ONLY)),
    ("storage.tsdb.head-chunks-write-queue-size", true, Ignored(HEAD_ONLY)),
    ("storage.remote.flush-deadline", true, Ignored("remote write is not there yet")),
    ("alertmanager.notification-batch-size", true, Ignored("requests hold up to 256 alerts")),
    (
        "alertmanager.drain-notification-queue-on-shutdown",
        false,
        Ignored("what waits is always sent at the end"),
    ),
    (
        "rules.max-concurrent-evals",
        true,
        Ignored("as many groups are evaluated at once as there are processors"),
    ),
    ("config.auto-reload-interval", true, Ignored("send SIGHUP to load the configuration again")),
];

/// Arguments for the command line, and remarks on those taken out. Other commands than `serve` are left alone.
///
/// # Errors
/// When a flag asks for something that is not there yet.
pub(crate) fn filter(arguments: Vec<String>) -> Result<(Vec<String>, Vec<String>), Failure> {
    if arguments.get(1).is_none_or(|command| command != "serve") {
        return Ok((arguments, Vec::new()));
    }
    let (mut kept, mut remarks) = (Vec::new(), Vec::new());
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let name = argument.trim_start_matches("--no-").trim_start_matches("--");
        let (name, has_value) = name.split_once('=').map_or((name, false), |(name, _)| (name, true));
        let known = FLAGS.iter().find(|(flag, ..)| argument.starts_with("--") && *flag == name);
        let Some((flag, takes_value, treatment)) = known else {
            kept.push(argument);
            continue;
        };
        match treatment {
            Refused(_) if argument.starts_with("--no-") => {}
            Refused(remedy) => {
                return Err(Failure::new(format!("--{flag} is not supported yet")).hint(*remedy));
            }
            Ignored(why) => remarks.push(format!("--{flag} is ignored: {why}")),
        }
        if *takes_value && !has_value {
            rest.next();
        }
    }
    Ok((kept, remarks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(line: &str) -> Result<(String, usize), String> {
        let arguments = line.split(' ').map(str::to_owned).collect();
        filter(arguments).map(|(kept, remarks)| (kept.join(" "), remarks.len())).map_err(|e| e.to_string())
    }

    #[test]
    fn a_usual_service_file_starts() {
        let line = "prometheus serve --config.file=p.yml --web.console.templates=/c --web.console.libraries /l \
                    --storage.tsdb.wal-compression --no-web.enable-admin-api --web.listen-address 127.0.0.1:0";
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let kept = "prometheus serve --config.file=p.yml --web.listen-address 127.0.0.1:0";
        assert_eq!(filtered(&line), Ok((kept.to_owned(), 3)));
    }

    #[test]
    fn what_would_be_missed_is_refused() {
        let error = filtered("tidewatch serve --storage.tsdb.retention.size=10GB").unwrap_err();
        assert_eq!(
            error,
            "--storage.tsdb.retention.size is not supported yet\n  hint: use --storage.tsdb.retention.time"
        );
        assert!(filtered("tidewatch query --web.config.file").is_ok(), "other commands speak for themselves");
    }
}
