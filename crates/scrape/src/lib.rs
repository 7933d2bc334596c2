//! scrape (being written).
