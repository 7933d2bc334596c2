//! A mail server spoken to: SMTP (RFC 5321) with STARTTLS, and authentication by PLAIN, LOGIN or CRAM-MD5.
//!
//! Input: where the server is, who authenticates, and a finished message. Output: the message is the server's, or an error with the
//! step that failed. Answers are bounded; what the server says is shortened before it is shown, and credentials are taken out of it.
//! One message a connection; no queue, no pipelining.

use super::secret::Redactor;
use super::tls;
use super::verdict::shortened;
use crate::SendError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use std::time::Duration;
use tidewatch_manifest::TlsConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Bytes of a line of an answer, and lines of an answer, at most.
const MAX_LINE: u64 = 4096;
const MAX_LINES: usize = 100;

/// Time for a server to answer a good-bye.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a connection has to be able to do.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How a server is reached.
#[derive(Debug)]
pub(super) struct Server<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) tls: &'a TlsConfig,
    /// Whether the connection is encrypted from its first byte.
    pub(super) implicit_tls: bool,
    /// Whether a connection that is not gets encrypted, or given up.
    pub(super) require_tls: bool,
    /// How we name ourselves.
    pub(super) hello: &'a str,
}

/// Who sends.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) identity: String,
    pub(super) username: String,
    /// For PLAIN and LOGIN.
    pub(super) password: String,
    /// For CRAM-MD5.
    pub(super) secret: String,
}

/// An open connection that greeted and was greeted.
pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    host: String,
    extensions: Vec<String>,
    encrypted: bool,
}

/// Connects, greets and, if it has to be, encrypts.
///
/// # Errors
/// When the server is not there, or not as secure as required. All may be tried again.
pub(super) async fn connect(server: &Server<'_>) -> Result<Connection, SendError> {
    let failed = |step: &str, reason: &str| SendError::recoverable(format!("{step}: {reason}"));
    let stream = TcpStream::connect((server.host, server.port)).await;
    let stream = stream.map_err(|error| failed("establish connection to server", &error.to_string()))?;
    let mut stream: Box<dyn Stream> = Box::new(stream);
    if server.implicit_tls {
        let encrypted = tls::connect(server.tls, server.host, stream).await;
        stream = Box::new(encrypted.map_err(|reason| failed("establish TLS connection to server", &reason))?);
    }
    let mut connection = Connection {
        stream: BufReader::new(stream),
        host: server.host.to_owned(),
        extensions: Vec::new(),
        encrypted: server.implicit_tls,
    };
    connection.expect("read greeting", 220).await?;
    connection.greet(server.hello).await?;
    if server.require_tls && !connection.encrypted {
        if connection.extension("STARTTLS").is_none() {
            let name = format!("{}:{}", server.host, server.port);
            return Err(SendError::recoverable(format!(
                "'require_tls' is true (default) but {name:?} does not advertise the STARTTLS extension"
            )));
        }
        connection = connection.start_tls(server).await?;
    }
    Ok(connection)
}

impl Connection {
    async fn start_tls(mut self, server: &Server<'_>) -> Result<Self, SendError> {
        self.command("send STARTTLS command", "STARTTLS", 220).await?;
        if !self.stream.buffer().is_empty() {
            // someone in between may have put commands before the handshake
            return Err(SendError::recoverable(
                "send STARTTLS command: the server spoke before the handshake",
            ));
        }
        let encrypted = tls::connect(server.tls, server.host, self.stream.into_inner()).await;
        let encrypted =
            encrypted.map_err(|reason| SendError::recoverable(format!("send STARTTLS command: {reason}")))?;
        let mut connection = Self {
            stream: BufReader::new(Box::new(encrypted)),
            host: self.host,
            extensions: Vec::new(),
            encrypted: true,
        };
        connection.greet(server.hello).await?;
        Ok(connection)
    }

