//! A real Prometheus: started, filled by remote write, asked over HTTP, ended.
//!
//! Input: the path of the program and the samples. Output: replies. Remote write carries every bit of a value,
//! staleness markers included, which the text formats cannot.

use crate::answer::Reply;
use crate::data::START;
use crate::queries::Question;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tidewatch_testkit::Memory;

pub(crate) struct Peer {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn field(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Snappy's block format with literals only.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(bytes.len() as u64, &mut out);
    for chunk in bytes.chunks(65_536) {
        out.push(61 << 2);
        out.extend_from_slice(&((chunk.len() - 1) as u16).to_le_bytes());
        out.extend_from_slice(chunk);
    }
    out
}

impl Peer {
    pub(crate) fn start(program: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("promql-conformance-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        std::fs::write(folder.join("prometheus.yml"), "").expect("an empty configuration");
        let address = tidewatch_testkit::unused_address();
        let child = Command::new(program)
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args([
                "--web.enable-remote-write-receiver",
                "--log.level=error",
                "--storage.tsdb.retention.time=100y",
            ])
            .arg("--enable-feature=promql-experimental-functions")
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("prometheus starts; hint: --prometheus <path>");
        let peer = Self { child, address, folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        while peer.http("GET", "/-/ready", &[], b"").is_none_or(|(status, _)| status != 200) {
            assert!(Instant::now() < deadline, "prometheus is not ready after 30 s");
            std::thread::sleep(Duration::from_millis(50));
        }
        peer
    }

    fn http(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        let mut request =
            format!("{method} {path} HTTP/1.0\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response).ok()?;
        let split = response.windows(4).position(|w| w == b"\r\n\r\n")?;
        let status = std::str::from_utf8(&response[9..12]).ok()?.parse().ok()?;
        Some((status, response[split + 4..].to_vec()))
    }

    /// Writes all samples in order of time.
    pub(crate) fn load(&mut self, store: &Memory) {
        let mut from = START;
        let last =
            store.series().iter().filter_map(|(_, c)| c.timestamps.last()).max().copied().unwrap_or(START);
        while from <= last {
            self.write(store, from, from + 600_000);
            from += 600_000;
        }
    }

    fn write(&self, store: &Memory, from: i64, to: i64) {
        let mut request = Vec::new();
        for (labels, columns) in store.series() {
            let mut series = Vec::new();
            for (name, value) in labels {
                let mut label = Vec::new();
                field(1, name.as_bytes(), &mut label);
                field(2, value.as_bytes(), &mut label);
                field(1, &label, &mut series);
            }
            let mut any = false;
            for (time, value) in columns.timestamps.iter().zip(&columns.values) {
                if (from..to).contains(time) {
                    any = true;
                    let mut sample = vec![1 << 3 | 1];
                    sample.extend_from_slice(&value.to_bits().to_le_bytes());
                    sample.push(2 << 3);
                    varint(*time as u64, &mut sample);
                    field(2, &sample, &mut series);
                }
            }
            if any {
                field(1, &series, &mut request);
            }
        }
        let headers = [
            "Content-Type: application/x-protobuf",
            "Content-Encoding: snappy",
            "X-Prometheus-Remote-Write-Version: 0.1.0",
        ];
        let (status, body) =
            self.http("POST", "/api/v1/write", &headers, &snappy(&request)).expect("prometheus answers");
        assert!(status < 300, "remote write: {status} {}", String::from_utf8_lossy(&body));
    }

    /// The canonical form of a query, if it is one.
    pub(crate) fn format(&self, query: &str) -> Option<String> {
        let body: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
        let headers = ["Content-Type: application/x-www-form-urlencoded"];
        let body = format!("query={body}");
        let (_, body) =
            self.http("POST", "/api/v1/format_query", &headers, body.as_bytes()).expect("prometheus answers");
        let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        json["data"].as_str().map(str::to_owned)
    }

    pub(crate) fn ask(&self, query: &str, question: Question) -> Reply {
        let encode = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let (path, body) = match question {
            Question::Instant(time) => {
                ("/api/v1/query", format!("query={}&time={}", encode(query), seconds(time)))
            }
            Question::Range(start, end, step) => (
                "/api/v1/query_range",
                format!(
                    "query={}&start={}&end={}&step={}",
                    encode(query),
                    seconds(start),
                    seconds(end),
                    seconds(step)
                ),
            ),
        };
        let headers = ["Content-Type: application/x-www-form-urlencoded"];
        let (_, body) = self.http("POST", path, &headers, body.as_bytes()).expect("prometheus answers");
        Reply::from_json(&body)
    }
}
