//! `tidewatch broker`: a Kafka-compatible broker for this machine.
//!
//! Input: the command's arguments; with `up`, one broker runs for each Kafka object. Output: a broker until a signal ends it.

use crate::cli::{LogArgs, host_and_port};
use crate::failure::Failure;
use crate::signals::{Signals, Wish};
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tidewatch_broker::{Broker, BrokerOptions, TopicSpec, topic_of_manifest};

/// Settings of `broker`.
#[derive(Args, Debug)]
pub(crate) struct BrokerArgs {
    /// Where topics, offsets and groups are kept
    #[arg(long, value_name = "DIR", default_value = "tidewatch-data/kafka")]
    data_dir: PathBuf,

    /// Address that takes Kafka's clients (port 0: any free one)
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9092")]
    listen_address: SocketAddr,

    /// Host and port that clients are told to connect to. Default: the listener's own
    #[arg(long, value_name = "HOST:PORT", value_parser = advertised)]
    advertised_address: Option<(String, u16)>,

    /// Address of the page of metrics, in the names of Strimzi's. Default: none
    #[arg(long, value_name = "IP:PORT")]
    metrics_listen_address: Option<SocketAddr>,

    /// A JSON file with a list of KafkaTopic objects that are made at the start
    #[arg(long, value_name = "FILE")]
    topics: Option<PathBuf>,

    /// Refuse topics that nobody made
    #[arg(long)]
    no_auto_create_topics: bool,

    /// What is logged.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Runs the command until a signal ends it.
///
/// # Errors
/// When the broker cannot start; the text names the thing and the remedy.
pub(crate) async fn run(args: &BrokerArgs) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    tidewatch_runtime::raise_open_file_limit();
    let options = BrokerOptions {
        listen: args.listen_address,
        advertised: args.advertised_address.clone(),
        metrics_listen: args.metrics_listen_address,
        topics: args.topics.as_deref().map(read_topics).transpose()?.unwrap_or_default(),
        auto_create_topics: !args.no_auto_create_topics,
        ..BrokerOptions::new(&args.data_dir)
    };
    let broker = Broker::start(options).await.map_err(|e| Failure::from_error(&e))?;
    eprintln!("broker listens on {}", broker.address());
    while signals.next().await != Wish::Stop {}
    broker.shutdown().await;
    Ok(())
}

fn read_topics(path: &Path) -> Result<Vec<TopicSpec>, Failure> {
    let file = path.display();
    let text = std::fs::read(path).map_err(|e| {
        Failure::new(format!("{file} cannot be read: {e}")).hint("check the path after --topics")
    })?;
    let objects: Vec<serde_json::Value> = serde_json::from_slice(&text)
        .map_err(|e| Failure::new(format!("{file}: {e}")).hint("write a JSON list of KafkaTopic objects"))?;
    let topic = |object| topic_of_manifest(object).map_err(|e| Failure::new(format!("{file}: {e}")));
    objects.iter().map(topic).collect()
}

fn advertised(text: &str) -> Result<(String, u16), String> {
    let text = host_and_port(text)?;
    let (host, port) = text.rsplit_once(':').expect("it was checked");
    Ok((host.to_owned(), port.parse().expect("it was checked")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_topics_are_read_or_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("topics.json");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_topics(&path).map_err(|e| e.to_string())
        };
        let topic = r#"[{"apiVersion":"kafka.strimzi.io/v1","kind":"KafkaTopic","metadata":{"name":"a"},"spec":{"partitions":3,"replicas":1}}]"#;
        assert_eq!(read(topic).unwrap(), [TopicSpec::new("a", 3)]);
        for (text, part) in [("{}", "JSON list"), (r#"[{"kind":"Pod"}]"#, "topics.json")] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part) && error.contains("topics.json"), "{error}");
        }
    }

    #[test]
    fn addresses_for_clients_have_host_and_port() {
        assert_eq!(advertised("[::1]:9092"), Ok(("[::1]".to_owned(), 9092)));
        for wrong in ["localhost", ":1", "a:b"] {
            assert!(advertised(wrong).unwrap_err().contains("hint:"), "{wrong}");
        }
    }
}
