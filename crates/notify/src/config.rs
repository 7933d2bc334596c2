//! Alertmanager's configuration file: who is told of which alert, when, and how.
//!
//! Input: the file's text. Output: a checked [`Config`], or every mistake with file, line, field, value and remedy. It is read
//! strictly: a field that Alertmanager does not have is refused. Nothing but the text is looked at here: template files are read when
//! an Alertmanager starts ([`Config::read_templates`]), files with secrets when they are used. Not supported, and refused: `tracing` and
//! `event_recorder`.

mod inhibit_rule;
mod matchers_field;
mod missing_files;
mod route;
mod template_files;

pub use inhibit_rule::InhibitRule;
pub use route::{GroupBy, RouteConfig};

use crate::error::ConfigErrors;
use crate::time_interval::{TimeInterval, TimeIntervals};
use crate::{Defaults, ReceiverConfig};
use md5::{Digest, Md5};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidewatch_manifest::reading::{self, Fields, read_settings_file};
use tidewatch_manifest::{ManifestError, shown_alertmanager_config};

/// When an alert counts as over if nobody says so and `resolve_timeout` is not set.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Alertmanager's configuration.
#[derive(Clone)]
pub struct Config {
    /// The file it is from.
    pub file: PathBuf,
    /// `global.resolve_timeout`; five minutes by default.
    pub resolve_timeout: Duration,
    /// The root of the tree of routes.
    pub route: RouteConfig,
    /// What inhibits what.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Who is told.
    pub receivers: Vec<ReceiverConfig>,
    /// Patterns of template files, relative ones below the file's folder.
    pub templates: Vec<PathBuf>,
    /// `time_intervals` and `mute_time_intervals` by name.
    pub time_intervals: TimeIntervals,
    /// What is not as it should be.
    pub warnings: Vec<ManifestError>,
    text: String,
}

impl fmt::Debug for Config {
    /// Without its text, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("file", &self.file)
            .field("route", &self.route)
            .field("inhibit_rules", &self.inhibit_rules)
            .field("receivers", &self.receivers)
            .field("templates", &self.templates)
            .field("time_intervals", &self.time_intervals)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Reads the text of `file`.
    ///
    /// # Errors
    /// All mistakes, by line; none shows the value of a secret.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigErrors> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let name = file.display().to_string();
        let read =
            read_settings_file(&name, text, true, |fields| read(fields, folder)).map_err(ConfigErrors)?;
        let (mut config, warnings) = read;
        config.file = file.to_owned();
        config.warnings = warnings;
        text.clone_into(&mut config.text);
        Ok(config)
    }

    /// The file's settings with `<secret>` in place of each secret.
    pub fn shown(&self) -> String {
        shown_alertmanager_config(&self.file.display().to_string(), &self.text)
    }

    /// A number that changes with the text, as Alertmanager shows it in `alertmanager_config_hash`.
    pub fn hash(&self) -> f64 {
        let sum = Md5::digest(self.text.as_bytes());
        sum[..6].iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte)) as f64
    }
}

fn read(fields: &Fields<'_>, folder: &Path) -> Config {
    let (resolve_timeout, defaults) = read_global(fields, folder);
    for key in ["tracing", "event_recorder"] {
        if fields.raw(key).is_some() {
            fields.wrong(key, format!("not supported yet: {key}"), "remove the section");
        }
    }
    let receivers = read_receivers(fields, &defaults, folder);
    let time_intervals = read_time_intervals(fields);
    let names: BTreeSet<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
    let route = read_root(fields, &route::Known { receivers: &names, time_intervals: &time_intervals });
    let inhibit_rules = fields.list("inhibit_rules").into_iter().map(|entry| {
        let rule = InhibitRule::read(&entry);
        entry.finish();
        rule
    });
    Config {
        file: PathBuf::new(),
        resolve_timeout,
        route,
        inhibit_rules: inhibit_rules.collect(),
        templates: reading::texts(fields, "templates").iter().map(|pattern| folder.join(pattern)).collect(),
        receivers,
        time_intervals,
        warnings: Vec::new(),
        text: String::new(),
    }
}

fn read_global(fields: &Fields<'_>, folder: &Path) -> (Duration, Defaults) {
    let Some(global) = fields.section("global") else { return (RESOLVE_TIMEOUT, Defaults::default()) };
    let resolve_timeout = reading::duration(&global, "resolve_timeout").unwrap_or(RESOLVE_TIMEOUT);
    let defaults = Defaults::read(&global, folder);
    global.finish();
    (resolve_timeout, defaults)
}

