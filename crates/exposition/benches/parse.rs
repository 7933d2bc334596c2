//! Placeholder main so that the bench target exists while the parser is being written.
fn main() {}
