//! The HTTP server.
//!
//! Written on the socket itself: a proper HTTP library would not let it misbehave byte by byte.

mod answer;
mod behaviour;
mod connection;
mod head;
mod log;
mod pages;
mod range;
mod send;
mod server;

pub use behaviour::Behaviour;
pub use log::Request;
pub use server::{HttpOptions, HttpServer};
