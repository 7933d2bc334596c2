//! From the text of a configuration to receivers, and notifications for them.
//!
//! Input: `global` and one entry of `receivers`. Output: what the core would build of them.

use std::path::Path;
use std::sync::Arc;
use tidewatch_manifest::ManifestError;
use tidewatch_manifest::reading::read_settings_file;
use tidewatch_model::Labels;
use tidewatch_notify::{
    AlertStatus, Defaults, Notification, NotifiedAlert, Receiver, ReceiverConfig, Templates, build,
};

/// The first receiver of a configuration, whose relative paths are below `folder`.
pub(crate) fn read(text: &str, folder: &Path) -> Result<ReceiverConfig, Vec<ManifestError>> {
    let file = "am.yml";
    let read = |fields: &tidewatch_manifest::reading::Fields<'_>| {
        fields.known(&["templates", "route"]);
        let defaults = fields.section("global").map_or_else(Defaults::default, |section| {
            let defaults = Defaults::read(&section, folder);
            section.finish();
            defaults
        });
        let mut receivers = fields.list("receivers").into_iter().map(|entry| {
            let config = ReceiverConfig::read(&entry, &defaults, folder);
            entry.finish();
            config
        });
        receivers.next().expect("a receiver")
    };
    read_settings_file(file, text, true, read).map(|(config, _)| config)
}

/// Receivers of one entry, which is written without its name.
pub(crate) fn receivers(entry: &str) -> Vec<Box<dyn Receiver>> {
    let text = format!("receivers:\n  - name: ops\n    {entry}\n");
    let config = read(&text, Path::new("")).unwrap_or_else(|errors| panic!("{text}\n{errors:#?}"));
    build(&config, &Arc::new(templates(&[])))
}

/// The one receiver of an entry.
pub(crate) fn receiver(entry: &str) -> Box<dyn Receiver> {
    let mut all = receivers(entry);
    assert_eq!(all.len(), 1, "{entry}");
    all.remove(0)
}

/// The usual templates and those of some files.
pub(crate) fn templates(files: &[&Path]) -> Templates {
    let mut templates = Templates::new("http://alertmanager.example:9093/am");
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        templates.add(&file.display().to_string(), &text).unwrap();
    }
    templates
}

/// A notification of one firing alert.
pub(crate) fn notification() -> Notification {
    let labels = Labels::from_pairs([("alertname", "HighErrorRate"), ("severity", "critical")]);
    Notification {
        receiver: "ops".into(),
        group_key: "{}:{alertname=\"HighErrorRate\"}".into(),
        group_labels: Labels::from_pairs([("alertname", "HighErrorRate")]),
        alerts: vec![NotifiedAlert {
            status: AlertStatus::Firing,
            labels,
            starts_at: 1_767_323_045_678,
            fingerprint: "0123456789abcdef".into(),
            ..NotifiedAlert::default()
        }],
        external_url: "http://alertmanager.example:9093/am".into(),
        now_ms: 1_767_323_100_000,
        ..Notification::default()
    }
}
