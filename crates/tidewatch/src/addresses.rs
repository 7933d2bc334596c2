//! `addresses.json`: where a running tidewatch listens, for scripts and for `tidewatch query`.
//!
//! Written into the data directory once every listener is bound, replaced as a whole so that a reader never sees half
//! a file, removed at a clean stop.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

const FILE: &str = "addresses.json";

/// Base URLs of everything a person or script may open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// The web page, if it has a listener of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ui: Option<String>,
    /// The Prometheus API.
    pub(crate) prometheus: String,
    /// Where traces are taken and asked for.
    #[serde(default)]
    pub(crate) traces: TraceAddresses,
    /// Alertmanager's API, if one runs here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alertmanager: Option<String>,
    /// Exposed Services by the names they were exposed under.
    #[serde(default)]
    pub(crate) services: BTreeMap<String, String>,
    /// The process that listens.
    pub(crate) pid: u32,
}

/// Where traces are taken and asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TraceAddresses {
    /// OTLP over gRPC.
    pub(crate) otlp_grpc: String,
    /// OTLP over HTTP.
    pub(crate) otlp_http: String,
    /// Jaeger's query API.
    pub(crate) jaeger: String,
    /// Jaeger's remote sampling.
    pub(crate) sampling: String,
}

impl TraceAddresses {
    /// Those of the listeners, in the order of the pipeline.
    pub(crate) fn of(listeners: &[SocketAddr]) -> Self {
        let url =
            |at: usize| listeners.get(at).map(|address| format!("http://{address}")).unwrap_or_default();
        Self { otlp_grpc: url(0), otlp_http: url(1), jaeger: url(2), sampling: url(3) }
    }

    /// For the table of addresses.
    pub(crate) fn rows(&self) -> [(String, String); 2] {
        [
            ("Jaeger API".to_owned(), self.jaeger.clone()),
            ("OTLP gRPC, HTTP".to_owned(), format!("{}  {}", self.otlp_grpc, self.otlp_http)),
        ]
    }
}

impl Addresses {
    /// Writes the file into the data directory.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn write(&self, data_dir: &Path) -> io::Result<PathBuf> {
        let path = data_dir.join(FILE);
        let staged = data_dir.join(format!(".{FILE}.new"));
        fs::write(&staged, serde_json::to_string_pretty(self)? + "\n")?;
        fs::rename(&staged, &path)?;
        Ok(path)
    }

    /// Reads the file of a data directory; `None` when there is none or it is not readable as one.
    pub(crate) fn read(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(data_dir.join(FILE)).ok()?).ok()
    }

    /// Removes the file at a clean stop.
    pub(crate) fn remove(data_dir: &Path) {
        // a file that is gone already is what is wanted
        let _ = fs::remove_file(data_dir.join(FILE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Addresses::read(folder.path()), None);
        let written = Addresses {
            ui: Some("http://127.0.0.1:3000".into()),
            prometheus: "http://127.0.0.1:9090".into(),
            traces: TraceAddresses::of(&["127.0.0.1:4317".parse().unwrap()]),
            alertmanager: Some("http://127.0.0.1:9093".into()),
            services: BTreeMap::from([("todo-backend".into(), "http://127.0.0.1:8000".into())]),
            pid: 7,
        };
        written.write(folder.path()).unwrap();
        assert_eq!(Addresses::read(folder.path()), Some(written));
        Addresses::remove(folder.path());
        assert_eq!(Addresses::read(folder.path()), None);
    }
}