fn read_receivers(fields: &Fields<'_>, defaults: &Defaults, folder: &Path) -> Vec<ReceiverConfig> {
    let mut names = BTreeSet::new();
    let mut receivers = Vec::new();
    for entry in fields.list("receivers") {
        let receiver = ReceiverConfig::read(&entry, defaults, folder);
        if !receiver.name.is_empty() && !names.insert(receiver.name.clone()) {
            let message = format!("notification config name {:?} is not unique", receiver.name);
            entry.wrong("name", message, "give each receiver a name of its own");
        }
        if receiver.labels.get("name").is_some_and(|label| *label != receiver.name) {
            let message = format!("receiver label \"name\" must match receiver name {:?}", receiver.name);
            entry.wrong("labels", message, "remove the label: every receiver has it");
        }
        entry.finish();
        receivers.push(receiver);
    }
    receivers
}

fn read_time_intervals(fields: &Fields<'_>) -> TimeIntervals {
    let mut all = TimeIntervals::new();
    for (key, what) in [("mute_time_intervals", "mute time interval"), ("time_intervals", "time interval")] {
        for entry in fields.list(key) {
            let name = reading::text(&entry, "name").unwrap_or_default();
            let intervals = entry.list("time_intervals").into_iter().map(|fields| {
                let interval = TimeInterval::read(&fields);
                fields.finish();
                interval
            });
            let intervals = intervals.collect();
            if name.is_empty() {
                entry.wrong(
                    "name",
                    format!("missing name in {what}"),
                    "routes name their time intervals by it",
                );
            } else if all.insert(name.clone(), intervals).is_some() {
                entry.wrong("name", format!("{what} {name:?} is not unique"), "give each a name of its own");
            }
            entry.finish();
        }
    }
    all
}

