//! Runs operations and edits against the places where bytes live; owns the runtime and the thread pool.

mod arriving;
mod aside;
mod buffer;
mod drive;
pub(crate) mod edit;
mod every;
mod op;
mod ordered;
mod remote;
mod runtime;
mod spawn;
mod watch;

pub(crate) use arriving::arriving;
pub(crate) use aside::aside;
#[allow(unreachable_pub, reason = "named in the signature of a hidden method of a public trait")]
pub use buffer::Buffer;
pub(crate) use drive::run_plan;
pub(crate) use every::every;
pub use op::Op;
pub(crate) use op::computed;
pub(crate) use ordered::in_order;
pub(crate) use remote::{locate_remote, run_remote};
pub(crate) use runtime::engine;
pub use spawn::{Task, TaskError, spawn, spawn_blocking};
pub(crate) use watch::Watch;