    /// What the server says about an extension, if it has it.
    fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find_map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            word.eq_ignore_ascii_case(name).then_some(rest)
        })
    }

    /// Greets with EHLO, or HELO where that is not known.
    async fn greet(&mut self, hello: &str) -> Result<(), SendError> {
        let step = "send EHLO command";
        let hello = if hello.is_empty() { "localhost" } else { hello };
        let (code, lines) = self.exchange(step, &format!("EHLO {hello}")).await?;
        if code == 250 {
            self.extensions = lines.into_iter().skip(1).collect();
            return Ok(());
        }
        self.command(step, &format!("HELO {hello}"), 250).await.map(drop)
    }

    /// Authenticates by the first of the server's mechanisms that credentials are there for; not at all without a user, or where the
    /// server knows no authentication.
    ///
    /// # Errors
    /// When none of the mechanisms can be used, or the server does not accept.
    pub(super) async fn authenticate(&mut self, credentials: &Credentials) -> Result<(), SendError> {
        let Some(mechanisms) = self.extension("AUTH").map(str::to_owned) else { return Ok(()) };
        if credentials.username.is_empty() {
            return Ok(());
        }
        let mut redactor = Redactor::default();
        for secret in [&credentials.password, &credentials.secret] {
            redactor.hide(secret);
            redactor.hide(&STANDARD.encode(secret));
        }
        redactor.hide(&plain_answer(credentials));
        let mut problems = Vec::new();
        for mechanism in mechanisms.split_ascii_whitespace() {
            let done = match mechanism {
                "CRAM-MD5" if credentials.secret.is_empty() => {
                    problems.push("missing secret for CRAM-MD5 auth mechanism".to_owned());
                    continue;
                }
                "PLAIN" | "LOGIN" if credentials.password.is_empty() => {
                    problems.push(format!("missing password for {mechanism} auth mechanism"));
                    continue;
                }
                "CRAM-MD5" => self.cram_md5(credentials).await,
                "PLAIN" => self.plain(credentials).await,
                "LOGIN" => self.login(credentials).await,
                other => {
                    problems.push(format!("unknown auth mechanism: {}", shortened(other)));
                    continue;
                }
            };
            return done.map_err(|error| redactor.redact_error(error));
        }
        Err(SendError::recoverable(format!("find auth mechanism: {}", problems.join("\n"))))
    }

    async fn plain(&mut self, credentials: &Credentials) -> Result<(), SendError> {
        let is_local = ["localhost", "127.0.0.1", "::1"].contains(&self.host.as_str());
        if !self.encrypted && !is_local {
            return Err(SendError::recoverable("PLAIN auth: unencrypted connection"));
        }
        let command = format!("AUTH PLAIN {}", plain_answer(credentials));
        self.command("PLAIN auth", &command, 235).await.map(drop)
    }

    async fn login(&mut self, credentials: &Credentials) -> Result<(), SendError> {
        let step = "LOGIN auth";
        let mut challenge = self.command(step, "AUTH LOGIN", 334).await?;
        for (asked, answer) in [("username:", &credentials.username), ("password:", &credentials.password)] {
            let question = decoded(&challenge).to_ascii_lowercase();
            if question != asked.as_bytes() {
                return Err(SendError::recoverable(format!("{step}: unexpected server challenge")));
            }
            let expected = if asked == "password:" { 235 } else { 334 };
            challenge = self.command(step, &STANDARD.encode(answer), expected).await?;
        }
        Ok(())
    }

    async fn cram_md5(&mut self, credentials: &Credentials) -> Result<(), SendError> {
        let step = "CRAM-MD5 auth";
        let challenge = self.command(step, "AUTH CRAM-MD5", 334).await?;
        let answer = cram_md5(&credentials.username, &credentials.secret, &decoded(&challenge));
        self.command(step, &STANDARD.encode(answer), 235).await.map(drop)
    }

    /// Hands the message over.
    ///
    /// # Errors
    /// When the server does not take the sender, a recipient or the message. All may be tried again.
    pub(super) async fn deliver(
        &mut self,
        from: &str,
        to: &[String],
        message: &[u8],
    ) -> Result<(), SendError> {
        let mut command = format!("MAIL FROM:<{from}>");
        for (extension, parameter) in [("8BITMIME", " BODY=8BITMIME"), ("SMTPUTF8", " SMTPUTF8")] {
            if self.extension(extension).is_some() {
                command.push_str(parameter);
            }
        }
        self.command("send MAIL command", &command, 250).await?;
        for address in to {
            let step = "send RCPT command";
            let (code, lines) = self.exchange(step, &format!("RCPT TO:<{address}>")).await?;
            if code / 10 != 25 {
                return Err(refused(step, code, &lines));
            }
        }
        self.command("send DATA command", "DATA", 354).await?;
        let step = "delivery failure";
        let lost = |error: std::io::Error| SendError::recoverable(format!("{step}: {error}"));
        self.stream.write_all(&dot_stuffed(message)).await.map_err(lost)?;
        self.stream.flush().await.map_err(lost)?;
        self.expect(step, 250).await.map(drop)
    }

    /// Says good-bye. The message is the server's already: nobody waits for the answer, and none makes the mail be sent again.
    pub(super) fn quit(mut self) {
        let farewell = async move {
            let _ = self.exchange("quit", "QUIT").await;
            let _ = self.stream.shutdown().await;
        };
        tokio::spawn(tokio::time::timeout(FAREWELL, farewell));
    }

    /// Sends a command and returns the text of the answer with the expected code.
    async fn command(&mut self, step: &str, command: &str, expected: u16) -> Result<String, SendError> {
        let (code, lines) = self.exchange(step, command).await?;
        if code == expected { Ok(lines.concat()) } else { Err(refused(step, code, &lines)) }
    }

    async fn exchange(&mut self, step: &str, command: &str) -> Result<(u16, Vec<String>), SendError> {
        let lost = |error: std::io::Error| SendError::recoverable(format!("{step}: {error}"));
        if command.contains(['\r', '\n']) {
            return Err(SendError::unrecoverable(format!("{step}: a line must not contain CR or LF")));
        }
        self.stream.write_all(format!("{command}\r\n").as_bytes()).await.map_err(lost)?;
        self.stream.flush().await.map_err(lost)?;
        self.answer(step).await
    }

    async fn expect(&mut self, step: &str, expected: u16) -> Result<(), SendError> {
        let (code, lines) = self.answer(step).await?;
        if code == expected { Ok(()) } else { Err(refused(step, code, &lines)) }
    }

    async fn answer(&mut self, step: &str) -> Result<(u16, Vec<String>), SendError> {
        let failed = |reason: &str| SendError::recoverable(format!("{step}: {reason}"));
        let mut lines = Vec::new();
        while lines.len() < MAX_LINES {
            let mut line = Vec::new();
            let read = (&mut self.stream).take(MAX_LINE).read_until(b'\n', &mut line).await;
            read.map_err(|error| failed(&error.to_string()))?;
            if line.last() != Some(&b'\n') {
                let ended = line.len() < MAX_LINE as usize;
                return Err(failed(if ended { "connection closed by the server" } else { "line too long" }));
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let code = text.get(..3).and_then(|digits| digits.parse().ok());
            let Some(code) = code else { return Err(failed("the server does not speak SMTP")) };
            lines.push(text.get(4..).unwrap_or_default().to_owned());
            if text.as_bytes().get(3) != Some(&b'-') {
                return Ok((code, lines));
            }
        }
        Err(failed("answer too long"))
    }
}

