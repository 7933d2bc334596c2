//! dashboard (being written).
