//! Floor 5: tokio. Listeners, connections, budgets, the watch, the drain. Moves the bytes that a session tells it to move.

pub mod settings;
pub mod upstream;
pub mod watch;
