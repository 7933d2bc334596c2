//! The one error of this crate: where in which file what is wrong, and what to do about it.

use std::fmt;

/// Something in a file that cannot be used.
///
/// Prints as `file:line:column: Kind/name: field: message`, then a line `hint: …`; parts that are unknown are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestError {
    /// The file's path as the user named it; `-` is standard input.
    pub file: String,
    /// 1-based line and column.
    pub position: Option<(u64, u64)>,
    /// The object, as `Kind/name`.
    pub object: Option<String>,
    /// The field's path, e.g. `spec.template.spec.containers[0].image`.
    pub field: Option<String>,
    /// What is wrong, with the value.
    pub message: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl ManifestError {
    /// An error in a file.
    pub fn new(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), message: message.into(), ..Self::default() }
    }

    /// The same with a 1-based line and column.
    #[must_use]
    pub fn at(mut self, line: u64, column: u64) -> Self {
        self.position = Some((line, column));
        self
    }

    /// The same with the object it is about, as `Kind/name`.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// The same with the path of the field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        for part in [&self.object, &self.field].into_iter().flatten() {
            write!(f, ": {part}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ManifestError {}
