//! Rules over a store in memory and over the real one.
