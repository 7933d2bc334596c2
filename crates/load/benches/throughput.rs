//! What a request costs the generator: processor time of its one thread against a server that does nothing.
//!
//! Run with `cargo bench -p tidewatch-load`. Output: for each rate, what was reached, latency and processor time a request, and how
//! many requests a second that is for a whole core; then the same server under `wrk` with one thread, where installed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;
use tidewatch_load::{Arrivals, Limits, LoadSpec, RequestTemplate, Schedule, Stage, Target, run};

const SECONDS: u64 = 4;
const CONNECTIONS: usize = 16;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello";

/// A thread for each connection, which answers whatever comes in.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {
        stream.write_all(ANSWER)?;
    }
    Ok(())
}

fn thread_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn measure(address: SocketAddr, rate: u32) {
    let stage = Stage { from: f64::from(rate), to: f64::from(rate), duration: Duration::from_secs(SECONDS) };
    let template = RequestTemplate::parse(&format!("http://{address}/"), "GET", &[], "").expect("a URL");
    let spec = LoadSpec {
        schedule: Schedule::new(vec![stage]).expect("a rate above 0"),
        arrivals: Arrivals::Uniform,
        seed: 1,
        target: Target::Requests(vec![template]),
        limits: Limits { connections: CONNECTIONS, ..Limits::default() },
        allow_remote: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let before = thread_seconds();
    let (_stop, stops) = tokio::sync::watch::channel(0);
    let report = runtime.block_on(run(&spec, &mut |_| {}, stops)).expect("a server that is there");
    let each = (thread_seconds() - before) / report.totals.ok.max(1) as f64;
    println!(
        "{rate:>7}/s  reached {:>9.1}/s  missed {:>6}  errors {}  p50 {:>6.3} ms  p99 {:>7.3} ms  lateness p99 {:>6.3} ms  \
         {:>5.1} µs a request = {:>6.0}/s a core",
        report.totals.ok_rate,
        report.totals.missed,
        report.totals.errors,
        report.latency.p50,
        report.latency.p99,
        report.lateness.p99,
        each * 1e6,
        1.0 / each,
    );
}

fn main() {
    let address = server();
    for rate in [1_000, 10_000, 20_000, 40_000, 80_000] {
        measure(address, rate);
    }
    let wrk = Command::new("wrk")
        .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s"), "--latency"])
        .arg(format!("http://{address}/"))
        .output();
    match wrk {
        Ok(output) => println!("wrk:\n{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => println!("wrk is not installed: nothing to compare with"),
    }
}
