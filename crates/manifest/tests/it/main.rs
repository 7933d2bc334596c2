//! What users see of the manifest reader: the shipped files as they are, and every kind of mistake with its place.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod mistakes;
mod references;
mod shipped;
