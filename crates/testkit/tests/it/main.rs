//! Tests that hold the repository to its own rules.

mod tidy;
