//! An operation as a value: a future, and something to wait for.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::{Context, Poll};

use tokio::task::{AbortHandle, JoinHandle};

use super::runtime::engine;
use super::watch::{CHECK_EVERY, Stop, StopOnDrop, Watch};
use crate::error::{Error, ErrorKind, Result};

type Work<T> = Box<dyn FnOnce(&mut Watch<'_>) -> Result<T> + Send>;
type Transfer<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// An operation that does I/O once it is awaited or waited for.
///
/// Every method of this crate that reads or writes returns one. It is a `Future` that runs under any executor, and it has
/// [`Op::wait`], which runs it on the calling thread.
///
/// # Cancel safety
///
/// Dropping an unfinished read stops its transfer and its decoding. A write that has begun runs to its end; one that
/// compresses stops while nothing is written yet.
///
/// # Examples
///
/// ```
/// use rustfits::FitsReader;
///
/// # let name = std::env::temp_dir().join("rustfits-op-doctest.fits");
/// # std::fs::write(&name, format!("{:<2880}", format!("{:<80}{:<80}{:<80}END", "SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")))?;
/// let fits = FitsReader::open(&name).wait()?;
/// assert_eq!(fits.count().wait()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "an operation does nothing until it is awaited or waited for"]
pub struct Op<T> {
    state: State<T>,
    /// A write: not stopped when the future is dropped.
    lasting: bool,
}

enum State<T> {
    /// Work for one thread, which never waits for a network.
    Local(Work<T>),
    /// A transfer for the runtime.
    Remote(Transfer<T>),
    Running(JoinHandle<Result<T>>, Stop),
    Ended,
}

impl<T: Send + 'static> Op<T> {
    /// An operation that a thread can do alone.
    pub(crate) fn local(work: impl FnOnce(&mut Watch<'_>) -> Result<T> + Send + 'static) -> Self {
        Self { state: State::Local(Box::new(work)), lasting: false }
    }

    /// A local operation that runs to its end once it has begun.
    pub(crate) fn edit(work: impl FnOnce() -> Result<T> + Send + 'static) -> Self {
        Self { state: State::Local(Box::new(|_| work())), lasting: true }
    }

    /// As [`Op::edit`], for an operation that can be stopped as long as it has changed nothing: it looks for itself.
    pub(crate) fn edit_watched(work: impl FnOnce(&mut Watch<'_>) -> Result<T> + Send + 'static) -> Self {
        Self { state: State::Local(Box::new(work)), lasting: true }
    }

    /// An operation that waits for a network.
    pub(crate) fn remote(transfer: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self { state: State::Remote(Box::pin(transfer)), lasting: false }
    }

    /// An operation that has failed already.
    pub(crate) fn failed(error: Error) -> Self {
        Self::local(move |_| Err(error))
    }

    /// The operation with its result turned into something else, on the thread that did the work; after a transfer that is one which
    /// may compute, not one that moves bytes.
    pub fn map<U: Send + 'static>(mut self, change: impl FnOnce(T) -> Result<U> + Send + 'static) -> Op<U> {
        let lasting = self.lasting;
        let state = match std::mem::replace(&mut self.state, State::Ended) {
            State::Local(work) => State::Local(Box::new(move |watch: &mut Watch<'_>| change(work(watch)?))),
            State::Remote(transfer) => State::Remote(Box::pin(async move {
                let value = transfer.await?;
                computed(move || change(value)).await
            })),
            running => {
                self.state = running;
                let before = self;
                State::Remote(Box::pin(async move {
                    let value = before.await?;
                    computed(move || change(value)).await
                }))
            }
        };
        Op { state, lasting }
    }

    /// The operation as a part of another one, which runs on the runtime already.
    pub(crate) async fn inline(mut self) -> Result<T> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Remote(transfer) => transfer.await,
            other => {
                self.state = other;
                self.await
            }
        }
    }

    /// Runs the operation and returns its result. Blocks the calling thread, which on a current-thread runtime is all of it.
    ///
    /// A local operation runs on this thread; a remote one on the engine's own runtime, so this can be called inside a runtime, too.
    pub fn wait(self) -> Result<T> {
        self.wait_watched(Watch::none())
    }

    /// As [`Op::wait`], but gives up with [`ErrorKind::Cancelled`] once `check`, which is called about every 50 ms, returns true.
    pub fn wait_until(self, mut check: impl FnMut() -> bool) -> Result<T> {
        self.wait_watched(Watch::calling(&mut check))
    }

    fn wait_watched(mut self, mut watch: Watch<'_>) -> Result<T> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Local(work) => work(&mut watch),
            State::Remote(transfer) => wait_for(transfer, &mut watch),
            State::Running(handle, stop) => {
                let _stop = StopOnDrop(stop);
                let _abort = AbortOnDrop((!self.lasting).then(|| handle.abort_handle()));
                wait_for(Box::pin(async move { joined(handle.await) }), &mut watch)
            }
            State::Ended => Err(finished_before()),
        }
    }
}

