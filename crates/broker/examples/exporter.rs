//! The exporter's page of any Kafka cluster, once.
//!
//! Input: `<host:port>…`. Output: the page on standard output. The program's own exporter is scraped; this is for comparing clusters.

use tidewatch_broker::{Exporter, ExporterOptions};

#[tokio::main(worker_threads = 1)]
async fn main() {
    let options = ExporterOptions { throughput: true, ..ExporterOptions::default() };
    let mut page = String::new();
    Exporter::new(std::env::args().skip(1).collect(), options).page(&mut page).await;
    print!("{page}");
}
