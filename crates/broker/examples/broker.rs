//! The broker alone in a process: for the tests that kill it, and for measuring.
//!
//! Input: `<data folder> <listen address> <metrics address> [topic:partitions]…`. Output: one line with both addresses once it
//! listens; it then runs until it is ended. The program's own `broker` command has flags and logs; this has neither.

use std::net::SocketAddr;
use tidewatch_broker::{Broker, BrokerOptions, TopicSpec};

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next =
        || arguments.next().ok_or("usage: broker <data folder> <listen> <metrics> [topic:partitions]…");
    let mut options = BrokerOptions::new(next()?);
    options.listen = next()?.parse::<SocketAddr>()?;
    options.metrics_listen = Some(next()?.parse::<SocketAddr>()?);
    while let Ok(topic) = next() {
        let (name, partitions) = topic.split_once(':').ok_or("a topic is given as name:partitions")?;
        options.topics.push(TopicSpec::new(name, partitions.parse()?));
    }
    let broker = Broker::start(options).await?;
    println!("{} {}", broker.address(), broker.metrics_address().map(|a| a.to_string()).unwrap_or_default());
    std::future::pending::<()>().await;
    Ok(())
}
