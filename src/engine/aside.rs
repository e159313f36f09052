//! Work that can't be interrupted, done on another thread so that the waiting can.

use std::sync::mpsc::{RecvTimeoutError, channel};

use super::runtime::engine;
use super::watch::{CHECK_EVERY, Watch};
use crate::error::{Error, ErrorKind, Result};

/// Runs `work` on a thread that may block, and looks meanwhile whether its result is still wanted. If it isn't, the work goes on to its end
/// and its result is dropped.
pub(crate) fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
    watch: &mut Watch<'_>,
) -> Result<T> {
    let (sender, receiver) = channel();
    engine()?.runtime()?.spawn_blocking(move || {
        // Nobody listens any more where the wait was given up.
        let _ = sender.send(work());
    });
    loop {
        match receiver.recv_timeout(CHECK_EVERY) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => watch.look()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::new(ErrorKind::Io, "a thread of the engine died: this is a defect of rustfits"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::watch::Stop;

    #[test]
    fn the_wait_ends_when_the_result_is_not_wanted() {
        assert_eq!(aside(|| Ok(3), &mut Watch::none()).unwrap(), 3);
        let stop = Stop::default();
        stop.set();
        let (release, held) = channel::<()>();
        let result = aside(move || held.recv().map_err(|_| Error::cancelled()), &mut Watch::flag(stop));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
        drop(release);
    }
}
