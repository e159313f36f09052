//! What became of each file of a download, line by line: CSV or JSON lines.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::download::Downloaded;
use super::queue::FetchOutcome;
use crate::error::{Error, ErrorKind, Result, ResultExt};

/// A file that is written while the download goes on.
pub(super) struct Manifest(Mutex<Format>);

enum Format {
    Csv(Box<csv::Writer<File>>),
    JsonLines(File),
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    index: u64,
    url: &'a str,
    /// The name of the file in its directory.
    name: Option<String>,
    /// `downloaded`, `skipped` (it was there) or `failed`.
    state: &'static str,
    /// The size of the file.
    size: Option<u64>,
    /// How many bytes came over the network.
    transferred: u64,
    attempts: u32,
    seconds: f64,
    error: Option<String>,
}

impl Manifest {
    /// Begins a manifest; its name says which form it has.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        let create = || File::create(path).map_err(Error::from);
        let shown = path.display().to_string();
        let format = match extension.as_deref() {
            Some("csv") => create().map(|file| Format::Csv(Box::new(csv::Writer::from_writer(file)))),
            Some("jsonl") => create().map(Format::JsonLines),
            _ => Err(Error::argument("the name of a manifest ends in .csv or .jsonl")),
        };
        format.map(|format| Self(Mutex::new(format))).in_file(&shown)
    }

    /// Notes what became of a file.
    pub(super) fn note(&self, outcome: &FetchOutcome<Downloaded>) -> Result<()> {
        let (done, error) = match &outcome.result {
            Ok(done) => (Some(done), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let line = Line {
            index: outcome.index,
            url: &outcome.url,
            name: done.and_then(|done| Some(done.path.file_name()?.to_string_lossy().into_owned())),
            state: done.map_or("failed", |done| if done.skipped { "skipped" } else { "downloaded" }),
            size: done.map(|done| done.size),
            transferred: outcome.bytes,
            attempts: outcome.attempts,
            seconds: outcome.duration.as_secs_f64(),
            error,
        };
        let failed = |error: String| Error::new(ErrorKind::Io, format!("the manifest can't be written: {error}"));
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Format::Csv(writer) => {
                writer.serialize(&line).map_err(|error| failed(error.to_string()))?;
                writer.flush().map_err(|error| failed(error.to_string()))
            }
            Format::JsonLines(file) => {
                let mut text = serde_json::to_vec(&line).map_err(|error| failed(error.to_string()))?;
                text.push(b'\n');
                file.write_all(&text).map_err(|error| failed(error.to_string()))
            }
        }
    }
}
