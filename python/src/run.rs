//! The two ways from an operation to Python: waited for with the GIL released and Ctrl-C working, or as a coroutine.

use std::any::{Any, TypeId};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
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

/// Waits for an operation on a thread that may have the GIL or not: it is released meanwhile. `None` where the interpreter has ended. Ctrl-C stops
/// the operation, and is raised where Python code runs next, as what waits here can't raise it.
///
/// pyo3 is not asked whether this thread has the GIL: where a method of ours called Python code that released it, and that now reads a stream of ours, pyo3
/// takes the thread to have it still.
pub(crate) fn wait_apart<T: Send + 'static>(op: Op<T>) -> Option<rustfits::Result<T>> {
    // SAFETY: may be called at any time, from any thread.
    if unsafe { ffi::Py_IsInitialized() } == 0 {
        return None;
    }
    let mut interrupted = false;
    // SAFETY: the interpreter is there. `PyGILState_Ensure` takes the GIL whoever has it, `PyEval_SaveThread` lets it go until `PyEval_RestoreThread` is given
    // what it gave, and `PyGILState_Release` leaves the thread as it was. Python is called only between an `Ensure` and its `Release`.
    unsafe {
        let state = ffi::PyGILState_Ensure();
        let saved = ffi::PyEval_SaveThread();
        let result = op.wait_until(|| {
            let state = ffi::PyGILState_Ensure();
            interrupted = ffi::PyErr_CheckSignals() != 0;
            if interrupted {
                ffi::PyErr_Clear();
            }
            ffi::PyGILState_Release(state);
            interrupted
        });
        ffi::PyEval_RestoreThread(saved);
        if interrupted {
            // Without it the interruption would be lost.
            ffi::PyErr_SetInterrupt();
        }
        ffi::PyGILState_Release(state);
        Some(result)
    }
}

/// The process whose tasks [`UNDER_WAY`] counts: a forked child has none of its parent's.
static PROCESS: AtomicU32 = AtomicU32::new(0);
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
static ENDING: AtomicBool = AtomicBool::new(false);
/// How long the interpreter's end waits for what was abandoned and does not end by itself.
const LONGEST_END: Duration = Duration::from_millis(500);

/// Something on a thread of the engine that may use Python. A thread which is within Python when the interpreter ends takes the process with
/// it, so the end waits for those that are under way.
pub(crate) struct UnderWay(u32);

