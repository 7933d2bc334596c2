//! The database as its users see it: through `Append` and `Select`, on real folders.

mod concurrent;
mod durability;
mod fixture;
mod full_disk;
mod killed;
mod lifetime;
mod queries;