/// Ends the task, if it still runs, when the waiting ends, however it ends.
struct AbortOnDrop(Option<AbortHandle>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

fn wait_for<T: Send + 'static>(transfer: Transfer<T>, watch: &mut Watch<'_>) -> Result<T> {
    let (send, receive) = channel();
    let task = engine()?.runtime()?.spawn(async move {
        let _ = send.send(transfer.await);
    });
    loop {
        match receive.recv_timeout(CHECK_EVERY) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => return Err(died()),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(error) = watch.look() {
                    task.abort();
                    return Err(error);
                }
            }
        }
    }
}

impl<T: Send + 'static> Future for Op<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if matches!(self.state, State::Local(_) | State::Remote(_)) {
            let runtime = match engine().and_then(|engine| engine.runtime()) {
                Ok(runtime) => runtime,
                Err(error) => return Poll::Ready(Err(error)),
            };
            let stop = Stop::default();
            let handle = match std::mem::replace(&mut self.state, State::Ended) {
                State::Local(work) => {
                    let stop = stop.clone();
                    runtime.spawn_blocking(move || work(&mut Watch::flag(stop)))
                }
                State::Remote(transfer) => runtime.spawn(transfer),
                State::Running(handle, _) => handle,
                State::Ended => return Poll::Ready(Err(finished_before())),
            };
            self.state = State::Running(handle, stop);
        }
        let State::Running(handle, _) = &mut self.state else {
            return Poll::Ready(Err(finished_before()));
        };
        let result = std::task::ready!(Pin::new(handle).poll(context));
        self.state = State::Ended;
        Poll::Ready(joined(result))
    }
}

impl<T> Drop for Op<T> {
    fn drop(&mut self) {
        if let State::Running(handle, stop) = &self.state {
            stop.set();
            if !self.lasting {
                handle.abort();
            }
        }
    }
}

// Nothing in an `Op` is pinned in place: work and transfer are boxed.
impl<T> Unpin for Op<T> {}

impl<T> std::fmt::Debug for Op<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.state {
            State::Local(_) | State::Remote(_) => "not begun",
            State::Running(..) => "running",
            State::Ended => "ended",
        };
        write!(f, "Op({state})")
    }
}

/// Runs work for a processor on a thread that may compute: the few that move bytes serve all transfers.
pub(crate) async fn computed<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    joined(engine()?.runtime()?.spawn_blocking(work).await)
}

/// The result of a task.
pub(super) fn joined<T>(result: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    result.unwrap_or_else(|error| Err(if error.is_cancelled() { Error::cancelled() } else { died() }))
}

fn died() -> Error {
    Error::new(ErrorKind::Io, "the operation ended without a result: this is a defect of rustfits")
}

fn finished_before() -> Error {
    Error::new(ErrorKind::Argument, "the operation was awaited after it had ended")
}
