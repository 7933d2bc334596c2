//! todo-backend.
fn main() {}
