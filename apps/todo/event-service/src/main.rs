//! todo-event-service.
fn main() {}
