//! The engine: runtime and thread pool, one of each for the process, started when first needed.
//!
//! After a fork the child finds that the engine is its parent's and makes its own. The old one is leaked, never dropped:
//! its sockets, threads and event queue belong to the parent.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use tokio::runtime::{Builder, Runtime};

use crate::cpu::Cpu;
use crate::error::{Error, ErrorKind, Result};
use crate::io::http::HttpClient;

/// How many threads move bytes between sockets and memory; decoding has its own.
const IO_THREADS: usize = 2;

/// What operations run on.
pub(crate) struct Engine {
    process: u32,
    runtime: OnceLock<Runtime>,
    cpu: OnceLock<Cpu>,
    http: OnceLock<HttpClient>,
}

static ENGINE: AtomicPtr<Engine> = AtomicPtr::new(std::ptr::null_mut());

/// The engine of this process.
pub(crate) fn engine() -> Result<&'static Engine> {
    let process = std::process::id();
    let known = ENGINE.load(Ordering::Acquire);
    // SAFETY: the pointer is null or came from `Box::leak` below, and what it points to is never freed.
    if let Some(engine) = unsafe { known.as_ref() }
        && engine.process == process
    {
        return Ok(engine);
    }
    let fresh: &'static mut Engine =
        Box::leak(Box::new(Engine { process, runtime: OnceLock::new(), cpu: OnceLock::new(), http: OnceLock::new() }));
    match ENGINE.compare_exchange(known, fresh, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(fresh),
        // Another thread was first; the few bytes of ours stay unused.
        Err(_) => engine(),
    }
}

impl Engine {
    /// The thread pool for decoding.
    pub(crate) fn cpu(&self) -> Result<&Cpu> {
        get_or_start(&self.cpu, Cpu::new)
    }

    /// The client for http, with its connections.
    pub(crate) fn http(&self) -> &HttpClient {
        self.http.get_or_init(HttpClient::new)
    }

    /// The runtime for everything that waits.
    pub(crate) fn runtime(&self) -> Result<&Runtime> {
        get_or_start(&self.runtime, || {
            let mut builder = Builder::new_multi_thread();
            let builder = builder.worker_threads(IO_THREADS).thread_name("rustfits-io").enable_all();
            builder.build().map_err(|error| Error::new(ErrorKind::Io, format!("can't start threads: {error}")))
        })
    }
}

/// `OnceLock::get_or_init` for something that can fail. The loser of a race leaks its attempt: a runtime must not be dropped inside another.
fn get_or_start<T>(cell: &OnceLock<T>, start: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(started) = cell.get() {
        return Ok(started);
    }
    if let Err(second) = cell.set(start()?) {
        std::mem::forget(second);
    }
    cell.get().ok_or_else(|| Error::new(ErrorKind::Io, "the engine did not start"))
}
