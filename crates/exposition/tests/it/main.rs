//! What pages mean and which are refused: tables of pages against the decisions of Prometheus 3.16.

mod pages;