fn refused(step: &str, code: u16, lines: &[String]) -> SendError {
    SendError::recoverable(format!("{step}: {code} {}", shortened(&lines.join(" "))))
}

fn decoded(challenge: &str) -> Vec<u8> {
    STANDARD.decode(challenge.trim()).unwrap_or_default()
}

/// What PLAIN sends (RFC 4616).
fn plain_answer(credentials: &Credentials) -> String {
    let Credentials { identity, username, password, .. } = credentials;
    STANDARD.encode(format!("{identity}\0{username}\0{password}"))
}

/// The answer to a CRAM-MD5 challenge (RFC 2195).
fn cram_md5(username: &str, secret: &str, challenge: &[u8]) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(challenge);
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{username} {digest}")
}

/// The message with its end: line ends are CRLF, a dot that begins a line is doubled.
fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        stuffed.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_answered_as_in_rfc_2195() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(cram_md5("tim", "tanstaaftanstaaf", challenge), "tim b913a602c7eda7a495b4e6e7334d3890");
    }

    #[test]
    fn dots_are_stuffed_and_the_end_is_marked() {
        let check = |message: &str, expected: &str| {
            assert_eq!(String::from_utf8(dot_stuffed(message.as_bytes())).unwrap(), expected);
        };
        check("a\r\n.b\n..c\r\nd", "a\r\n..b\r\n...c\r\nd\r\n.\r\n");
        check("", ".\r\n");
    }
}
