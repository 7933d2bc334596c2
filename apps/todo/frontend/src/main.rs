//! todo-frontend.
fn main() {}
