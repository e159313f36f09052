//! Servers on the loopback address that behave, or misbehave, as a test asks.
//!
//! Servers, each started by one call and ended by dropping it:
//!
//! - [`HttpServer`]: HTTP and HTTPS. It serves a directory and files in memory; words in the query of a URL
//!   ([`http::Behaviour`]) make it slow, cut, lie about lengths, answer 503 twice and so on.
//! - [`FtpServer`]: FTP and FTPS of a directory, by a complete server that others wrote.
//! - [`ScriptedFtpServer`]: FTP with the faults of [`FtpFault`].
//! - [`SocksProxy`]: a proxy between a client and any of them.
//! - [`FaultProxy`]: a wire between a client and any of them that breaks, stalls, corrupts as [`WireFault`] says; [`BlackHole`]: an
//!   address where nobody answers.
//! - [`ShapingProxy`]: a wire with the latency and the speed of a distant server.
//!
//! [`Authority`] makes the certificates. Each server owns the threads it runs on: start and drop it in
//! blocking or async code alike.
//!
//! ```
//! use rustfits_loopback::HttpServer;
//!
//! let server = HttpServer::start();
//! server.put("/image.fits", vec![0u8; 2880]);
//! let url = server.url("/image.fits?cut=1000&cut_times=1"); // the first answer breaks off, the second is whole
//! assert!(url.starts_with("http://127.0.0.1:"));
//! assert!(server.requests().is_empty());
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a failure here is a failed test"
)]

mod background;
mod certificates;
mod counters;
mod files;
pub mod ftp;
pub mod http;
mod proxy;
mod shaper;
mod socks;

pub use certificates::{Authority, CertificateKind};
pub use counters::Connections;
pub use ftp::{FtpFault, FtpOptions, FtpServer, ScriptedFtpServer};
pub use http::{HttpOptions, HttpServer, Request};
pub use proxy::{BlackHole, FaultProxy, WireFault};
pub use shaper::ShapingProxy;
pub use socks::SocksProxy;
