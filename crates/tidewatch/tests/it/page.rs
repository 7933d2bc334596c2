//! A target whose pages a test decides.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// An HTTP server on loopback that answers every request with the current page; ends with the test.
#[derive(Clone)]
pub(crate) struct Page {
    address: SocketAddr,
    body: Arc<Mutex<Body>>,
}

type Body = Box<dyn FnMut() -> (String, Vec<u8>) + Send>;

impl Page {
    /// A page computed anew for each request: content type and body.
    pub(crate) fn dynamic(body: impl FnMut() -> (String, Vec<u8>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let page =
            Self { address: listener.local_addr().unwrap(), body: Arc::new(Mutex::new(Box::new(body))) };
        let shared = page.body.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        page
    }

    /// A page of plain exposition text.
    pub(crate) fn text(body: &str) -> Self {
        let body = body.to_owned();
        Self::dynamic(move || ("text/plain; version=0.0.4".to_owned(), body.clone().into_bytes()))
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

fn answer(mut stream: std::net::TcpStream, body: &Mutex<Body>) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(read) = stream.read(&mut buffer) else { return };
        if read == 0 {
            return;
        }
        seen.extend_from_slice(&buffer[..read]);
        if seen.windows(4).any(|w| w == b"\r\n\r\n") {
            seen.clear();
            let (kind, body) = (body.lock().unwrap())();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
            if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
                return;
            }
        }
    }
}

/// A page with a light that can be switched.
pub(crate) fn light() -> (Page, Arc<AtomicU64>) {
    let state = Arc::new(AtomicU64::new(1));
    let read = Arc::clone(&state);
    let page = Page::dynamic(move || {
        let body = format!("light {}\n", read.load(Ordering::Relaxed));
        ("text/plain; version=0.0.4".to_owned(), body.into_bytes())
    });
    (page, state)
}
