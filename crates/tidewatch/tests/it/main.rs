//! The program as its users meet it: started as a process, driven over its APIs, stopped, killed, fed rubbish.

#![allow(clippy::unwrap_used)] // a helper that cannot go on fails its test, as it should

mod alerts;
mod bad_input;
mod conformance;
mod faults;
mod hops;
mod lag;
mod load;
mod no_event_lost;
mod notifications;
mod page;
mod peer;
mod product;
mod receiver;
mod scaling;
mod serve;
mod simulate;
mod up;
