//! exposition (being written).
