//! Templates as Go's text/template and html/template render them.
