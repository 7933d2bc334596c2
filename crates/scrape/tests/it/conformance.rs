//! The same pages scraped by Prometheus and by tidewatch, from one prometheus.yml: `conformance/scrape/cases.txt`.
//!
//! Runs when a Prometheus is on the PATH or named by `TIDEWATCH_PROMETHEUS`; says that it did not otherwise.

use crate::store::MemoryStore;
use crate::until;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tidewatch_manifest::PrometheusConfig;
use tidewatch_model::SystemClock;
use tidewatch_scrape::{ScrapeOptions, Scraper};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

struct Case {
    name: String,
    content_type: String,
    settings: Vec<String>,
    /// Why the counts of samples differ although both refuse the page.
    counts_differ: Option<String>,
    page: Vec<u8>,
}

/// First values by series, report series that depend on time excluded.
type Stored = BTreeMap<String, f64>;

fn cases() -> Vec<Case> {
    let text = include_str!("../../../../conformance/scrape/cases.txt");
    let now = UNIX_EPOCH.elapsed().unwrap().as_millis() as u64 - 60_000;
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some((name, content_type)) = line.strip_prefix('[').and_then(|line| line.split_once("] ")) {
            cases.push(Case {
                name: name.to_owned(),
                content_type: content_type.to_owned(),
                settings: Vec::new(),
                counts_differ: None,
                page: Vec::new(),
            });
            continue;
        }
        let case = cases.last_mut().expect("the file begins with a case");
        match line.split_at(line.len().min(2)) {
            ("@ ", setting) => case.settings.push(setting.to_owned()),
            ("! ", reason) => case.counts_differ = Some(reason.to_owned()),
            _ => case.page.extend(unescape(line, now)),
        }
    }
    cases
}

fn unescape(line: &str, now: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next().expect("a backslash escapes something") {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'0' => out.push(0),
            b'\\' => out.push(b'\\'),
            b'T' => out.extend(now.to_string().bytes()),
            b'S' => out.extend(format!("{}.{:03}", now / 1000, now % 1000).bytes()),
            b'x' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            other => panic!("unknown escape {:?}", char::from(other)),
        }
    }
    out
}

fn find_prometheus() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TIDEWATCH_PROMETHEUS") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("prometheus")).find(|file| file.is_file())
}

fn configuration(cases: &[Case], address: &str) -> String {
    let mut text = String::from("global: {scrape_interval: 5s, scrape_timeout: 5s}\nscrape_configs:\n");
    for (at, case) in cases.iter().enumerate() {
        let _ = write!(text, "- job_name: case-{at}\n  metrics_path: /{at}\n");
        let _ = writeln!(text, "  static_configs: [{{targets: ['{address}'], labels: {{case: c{at}}}}}]");
        for setting in &case.settings {
            let _ = writeln!(text, "  {setting}");
        }
    }
    text
}

/// Serves page N at `/N`.
async fn serve(cases: Arc<Vec<Case>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let cases = cases.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                let mut read = 0;
                while !request[..read].windows(4).any(|w| w == b"\r\n\r\n") {
                    match stream.read(&mut request[read..]).await {
                        Ok(0) | Err(_) => return,
                        Ok(more) => read += more,
                    }
                }
                let text = String::from_utf8_lossy(&request[..read]);
                let path = text.split([' ', '?']).nth(1).unwrap_or_default();
                let Some(case) =
                    path.trim_start_matches('/').parse().ok().and_then(|at: usize| cases.get(at))
                else {
                    return;
                };
                let mut head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n",
                    case.page.len()
                );
                if !case.content_type.is_empty() {
                    let _ = write!(head, "Content-Type: {}\r\n", case.content_type);
                }
                let _ = stream.write_all(format!("{head}\r\n").as_bytes()).await;
                let _ = stream.write_all(&case.page).await;
            });
        }
    });
    address
}

struct Prometheus {
    process: Child,
    folder: PathBuf,
    address: String,
}

impl Prometheus {
    fn start(binary: &Path, config: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tidewatch-conformance-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let process = Command::new(binary)
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, folder, address }
    }

    /// All samples of the last ten minutes: series in PromQL's notation with their first value.
    async fn stored(&self) -> Option<Stored> {
        let query = "%7Bcase%3D~%22c.%2B%22%7D%5B10m%5D";
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        let request = format!("GET /api/v1/query?query={query} HTTP/1.0\r\nHost: p\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let body = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let json: serde_json::Value = serde_json::from_slice(&answer[body..]).ok()?;
        let mut stored = Stored::new();
        for series in json["data"]["result"].as_array()? {
            let labels = series["metric"].as_object()?.iter();
            let labels = tidewatch_model::Labels::from_pairs(
                labels.map(|(n, v)| (n.clone(), v.as_str().unwrap_or_default())),
            );
            let value = series["values"][0][1].as_str()?.parse().ok()?;
            stored.insert(labels.to_string(), value);
        }
        Some(stored)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The part of what is stored that belongs to a case and does not depend on time.
fn of_case(stored: &Stored, at: usize, case: &Case) -> Vec<(String, String)> {
    let label = format!("case=\"c{at}\"");
    let of_case = stored.iter().filter(|(series, _)| series.contains(&label));
    let is_count = |series: &str| series.starts_with("scrape_s");
    of_case
        .filter(|(series, _)| !series.starts_with("scrape_duration_seconds{"))
        .filter(|(series, _)| case.counts_differ.is_none() || !is_count(series))
        .map(|(series, value)| {
            (series.clone(), if value.is_nan() { "NaN".to_owned() } else { value.to_string() })
        })
        .collect()
}

fn ups(stored: &Stored) -> usize {
    stored.keys().filter(|series| series.starts_with("up{")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_taken_as_prometheus_takes_them() {
    let Some(binary) = find_prometheus() else {
        eprintln!("skipped: no prometheus on the PATH and TIDEWATCH_PROMETHEUS is not set");
        return;
    };
    let cases = Arc::new(cases());
    let address = serve(cases.clone()).await;
    let config = configuration(&cases, &address);
    let prometheus = Prometheus::start(&binary, &config);

    let store = Arc::new(MemoryStore::default());
    let scraper = Scraper::start(store.clone(), Arc::new(SystemClock), ScrapeOptions::default());
    let parsed = PrometheusConfig::parse("prometheus.yml", &config).unwrap();
    let jobs = parsed.scrape_configs.into_iter().map(|job| (job.clone(), job.static_configs)).collect();
    scraper.apply(jobs);
    until("tidewatch to scrape all", || (ups(&store.first_values()) == cases.len()).then_some(())).await;
    scraper.shutdown().await;

    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let theirs = loop {
        if let Some(stored) = prometheus.stored().await.filter(|stored| ups(stored) == cases.len()) {
            break stored;
        }
        assert!(tokio::time::Instant::now() < deadline, "prometheus did not scrape all cases in a minute");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let ours = store.first_values();
    let accepted = theirs.iter().filter(|(series, up)| series.starts_with("up{") && **up == 1.0).count();
    let mut differences = String::new();
    for (at, case) in cases.iter().enumerate() {
        let (ours, theirs) = (of_case(&ours, at, case), of_case(&theirs, at, case));
        if ours != theirs {
            let _ =
                writeln!(differences, "[{}]\n  tidewatch:  {ours:?}\n  prometheus: {theirs:?}", case.name);
        }
    }
    eprintln!("{} pages, {accepted} accepted, {} refused by prometheus", cases.len(), cases.len() - accepted);
    assert!(differences.is_empty(), "{differences}");
}
