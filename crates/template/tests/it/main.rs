//! Templates beside what Go's text/template made of them.

mod against_go;
mod bounds;
