//! The program as its users meet it: started as a process, driven over its APIs, stopped, killed, fed rubbish.

mod product;
mod page;
mod serve;
mod up;
mod bad_input;
mod conformance;
