//! Rules over the real store: what is refused, how alerts change, what is written, restored and kept over a reload.

#![allow(clippy::unwrap_used)] // a helper that panics fails its test, as it should

mod live;
mod load;
mod properties;
mod restore;
mod series;
mod states;
mod world;
