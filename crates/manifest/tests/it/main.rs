//! What users see of the manifest reader: the shipped files as they are, and every kind of mistake with its place.

mod mistakes;
mod references;
mod shipped;
