//! What is known of the terminal: its width, and whether it is one.
//!
//! Input: the process's standard streams and environment. No output: it only answers.

use std::io::IsTerminal;

/// Columns when the terminal does not say.
const DEFAULT_WIDTH: usize = 80;

/// Columns of the terminal, from itself or from `COLUMNS`.
pub(crate) fn width() -> usize {
    let told = rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    let set = || std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    told.filter(|columns| *columns > 0).or_else(set).unwrap_or(DEFAULT_WIDTH).clamp(40, 240)
}

/// Whether standard output is a terminal that wants colours (<https://no-color.org>).
pub(crate) fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
