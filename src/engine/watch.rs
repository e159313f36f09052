//! How a running operation learns that it should stop: a flag that a dropped future sets, and a look that a waiting thread takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How often the waiting thread's own check is called: often enough that Ctrl-C feels immediate.
pub(crate) const CHECK_EVERY: Duration = Duration::from_millis(50);

/// A flag that says that nobody wants the result any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Sets the flag when it is dropped: when the waiting ends, however it ends.
pub(crate) struct StopOnDrop(pub(crate) Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// What a running operation looks at between parts.
pub(crate) struct Watch<'a> {
    stop: Option<Stop>,
    check: Option<&'a mut dyn FnMut() -> bool>,
    next_check: Instant,
}

impl<'a> Watch<'a> {
    /// Nothing can stop the operation.
    pub(crate) fn none() -> Self {
        Self { stop: None, check: None, next_check: Instant::now() }
    }

    /// The operation stops when the flag is set.
    pub(crate) fn flag(stop: Stop) -> Self {
        Self { stop: Some(stop), ..Self::none() }
    }

    /// The operation stops when `check`, which is called at most every 50 ms, returns true.
    pub(crate) fn calling(check: &'a mut dyn FnMut() -> bool) -> Self {
        Self { stop: None, check: Some(check), next_check: Instant::now() + CHECK_EVERY }
    }

    /// An error if the operation should stop.
    pub(crate) fn look(&mut self) -> Result<()> {
        if self.stop.as_ref().is_some_and(Stop::is_set) {
            return Err(Error::cancelled());
        }
        if let Some(check) = &mut self.check {
            let now = Instant::now();
            if now >= self.next_check {
                self.next_check = now + CHECK_EVERY;
                if check() {
                    return Err(Error::cancelled());
                }
            }
        }
        Ok(())
    }
}
