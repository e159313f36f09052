//! How many downloads one host sees at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::turn::Turn;
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

    /// Gets in line for the host of a URL; local files have no host to spare.
    pub(super) fn line_up(&self, location: &Location) -> Option<Turn> {
        let (Location::Http(url) | Location::Ftp(url)) = location else { return None };
        let host = format!("{}:{:?}", url.host_str().unwrap_or_default(), url.port_or_known_default());
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Turn::take(hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(self.limit)))))
    }
}
