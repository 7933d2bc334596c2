//! Requests of every shape, well-formed, damaged and random, through the public functions.

#![allow(clippy::unwrap_used)] // a test that cannot set up has failed

mod encode;
mod flood;
mod json;
mod kept;
mod protobuf;
mod random;
mod recorder;
