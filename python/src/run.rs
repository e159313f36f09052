//! The two ways from an operation to Python: waited for with the GIL released and Ctrl-C working, or as a coroutine.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3_async_runtimes::TaskLocals;
use pyo3_async_runtimes::generic::{ContextExt, JoinError, Runtime, future_into_py};
use rustfits::Op;

use crate::error::exception;

/// Waits for an operation with the GIL released; a signal (Ctrl-C) stops it.
pub(crate) fn wait<T: Send + 'static>(py: Python<'_>, op: Op<T>) -> PyResult<T> {
    watched(py, |check| op.wait_until(check))
}

/// Runs something that waits, with the GIL released; it is given a check that says whether a signal came in.
pub(crate) fn watched<T: Send>(
    py: Python<'_>,
    run: impl FnOnce(&mut dyn FnMut() -> bool) -> rustfits::Result<T> + Send,
) -> PyResult<T> {
    let mut raised = None;
    let result = py.detach(|| {
        run(&mut || match Python::try_attach(|py| py.check_signals()) {
            // In a daemon thread, after the interpreter has ended: the process is about to.
            None | Some(Ok(())) => false,
            Some(Err(error)) => {
                raised = Some(error);
                true
            }
        })
    });
    match raised {
        Some(error) => Err(error),
        None => result.map_err(exception),
    }
}

/// The engine's runtime, as the bridge to asyncio wants it.
pub(crate) struct EngineRuntime;

/// Why a task of the bridge ended without finishing.
pub(crate) struct TaskFailure(rustfits::TaskError);

impl JoinError for TaskFailure {
    fn is_panic(&self) -> bool {
        self.0.is_panic()
    }

    fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.0.into_panic().unwrap_or_else(|| Box::new("a task was cancelled"))
    }
}

type BridgeTask = Pin<Box<dyn Future<Output = Result<(), TaskFailure>> + Send>>;

/// A task, or one that never ends where the runtime can't be started, which `awaitable` has ruled out.
fn bridged(task: rustfits::Result<rustfits::Task>) -> BridgeTask {
    match task {
        Ok(task) => Box::pin(async move { task.await.map_err(TaskFailure) }),
        Err(_) => Box::pin(std::future::pending()),
    }
}

impl Runtime for EngineRuntime {
    type JoinError = TaskFailure;
    type JoinHandle = BridgeTask;

    fn spawn<F: Future<Output = ()> + Send + 'static>(future: F) -> BridgeTask {
        bridged(rustfits::spawn(future))
    }

    fn spawn_blocking<F: FnOnce() + Send + 'static>(work: F) -> BridgeTask {
        bridged(rustfits::spawn_blocking(work))
    }
}

impl ContextExt for EngineRuntime {
    fn scope<F, R>(_locals: TaskLocals, future: F) -> Pin<Box<dyn Future<Output = R> + Send>>
    where
        F: Future<Output = R> + Send + 'static,
    {
        Box::pin(future)
    }

    fn get_task_locals() -> Option<TaskLocals> {
        None
    }
}

static OPERATION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

type StartFuture = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Begins an operation when it is called, which a coroutine does once.
#[pyclass(frozen, module = "rustfits._rustfits")]
struct Start(Mutex<Option<StartFuture>>);

#[pymethods]
impl Start {
    fn __call__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let start = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        start.ok_or_else(|| PyRuntimeError::new_err("the operation was begun before"))?(py)
    }
}

/// A coroutine for a Rust future, which begins when it is awaited; cancelling it drops the future, which stops its transfer.
pub(crate) fn awaitable<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = PyResult<T>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    let start: StartFuture = Box::new(move |py| {
        // Raises where no thread can be started: the future would wait for ever.
        rustfits::spawn(std::future::ready(())).map_err(exception)?;
        Ok(future_into_py::<EngineRuntime, _, _>(py, future)?.unbind())
    });
    OPERATION.import(py, "rustfits._await", "operation")?.call1((Start(Mutex::new(Some(start))),))
}

/// A coroutine for an operation, with its result as the Python object that `convert` makes of it.
pub(crate) fn await_op<'py, T, U>(py: Python<'py>, op: Op<T>, convert: fn(T) -> U) -> PyResult<Bound<'py, PyAny>>
where
    T: Send + 'static,
    U: for<'a> IntoPyObject<'a> + Send + 'static,
{
    awaitable(py, async move { op.await.map(convert).map_err(exception) })
}
