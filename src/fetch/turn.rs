//! Places in line: who asks first is served first, whichever thread its task runs on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use futures_util::future::{MaybeDone, maybe_done};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, ErrorKind, Result};

type Acquire = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// A place in the line of a semaphore, taken when it is made.
pub(super) struct Turn(Pin<Box<MaybeDone<Acquire>>>);

impl Turn {
    /// Gets in line behind everyone who is in it.
    pub(super) fn take(semaphore: &Arc<Semaphore>) -> Self {
        let acquire: Acquire = Box::pin(Arc::clone(semaphore).acquire_owned());
        let mut place = Box::pin(maybe_done(acquire));
        // A semaphore puts a waiter in line when it is first polled; the task that waits polls again with its own waker.
        let _ = place.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        Self(place)
    }

    /// Waits until it is this place's turn.
    pub(super) async fn come(mut self) -> Result<OwnedSemaphorePermit> {
        self.0.as_mut().await;
        let permit = self.0.as_mut().take_output().and_then(Result::ok);
        permit.ok_or_else(|| Error::new(ErrorKind::Cancelled, "the fetch was cancelled"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_served_in_the_order_in_which_they_were_taken() {
        let semaphore = Arc::new(Semaphore::new(1));
        let first = Turn::take(&semaphore);
        let second = Turn::take(&semaphore);
        let third = tokio::spawn(Turn::take(&semaphore).come());
        tokio::task::yield_now().await;
        drop(first.come().await.unwrap());
        assert!(!third.is_finished());
        drop(second.come().await.unwrap());
        drop(third.await.unwrap().unwrap());
    }
}
