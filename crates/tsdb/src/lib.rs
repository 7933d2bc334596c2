//! tsdb (being written).
