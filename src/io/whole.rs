//! A whole remote file into memory, by whichever protocol its URL names.

use url::Url;

use super::Location;
use super::budget::Budget;
use super::file_sink::FileSink;
use super::ftp::FtpDownload;
use super::http::{HttpClient, RetryPolicy, Transfer};
use super::location::display_url;
use crate::error::{Error, Result, ResultExt};
use crate::options::Remote;

/// A remote file in memory.
#[derive(Debug, Default)]
pub(crate) struct WholeFile {
    /// The file, gunzipped once if it came as gzip.
    pub(crate) bytes: Vec<u8>,
    pub(crate) warning: Option<String>,
    /// What the server says that the file is.
    pub(crate) content_type: Option<String>,
}

/// Counts of a transfer, also of one that failed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TransferCounts {
    pub(crate) attempts: u32,
    pub(crate) wire_bytes: u64,
}

/// How a file is fetched.
pub(crate) struct Fetching<'a> {
    pub(crate) client: &'a HttpClient,
    pub(crate) remote: &'a Remote,
    pub(crate) retry: &'a RetryPolicy,
    pub(crate) budget: &'a dyn Budget,
}

impl Fetching<'_> {
    /// Fetches the file; the counts are right also where it fails.
    pub(crate) async fn fetch(&self, location: &Location, counts: &mut TransferCounts) -> Result<WholeFile> {
        match location {
            Location::Http(url) => self.http(url, counts).await.in_file(&display_url(url)),
            Location::Ftp(url) => self.ftp(url, counts).await.in_file(&display_url(url)),
            _ => Err(Error::argument("the name is no URL")),
        }
    }

    async fn http(&self, url: &Url, counts: &mut TransferCounts) -> Result<WholeFile> {
        let mut sink = FileSink::new(self.budget, self.remote.max_bytes);
        let mut transfer = Transfer::new(self.client, url, self.remote, self.retry, self.budget);
        let result = transfer.run(&mut sink).await;
        *counts = TransferCounts { attempts: transfer.attempts(), wire_bytes: transfer.wire_bytes() };
        let content_type = transfer.head().and_then(|head| head.content_type.clone());
        result?;
        let (bytes, warning) = sink.finish().await?;
        Ok(WholeFile { bytes, warning, content_type })
    }

    async fn ftp(&self, url: &Url, counts: &mut TransferCounts) -> Result<WholeFile> {
        let mut sink = FileSink::new(self.budget, self.remote.max_bytes);
        let mut download = FtpDownload::new(url, self.remote, self.retry, self.budget);
        let result = download.run(&mut sink).await;
        *counts = TransferCounts { attempts: download.attempts(), wire_bytes: download.wire_bytes() };
        result?;
        let (bytes, warning) = sink.finish().await?;
        Ok(WholeFile { bytes, warning, content_type: None })
    }
}
