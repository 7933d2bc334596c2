//! A mail server on loopback that keeps what it is sent.
//!
//! Input: what it offers and refuses. Output: the dialogue and the messages.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the server does.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    /// Encrypts: from the first byte, or when asked.
    pub(crate) tls: Option<TlsAcceptor>,
    /// Whether from the first byte.
    pub(crate) implicit: bool,
    /// The mechanisms after `AUTH`.
    pub(crate) auth: &'static str,
    /// A verb that is answered with 550 and the line itself.
    pub(crate) refuses: &'static str,
    /// Says more than it was asked when TLS begins.
    pub(crate) injects: bool,
    /// Never answers a good-bye.
    pub(crate) stays: bool,
}

/// What was said and sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialogue {
    /// Lines of the client; `TLS` where encryption began.
    pub(crate) lines: Vec<String>,
    /// Messages as they were transferred.
    pub(crate) messages: Vec<String>,
}

/// The server; it ends when dropped.
pub(crate) struct MailServer {
    pub(crate) address: SocketAddr,
    dialogue: Arc<Mutex<Dialogue>>,
    task: JoinHandle<()>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl MailServer {
    /// Starts one.
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let dialogue = Arc::new(Mutex::new(Dialogue::default()));
        let kept = Arc::clone(&dialogue);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let stream: Box<dyn Stream> = match &behaviour.tls {
                    Some(tls) if behaviour.implicit => match tls.accept(stream).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => continue,
                    },
                    _ => Box::new(stream),
                };
                // a client that goes away is no mistake of the server
                let _ = serve(stream, &behaviour, &kept).await;
            }
        });
        Self { address, dialogue, task }
    }

    /// What was said so far.
    pub(crate) fn dialogue(&self) -> Dialogue {
        self.dialogue.lock().unwrap().clone()
    }
}

async fn serve(
    stream: Box<dyn Stream>,
    behaviour: &Behaviour,
    kept: &Mutex<Dialogue>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut encrypted = behaviour.implicit;
    say(&mut stream, "220 capture ESMTP").await?;
    loop {
        let line = read_line(&mut stream).await?;
        kept.lock().unwrap().lines.push(line.clone());
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        if verb == behaviour.refuses {
            say(&mut stream, &format!("550 no: {line}")).await?;
            continue;
        }
        match verb.as_str() {
            "EHLO" => {
                let mut offers = vec!["capture".to_owned(), "8BITMIME".to_owned()];
                if behaviour.tls.is_some() && !encrypted {
                    offers.push("STARTTLS".to_owned());
                } else if !behaviour.auth.is_empty() {
                    offers.push(format!("AUTH {}", behaviour.auth));
                }
                let last = offers.len() - 1;
                for (at, offer) in offers.iter().enumerate() {
                    say(&mut stream, &format!("250{}{offer}", if at < last { '-' } else { ' ' })).await?;
                }
            }
            "STARTTLS" => {
                let extra = if behaviour.injects { "\r\n250 ahead of the handshake" } else { "" };
                say(&mut stream, &format!("220 go{extra}")).await?;
                let tls = behaviour.tls.clone().unwrap();
                stream = BufReader::new(Box::new(tls.accept(stream.into_inner()).await?));
                kept.lock().unwrap().lines.push("TLS".to_owned());
                encrypted = true;
            }
            "AUTH" => authenticate(&mut stream, &line, kept).await?,
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                let mut message = String::new();
                loop {
                    let line = read_line(&mut stream).await?;
                    if line == "." {
                        break;
                    }
                    message.push_str(&line);
                    message.push_str("\r\n");
                }
                kept.lock().unwrap().messages.push(message);
                say(&mut stream, "250 taken").await?;
            }
            "QUIT" if behaviour.stays => std::future::pending().await,
            "QUIT" => return say(&mut stream, "221 bye").await,
            _ => say(&mut stream, "250 ok").await?,
        }
    }
}

async fn authenticate(
    stream: &mut BufReader<Box<dyn Stream>>,
    line: &str,
    kept: &Mutex<Dialogue>,
) -> std::io::Result<()> {
    let challenges: &[&str] = match line.split(' ').nth(1) {
        // "Username:", "Password:", and the challenge of RFC 2195
        Some("LOGIN") => &["VXNlcm5hbWU6", "UGFzc3dvcmQ6"],
        Some("CRAM-MD5") => &["PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"],
        _ => &[],
    };
    for challenge in challenges {
        say(stream, &format!("334 {challenge}")).await?;
        let answer = read_line(stream).await?;
        kept.lock().unwrap().lines.push(answer);
    }
    say(stream, "235 welcome").await
}

async fn say(stream: &mut BufReader<Box<dyn Stream>>, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await?;
    stream.flush().await
}

async fn read_line(stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
