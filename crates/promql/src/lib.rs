//! promql (being written).
