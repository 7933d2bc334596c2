//! Secrets at the moment they are used: from the configuration, from a file, or from the environment in the file's place.
//!
//! Input: a [`SecretSource`] of a setting. Output: its text, and the texts that must not appear in what is said about a request
//! ([`Redactor`]). Files are read at every use, so a changed token needs no reload. Nothing read here is kept, logged or printed.
//!
//! A setting that names a file (`url_file`, `auth_password_file`, …) is the one way to keep a secret out of the configuration that
//! Alertmanager has too. Where that file does not exist, the environment variable [`variable_of`] it is read instead: for
//! `/etc/alertmanager/secrets/slack-api-url` that is `TIDEWATCH_SECRET_SLACK_API_URL`. So the file that runs in a cluster, with its
//! secrets mounted, runs on a laptop with none of them on disk, and stays valid for the real Alertmanager.

use crate::SendError;
use std::io::ErrorKind;
use std::path::Path;
use tidewatch_manifest::SecretSource;

/// How the names of variables begin.
const VARIABLE_PREFIX: &str = "TIDEWATCH_SECRET_";

/// The environment variable that stands in for a file that does not exist: its name in capitals, what is neither letter nor digit as `_`.
pub fn variable_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let capital = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{VARIABLE_PREFIX}{}", name.chars().map(capital).collect::<String>())
}

/// The secret of the setting `field`, without blanks around it.
///
/// # Errors
/// When its file cannot be read and no variable stands in for it. That is not tried again within a flush.
pub(crate) async fn read(field: &str, source: &SecretSource) -> Result<String, SendError> {
    read_with(field, source, |variable| std::env::var(variable).ok()).await
}

async fn read_with(
    field: &str,
    source: &SecretSource,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<String, SendError> {
    let path = match source {
        SecretSource::Inline(value) => return Ok(value.clone()),
        SecretSource::File(path) => path,
    };
    match tokio::fs::read_to_string(path).await {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let variable = variable_of(path);
            environment(&variable).map(|value| value.trim().to_owned()).ok_or_else(|| {
                let path = path.display();
                SendError::unrecoverable(format!(
                    "read {field}: {path} does not exist\nhint: create it, or set the environment variable {variable}"
                ))
            })
        }
        Err(error) => Err(SendError::unrecoverable(format!("read {field}: {}: {error}", path.display()))),
    }
}

/// Takes secrets out of a text that another server had a part in.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Vec<String>);

/// What stands in place of a secret, as in Alertmanager.
const REDACTED: &str = "<secret>";

/// Shorter texts are no secrets, and would tear ordinary words apart.
const SHORTEST: usize = 4;

impl Redactor {
    /// Remembers a secret.
    pub(crate) fn hide(&mut self, secret: &str) {
        if secret.len() >= SHORTEST && !self.0.iter().any(|known| known == secret) {
            self.0.push(secret.to_owned());
        }
    }

    /// Remembers a URL: as a whole, what follows its host, each part of its path that may be a token, and its user's password.
    pub(crate) fn hide_url(&mut self, url: &str) {
        self.hide(url);
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        self.hide(path);
        for part in path.split(['/', '?', '&', '=']).filter(|part| part.len() >= 8) {
            self.hide(part);
        }
        // a user without a password is a token
        if let Some((user, _)) = authority.rsplit_once('@') {
            self.hide(user.split_once(':').map_or(user, |(_, password)| password));
        }
    }

    /// The text without the secrets.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut longest_first: Vec<&String> = self.0.iter().collect();
        longest_first.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        longest_first
            .into_iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), REDACTED))
    }

    /// An error without the secrets.
    pub(crate) fn redact_error(&self, mut error: SendError) -> SendError {
        error.message = self.redact(&error.message);
        error
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_a_variable() {
        let check = |path: &str, expected: &str| assert_eq!(variable_of(Path::new(path)), expected);
        check("/etc/alertmanager/secrets/slack-api-url", "TIDEWATCH_SECRET_SLACK_API_URL");
        check("token.txt", "TIDEWATCH_SECRET_TOKEN_TXT");
        check("/", "TIDEWATCH_SECRET_");
    }

    #[tokio::test]
    async fn a_file_wins_and_its_absence_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e-secret-test");
        let source = SecretSource::File(path.clone());
        let set =
            |name: &str| (name == "TIDEWATCH_SECRET_E_SECRET_TEST").then(|| " from outside ".to_owned());
        let missing = read_with("url_file", &source, |_| None).await.unwrap_err();
        assert!(missing.message.contains("TIDEWATCH_SECRET_E_SECRET_TEST") && !missing.retry, "{missing:?}");
        assert_eq!(read_with("url_file", &source, set).await.unwrap(), "from outside");
        std::fs::write(&path, " s3cret\n").unwrap();
        assert_eq!(read_with("url_file", &source, set).await.unwrap(), "s3cret");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let unreadable = read_with("url_file", &source, set).await.unwrap_err();
        assert!(unreadable.message.starts_with("read url_file: /"), "{unreadable:?}");
    }

    #[test]
    fn secrets_are_taken_out_of_what_servers_answer() {
        let check = |url: &str, text: &str, expected: &str| {
            let mut redactor = Redactor::default();
            redactor.hide_url(url);
            assert_eq!(redactor.redact(text), expected);
        };
        let url = "https://hooks.example/services/T0000/B1234567/abcdefgh?x=y";
        check(url, &format!("no {url}!"), "no <secret>!");
        check(url, "cannot POST /services/T0000/B1234567/abcdefgh?x=y", "cannot POST <secret>");
        check(url, "token abcdefgh is gone", "token <secret> is gone");
        check("http://u:pass1@h/", "pass1 at h", "<secret> at h");
        check("http://t0ken@h/", "t0ken at h", "<secret> at h");
        check("http://h/a", "/ a b", "/ a b");
    }
}