fn read_root(fields: &Fields<'_>, known: &route::Known<'_>) -> RouteConfig {
    let Some(section) = fields.section("route") else {
        if !fields.has("route") {
            let hint = "write a section route with the receiver that gets what no other route takes";
            fields.wrong("route", "no route provided in config", hint);
        }
        return RouteConfig::default();
    };
    let root = RouteConfig::read(&section, known);
    if root.receiver.is_none() && !section.has("receiver") {
        let hint = "name a receiver; it gets what no other route takes";
        section.wrong("receiver", "root route must specify a default receiver", hint);
    }
    let hint = "the root takes every alert: move this to a route below it";
    for key in ["match", "match_re", "matchers"] {
        if section.has(key) && !root.matchers.is_empty() {
            section.wrong(key, "root route must not have any matchers", hint);
        }
    }
    if !root.mute_time_intervals.is_empty() {
        section.wrong("mute_time_intervals", "root route must not have any mute time intervals", hint);
    }
    if !root.active_time_intervals.is_empty() {
        section.wrong("active_time_intervals", "root route must not have any active time intervals", hint);
    }
    if root.continues {
        section.wrong(
            "continue",
            "cannot have continue in root route",
            "remove it: nothing stands beside the root",
        );
    }
    section.finish();
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let errors = Config::parse(Path::new("/etc/am/am.yml"), text).err();
        errors
            .map(|ConfigErrors(all)| all.iter().map(|e| e.to_string().replace('\n', "")).collect())
            .unwrap_or_default()
    }

    const SMALLEST: &str = "route: {receiver: r}\nreceivers: [{name: r}]\n";

    #[test]
    fn the_smallest_configuration_has_the_usual_settings() {
        let config = Config::parse(Path::new("/etc/am/am.yml"), SMALLEST).unwrap();
        assert_eq!(config.resolve_timeout, Duration::from_secs(300));
        assert_eq!(config.receivers.len(), 1);
        assert!(config.shown().contains("receiver: r"));
    }

    #[test]
    fn everything_is_read() {
        let text = "global: {resolve_timeout: 10m, slack_api_url: 'https://s3cret.example'}\n\
            templates: ['t/*.tmpl', /abs/x.tmpl]\n\
            route:\n  receiver: r\n  group_by: [a, b]\n  routes:\n    - matchers: ['x=\"y\"', 'z=~\"1|2\"']\n      \
            match: {m: v}\n      match_re: {n: 'a.*'}\n      continue: true\n      group_by: ['...']\n      \
            mute_time_intervals: [night]\n      active_time_intervals: [day]\n      labels: {team: ops}\n      \
            group_wait: 0s\n      group_interval: 1m\n      repeat_interval: 2h\n\
            inhibit_rules:\n  - {name: i, source_matchers: [a=1], target_matchers: [a=2], equal: [b]}\n\
            mute_time_intervals: [{name: night, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}]}]\n\
            time_intervals: [{name: day, time_intervals: [{weekdays: [monday]}]}]\n\
            receivers: [{name: r, slack_configs: [{channel: c}]}]\n";
        let config = Config::parse(Path::new("/etc/am/am.yml"), text).unwrap();
        assert_eq!(config.templates, [Path::new("/etc/am/t/*.tmpl"), Path::new("/abs/x.tmpl")]);
        let child = &config.route.routes[0];
        assert_eq!(child.matchers.to_string(), "{m=\"v\",n=~\"a.*\",x=\"y\",z=~\"1|2\"}");
        assert_eq!(child.group_by, Some(GroupBy::All));
        assert_eq!(child.group_wait, Some(Duration::ZERO));
        assert!(child.continues);
        assert_eq!(config.time_intervals.len(), 2);
        assert_eq!(config.inhibit_rules[0].equal, ["b"]);
        let debug = format!("{config:?}{}", config.shown());
        assert!(!debug.contains("s3cret"), "{debug}");
        assert!(config.shown().contains("slack_api_url: <secret>"), "{}", config.shown());
    }

    #[test]
    fn mistakes_are_found_where_they_stand() {
        let check = |text: &str, expected: &str| {
            let found = errors(text);
            assert!(found.len() == 1 && found[0].contains(expected), "{text}\n{found:#?}\nlacks {expected}");
            assert!(found[0].starts_with("/etc/am/am.yml:"), "{found:?}");
        };
        check("", "no route provided in config");
        check("receivers: [{name: r}]", "no route provided in config");
        check("route: {}\nreceivers: [{name: r}]", "root route must specify a default receiver");
        check(
            "route: {receiver: x}\nreceivers: [{name: r}]",
            ":1:19: route.receiver: undefined receiver \"x\" used in route",
        );
        check(
            "route: {receiver: r}\nreceivers: [{name: r}, {name: r}]",
            "notification config name \"r\" is not unique",
        );
        check(&format!("{SMALLEST}foo: bar"), ":3:1: foo: unknown field");
        check(
            &format!("{SMALLEST}global: {{resolve_timeout: soon}}"),
            ":3:27: global.resolve_timeout: invalid duration \"soon\"",
        );
        check(&format!("{SMALLEST}tracing: {{endpoint: x}}"), "not supported yet: tracing");
        check(
            &format!("{SMALLEST}time_intervals: [{{time_intervals: []}}]"),
            "missing name in time interval",
        );
        check(
            &format!("{SMALLEST}inhibit_rules: [{{source_matchers: [a=1], target_matchers: ['b']}}]"),
            "inhibit_rules[0].target_matchers[0]: bad matcher format: b",
        );
        check(
            &format!("{SMALLEST}inhibit_rules: [{{source_match: {{'a b': x}}}}]"),
            "invalid label name \"a b\"",
        );
        check(
            &format!("{SMALLEST}inhibit_rules: [{{source_match_re: {{a: '('}}}}]"),
            "invalid regular expression \"(\"",
        );
        let root = |entry: &str, expected: &str| {
            check(&format!("route: {{receiver: r, {entry}}}\nreceivers: [{{name: r}}]"), expected);
        };
        root("matchers: [a=b]", "root route must not have any matchers");
        root("match: {a: b}", "root route must not have any matchers");
        root("continue: true", "cannot have continue in root route");
        root("group_by: [a, a]", "duplicated label \"a\" in group_by");
        root(
            "group_by: ['...', a]",
            "cannot have wildcard group_by (`...`) and other labels at the same time",
        );
        root("group_by: ['']", "invalid label name \"\" in group_by list");
        root("group_interval: 0s", "group_interval cannot be zero");
        root("repeat_interval: 0s", "repeat_interval cannot be zero");
        root("labels: {'': x}", "invalid label name \"\" in route labels");
        root("routes: [{receiver: x}]", "route.routes[0].receiver: undefined receiver \"x\"");
        root(
            "routes: [{matchers: ['a=~\"(\"']}]",
            "route.routes[0].matchers[0]: invalid regular expression \"(\"",
        );
        root("routes: [{mute_time_intervals: [x]}]", "undefined time interval \"x\" used in route");
        root("routes: [{active_time_intervals: [x]}]", "undefined time interval \"x\" used in route");
        root("routes: [{receivers: r}]", "unknown field  hint: did you mean receiver?");
        let interval = "time_intervals: [{name: n, time_intervals: [{weekdays: [monday, mon]}]}]";
        check(
            &format!("{SMALLEST}{interval}"),
            "time_intervals[0].time_intervals[0].weekdays[1]: mon is not a valid weekday",
        );
    }

    #[test]
    fn several_mistakes_are_all_found() {
        let found =
            errors("route: {receiver: x, group_interval: 0s}\nreceivers: [{name: r}, {name: r}]\nfoo: 1\n");
        assert_eq!(found.len(), 4, "{found:#?}");
    }

    #[test]
    fn two_notations_of_a_matcher_are_warned_of() {
        let text = "route: {receiver: r, routes: [{matchers: ['a=\\d']}]}\nreceivers: [{name: r}]";
        let config = Config::parse(Path::new("am.yml"), text).unwrap();
        assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
        assert!(
            config.warnings[0].to_string().contains("it is read as a=\"\\\\d\""),
            "{}",
            config.warnings[0]
        );
    }

    /// Of the file that Alertmanager 0.34.2 was given.
    #[test]
    fn the_hash_is_alertmanagers() {
        let config = Config::parse(Path::new("am.yml"), SMALLEST).unwrap();
        assert_eq!(config.hash(), 228_094_098_964_141.0);
    }
}