impl UnderWay {
    /// Counts one more, until it is dropped; `None` where the interpreter is about to end, so that nothing more should begin.
    pub(crate) fn begin() -> Option<Self> {
        let process = std::process::id();
        if PROCESS.swap(process, Ordering::SeqCst) != process {
            UNDER_WAY.store(0, Ordering::SeqCst);
        }
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        let begun = Self(process);
        (!ENDING.load(Ordering::SeqCst)).then_some(begun)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if PROCESS.load(Ordering::SeqCst) == self.0 {
            UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// For `atexit`: waits until no thread of the engine uses Python.
#[pyfunction]
fn finish(py: Python<'_>) {
    ENDING.store(true, Ordering::SeqCst);
    py.detach(|| {
        let begun = Instant::now();
        let here = || PROCESS.load(Ordering::SeqCst) == std::process::id();
        while here() && UNDER_WAY.load(Ordering::SeqCst) > 0 && begun.elapsed() < LONGEST_END {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

static FINISHES: PyOnceLock<()> = PyOnceLock::new();

/// Sees to it that the interpreter's end waits for what may use Python.
pub(crate) fn finish_at_exit(py: Python<'_>) -> PyResult<()> {
    FINISHES.get_or_try_init(py, || {
        let finish = wrap_pyfunction!(finish, py)?;
        py.import("atexit")?.call_method1("register", (finish,)).map(|_| ())
    })?;
    Ok(())
}

static OPERATION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

static RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static SETTLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

type StartOperation = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<(Bound<'py, PyAny>, Running)> + Send>;

/// Begins an operation when it is called, which a coroutine does once: gives the asyncio future of the result, and what stops the operation.
#[pyclass(frozen, module = "rustfits._rustfits")]
struct Start(Mutex<Option<StartOperation>>);

#[pymethods]
impl Start {
    fn __call__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Running)> {
        let start = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        start.ok_or_else(|| PyRuntimeError::new_err("the operation was begun before"))?(py)
    }
}

/// An operation that was begun.
#[pyclass(frozen, module = "rustfits._rustfits")]
struct Running(rustfits::Task);

#[pymethods]
impl Running {
    /// Stops the operation, and its transfer; nothing where it has ended.
    fn stop(&self) {
        self.0.abort();
    }
}

/// What an operation gives Python: nothing is None, of which pyo3 would make an empty tuple.
pub(crate) struct Answer<T>(pub(crate) T);

impl<'py, T: IntoPyObject<'py> + 'static> IntoPyObject<'py> for Answer<T> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        if TypeId::of::<T>() == TypeId::of::<()>() {
            Ok(py.None().into_bound(py))
        } else {
            self.0.into_bound_py_any(py)
        }
    }
}

/// A coroutine for a Rust future, which begins when it is awaited. Where the coroutine ends before, the future is dropped, which stops its transfer.
pub(crate) fn awaitable<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = PyResult<T>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    let start: StartOperation = Box::new(move |py| begin(py, future));
    OPERATION.import(py, "rustfits._await", "operation")?.call1((Start(Mutex::new(Some(start))),))
}

/// Begins a future on the engine's threads.
fn begin<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = PyResult<T>> + Send + 'static,
) -> PyResult<(Bound<'py, PyAny>, Running)>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    finish_at_exit(py)?;
    let event_loop = RUNNING_LOOP.import(py, "asyncio", "get_running_loop")?.call0()?;
    let waiting = event_loop.call_method0("create_future")?;
    let (told, event_loop) = (waiting.clone().unbind(), event_loop.unbind());
    let under_way = UnderWay::begin();
    let task = rustfits::spawn(async move {
        let result = AssertUnwindSafe(future).catch_unwind().await.unwrap_or_else(|payload| Err(panicked(&*payload)));
        // On a thread that may wait for the GIL. What keeps it from being started has kept the engine from running this.
        let _ = rustfits::spawn_blocking(move || {
            Python::try_attach(|py| tell(py, &event_loop, &told, result));
            drop(under_way);
        });
    });
    Ok((waiting, Running(task.map_err(exception)?)))
}

/// Gives a result to whoever waits for it in an event loop. In one that was closed meanwhile nobody does.
fn tell<T>(py: Python<'_>, event_loop: &Py<PyAny>, waiting: &Py<PyAny>, result: PyResult<T>)
where
    T: for<'a> IntoPyObject<'a> + 'static,
{
    let (value, error) = match result.and_then(|value| Answer(value).into_pyobject(py)) {
        Ok(value) => (value.unbind(), py.None()),
        Err(error) => (py.None(), error.into_value(py).into_any()),
    };
    let settle = SETTLE.import(py, "rustfits._await", "settle");
    let told =
        settle.and_then(|settle| event_loop.call_method1(py, "call_soon_threadsafe", (settle, waiting, value, error)));
    let closed = || event_loop.call_method0(py, "is_closed").and_then(|closed| closed.is_truthy(py)).unwrap_or(false);
    if let Err(problem) = told
        && !closed()
    {
        problem.write_unraisable(py, None);
    }
}

/// The exception for a panic, which is a defect.
fn panicked(payload: &(dyn Any + Send)) -> PyErr {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    PyRuntimeError::new_err(format!("rustfits has panicked: {}", text.unwrap_or("without a message")))
}

/// A coroutine for an operation, with its result as the Python object that `convert` makes of it.
pub(crate) fn await_op<'py, T, U>(py: Python<'py>, op: Op<T>, convert: fn(T) -> U) -> PyResult<Bound<'py, PyAny>>
where
    T: Send + 'static,
    U: for<'a> IntoPyObject<'a> + Send + 'static,
{
    awaitable(py, async move { op.await.map(convert).map_err(exception) })
}
