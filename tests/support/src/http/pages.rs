//! The server's own pages, for clients in other processes.
//!
//! `/_log` gives the requests as JSON, `/_connections` the counts, `/_clear` clears the log (GET or POST),
//! and `PUT` of any other path puts a file in memory. None of these is logged.

use bytes::Bytes;
use serde::Serialize;

use super::answer::Answer;
use super::head::Head;
use super::server::Shared;

/// What `/_connections` gives.
#[derive(Serialize)]
struct Counts {
    accepted: u64,
    open: u64,
    most_open: u64,
    most_in_flight: u64,
}

/// The answer of one of the own pages, if the request is for one.
pub(super) fn page(shared: &Shared, head: &Head, body: Bytes) -> Option<Answer> {
    let json = |text: String| Answer::page(200, "application/json", text);
    match (head.method.as_str(), head.path().as_str()) {
        ("GET", "/_log") => Some(json(serde_json::to_string(&shared.log.requests()).unwrap())),
        ("GET", "/_connections") => Some(json(counts(shared))),
        ("GET" | "POST", "/_clear") => {
            shared.log.clear();
            Some(json("{}".to_owned()))
        }
        ("PUT", path) => {
            shared.files.put(path, body);
            Some(Answer::text(201, "Kept.\n"))
        }
        _ => None,
    }
}

fn counts(shared: &Shared) -> String {
    let connections = shared.connections.connections();
    let counts = Counts {
        accepted: connections.accepted,
        open: connections.open,
        most_open: connections.most_open,
        most_in_flight: shared.log.most_in_flight(),
    };
    serde_json::to_string(&counts).unwrap()
}
