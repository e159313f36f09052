//! The commands that clients sent.

use std::sync::{Mutex, PoisonError};

/// Command lines of all connections, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Commands(Mutex<Vec<String>>);

impl Commands {
    /// Notes a command line.
    pub(super) fn note(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }

    /// Those noted so far.
    pub(super) fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets them.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
