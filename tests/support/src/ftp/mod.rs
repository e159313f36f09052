//! The FTP servers.
//!
//! [`FtpServer`] is a complete server by other hands, so that our reading of the protocol is not tested against
//! itself. [`ScriptedFtpServer`] knows only what a download needs, and gets that wrong on request.
//! Both are started by [`FtpOptions`], and both speak FTPS (explicit, by AUTH TLS) when it has TLS.

mod commands;
mod complete;
mod fault;
mod options;
mod passive;
mod relay;
mod scripted;
mod session;

pub use complete::FtpServer;
pub use fault::FtpFault;
pub use options::FtpOptions;
pub(crate) use passive::Port;
pub use scripted::ScriptedFtpServer;
