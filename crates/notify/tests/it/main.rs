//! Notifications as they leave the process: to capture servers, laid beside what the real programs sent.

#![allow(clippy::unwrap_used)] // a helper that panics fails its test, as it should

mod capture;
mod certificates;
mod configurations;
mod mail_server;
mod mails;
mod payloads;
mod senders;
mod sending;
mod setup;
