//! The program as its users meet it: started as a process, driven over its APIs, stopped, killed, fed rubbish.

mod bad_input;
mod conformance;
mod page;
#![allow(clippy::unwrap_used)] // helpers outside of #[test] functions may panic as tests do

mod product;
mod serve;
mod up;
