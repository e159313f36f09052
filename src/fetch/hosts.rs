//! How many downloads one host sees at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, ErrorKind, Result};
use crate::io::Location;

/// A limit for each host.
pub(super) struct Hosts {
    limit: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Hosts {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, hosts: Mutex::default() }
    }

    /// Waits until the host of a URL may be asked; local files have no host to spare.
    pub(super) async fn enter(&self, location: &Location) -> Result<Option<OwnedSemaphorePermit>> {
        let (Location::Http(url) | Location::Ftp(url)) = location else { return Ok(None) };
        let host = format!("{}:{:?}", url.host_str().unwrap_or_default(), url.port_or_known_default());
        let semaphore = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(self.limit))))
        };
        let permit = semaphore.acquire_owned().await;
        permit.map(Some).map_err(|_| Error::new(ErrorKind::Cancelled, "the fetch was cancelled"))
    }
}
