//! Notifications from alerts to what leaves the process: decisions in virtual time, the live program with its files, and what capture
//! servers get, laid beside what the real programs sent.

#![allow(clippy::unwrap_used)] // a helper that panics fails its test, as it should

mod capture;
mod certificates;
mod configurations;
mod decisions;
mod living;
mod mail_server;
mod mails;
mod payloads;
mod properties;
mod scenario;
mod senders;
mod sending;
mod setup;
