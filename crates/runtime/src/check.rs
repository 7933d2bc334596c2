//! Single checks of a container: an HTTP request, a connection, a command.
//!
//! Input: what to do and where. Output: success, or what was wrong in the kubelet's words. No check is repeated here
//! and none knows thresholds.
//!
//! As the kubelet does it: a new connection for each request, `User-Agent: kube-probe/…`, 200 to 399 is success,
//! up to 10 redirects within the same host are followed, a redirect to another host is success.

use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What of an answer is looked at.
const MOST_HEAD_BYTES: usize = 16 << 10;

/// A GET request.
pub(crate) struct HttpRequest<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) host: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(String, String)],
}

impl HttpRequest<'_> {
    /// Sends it and follows redirects. The caller limits the time.
    pub(crate) async fn check(&self) -> Result<(), String> {
        let mut path = with_slash(self.path);
        for _ in 0..=10 {
            let (status, location) = self.get(&path).await?;
            match (status, location) {
                (300..=399, Some(location)) => match self.same_host(&location) {
                    Some(next) => path = next,
                    None => return Ok(()),
                },
                (200..=399, _) => return Ok(()),
                _ => return Err(format!("HTTP probe failed with statuscode: {status}")),
            }
        }
        Err(format!("Get \"http://{}{}\": stopped after 10 redirects", self.address, self.path))
    }

    /// The path of a redirect that stays on the host.
    fn same_host(&self, location: &str) -> Option<String> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Some(location.to_owned());
        }
        let rest = location.strip_prefix("http://")?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let own = self.address.to_string();
        (host == own || Some(host) == self.host).then(|| with_slash(path))
    }

    async fn get(&self, path: &str) -> Result<(u16, Option<String>), String> {
        let failed = |error: std::io::Error| format!("Get \"http://{}{path}\": {error}", self.address);
        let mut stream = TcpStream::connect(self.address).await.map_err(failed)?;
        stream.write_all(self.head(path).as_bytes()).await.map_err(failed)?;
        let mut head = Vec::with_capacity(512);
        let end = loop {
            let read = stream.read_buf(&mut head).await.map_err(failed)?;
            if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if read == 0 || head.len() > MOST_HEAD_BYTES {
                return Err(format!("Get \"http://{}{path}\": malformed HTTP response", self.address));
            }
        };
        let head = String::from_utf8_lossy(&head[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok());
        let status = status
            .ok_or_else(|| format!("Get \"http://{}{path}\": malformed HTTP response", self.address))?;
        let location = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("location"));
        Ok((status, location.map(|(_, value)| value.trim().to_owned())))
    }

    fn head(&self, path: &str) -> String {
        let given = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let mut head = format!("GET {path} HTTP/1.1\r\n");
        if !given("host") {
            let host = self
                .host
                .map_or_else(|| self.address.to_string(), |host| format!("{host}:{}", self.address.port()));
            head.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in [("User-Agent", "kube-probe/1.35"), ("Accept", "*/*")] {
            if !given(name) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        for (name, value) in
            self.headers.iter().filter(|(name, value)| !format!("{name}{value}").contains(['\r', '\n']))
        {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("Connection: close\r\n\r\n");
        head
    }
}

fn with_slash(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// Opens a connection and closes it.
pub(crate) async fn connect(address: SocketAddr) -> Result<(), String> {
    TcpStream::connect(address).await.map(drop).map_err(|error| format!("dial tcp {address}: {error}"))
}

/// The address a handler's host and port mean.
pub(crate) fn address_of(host: Option<&str>, own: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(host.and_then(|host| host.parse().ok()).unwrap_or(own), port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers one request a connection by its path and gives what a check makes of it.
    async fn check(path: &str, expected: Result<(), &str>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    stream.read_buf(&mut request).await.unwrap();
                }
                let request = String::from_utf8(request).unwrap();
                assert!(
                    request.contains("User-Agent: kube-probe/") && request.contains("X-Probe: 1"),
                    "{request}"
                );
                let answer = match request.split(' ').nth(1).unwrap() {
                    "/ok" => "200 OK\r\n\r\nhello".to_owned(),
                    "/teapot" => "418 no\r\n\r\n".to_owned(),
                    "/moved" => "302 Found\r\nLocation: /ok\r\n\r\n".to_owned(),
                    "/moved-to-failure" => format!("302 Found\r\nlocation: http://{address}/teapot\r\n\r\n"),
                    "/away" => "301 Moved\r\nLocation: http://elsewhere.example/\r\n\r\n".to_owned(),
                    "/round" => "302 Found\r\nLocation: /round\r\n\r\n".to_owned(),
                    _ => "rubbish".to_owned(),
                };
                let answer = if answer == "rubbish" { answer } else { format!("HTTP/1.1 {answer}") };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let headers = [("X-Probe".to_owned(), "1".to_owned())];
        let got = HttpRequest { address, host: None, path, headers: &headers }.check().await;
        match expected {
            Ok(()) => assert_eq!(got, Ok(()), "{path}"),
            Err(text) => assert!(got.as_ref().unwrap_err().contains(text), "{path}: {got:?}"),
        }
        server.abort();
    }

    #[tokio::test]
    async fn judges_answers_as_the_kubelet_does() {
        check("ok", Ok(())).await;
        check("/moved", Ok(())).await;
        check("/away", Ok(())).await;
        check("/teapot", Err("statuscode: 418")).await;
        check("/moved-to-failure", Err("statuscode: 418")).await;
        check("/round", Err("stopped after 10 redirects")).await;
        check("/rubbish", Err("malformed HTTP response")).await;
    }

    #[tokio::test]
    async fn a_closed_port_is_a_failure() {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(connect(address).await.unwrap_err().contains("refused"));
    }
}
