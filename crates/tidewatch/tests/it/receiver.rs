//! A server that is told of alerts: it keeps what is posted and answers as a test wants.

use crate::product::eventually;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// A status, with the seconds of `Retry-After`, if any.
    Status(u16, Option<u32>),
    /// Nothing, while the other side waits.
    Silence,
}

/// A receiver of notifications, or what stands where an Alertmanager would.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    posted: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        Self::answering(|_| Reply::Status(200, None))
    }

    /// One whose answer depends on how many posts came before.
    pub(crate) fn answering(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, posted) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Value>>>::default());
        let kept = Arc::clone(&posted);
        let reply = Arc::new(reply);
        // ends with the process: nothing waits for it
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, reply) = (Arc::clone(&kept), Arc::clone(&reply));
                std::thread::spawn(move || take(stream, &kept, &*reply));
            }
        });
        Self { address, posted }
    }

    /// All bodies so far.
    pub(crate) fn posted(&self) -> Vec<Value> {
        self.posted.lock().unwrap().clone()
    }

    /// The notifications so far about an alert, by status.
    pub(crate) fn told(&self, alert: &str, status: &str) -> usize {
        let posted = self.posted.lock().unwrap();
        let is_it = |one: &Value| one["labels"]["alertname"] == alert && one["status"] == status;
        posted.iter().filter(|body| body["alerts"].as_array().unwrap().iter().any(is_it)).count()
    }

    /// Waits until so many posts came.
    pub(crate) fn has_posts(&self, least: usize) {
        eventually("notifications", || (self.posted.lock().unwrap().len() >= least).then_some(()));
    }
}

fn take(mut stream: TcpStream, kept: &Mutex<Vec<Value>>, reply: &dyn Fn(usize) -> Reply) {
    let (mut line, mut length) = (String::new(), 0);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    let Some(body) = reader.read_exact(&mut body).ok().and_then(|()| serde_json::from_slice(&body).ok())
    else {
        return;
    };
    let before = {
        let mut kept = kept.lock().unwrap();
        kept.push(body);
        kept.len() - 1
    };
    match reply(before) {
        Reply::Status(status, retry_after) => {
            let retry_after = retry_after.map(|s| format!("Retry-After: {s}\r\n")).unwrap_or_default();
            let head =
                format!("HTTP/1.1 {status} x\r\n{retry_after}Content-Length: 0\r\nConnection: close\r\n\r\n");
            // whoever asked may have left
            let _ = stream.write_all(head.as_bytes());
        }
        // until the other side gives up
        Reply::Silence => _ = reader.read(&mut [0]),
    }
}
