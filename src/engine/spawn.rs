//! Runs somebody else's future on the engine's runtime: what bindings to other languages need to be driven by this engine.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use super::runtime::engine;
use crate::error::Result;

/// A future that runs on the engine's runtime.
#[derive(Debug)]
pub struct Task(JoinHandle<()>);

impl Task {
    /// Has the future dropped where it is; nothing where it has ended.
    pub fn abort(&self) {
        self.0.abort();
    }
}

/// Why a [`Task`] ended without finishing.
#[derive(Debug)]
pub struct TaskError(tokio::task::JoinError);

impl TaskError {
    /// Whether the future panicked.
    pub fn is_panic(&self) -> bool {
        self.0.is_panic()
    }

    /// What the future panicked with, if it did.
    pub fn into_panic(self) -> Option<Box<dyn Any + Send + 'static>> {
        self.0.try_into_panic().ok()
    }
}

impl Future for Task {
    type Output = std::result::Result<(), TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|result| result.map_err(TaskError))
    }
}

/// Runs a future on the engine's runtime.
///
/// # Errors
///
/// The runtime can't be started.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Result<Task> {
    Ok(Task(engine()?.runtime()?.spawn(future)))
}

/// Runs a function that may block on a thread of the engine's runtime.
///
/// # Errors
///
/// The runtime can't be started.
pub fn spawn_blocking(work: impl FnOnce() + Send + 'static) -> Result<Task> {
    Ok(Task(engine()?.runtime()?.spawn_blocking(work)))
}
