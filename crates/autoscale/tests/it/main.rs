//! What users see of deciding: whole scenarios line by line, every kind of mistake, messages, and what always holds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod messages;
mod mistakes;
mod properties;
mod recorded;
mod scenarios;
