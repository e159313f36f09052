//! How many ranges may be on their way from one host at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The ranges that may be on their way from one host at once, to all files that were opened within the same traffic; by default as many as
/// one likes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Option<Limited>);

#[derive(Clone, Debug)]
struct Limited {
    slots: Arc<Semaphore>,
    /// The process that made them: what is on its way there as this one is forked off it never ends here.
    process: u32,
}

/// The place of one range, until it is dropped.
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// As many places as these have.
    pub(super) fn of(slots: Arc<Semaphore>) -> Self {
        Self(Some(Limited { slots, process: std::process::id() }))
    }

    /// Waits for a place.
    pub(crate) async fn take(&self) -> Slot {
        let permit = match &self.0 {
            // Nobody closes the semaphore.
            Some(Limited { slots, process }) if *process == std::process::id() => {
                Arc::clone(slots).acquire_owned().await.ok()
            }
            _ => None,
        };
        Slot { _permit: permit }
    }
}
