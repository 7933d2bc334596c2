//! The store as a whole: what goes in comes out, also after an abrupt end, with damaged files, at its bounds and under many threads.

#![allow(clippy::unwrap_used)]

mod bounds;
mod concurrency;
mod process;
mod requests;
mod restart;
mod round_trip;
mod searching;
