//! A whole remote file into memory, by whichever protocol its URL names.

use url::Url;

use super::Location;
use super::budget::Budget;
use super::disk_sink::DiskSink;
use super::file_sink::FileSink;
use super::ftp::FtpDownload;
use super::http::{Asked, HttpClient, Known, NOT_MODIFIED, RangedFile, RetryPolicy, Transfer};
use super::location::{display_url, is_gzip_name};
use super::part_file::Beginning;
use super::sink::Sink;
use super::sniff::{Content, sniff};
use super::traffic::Traffic;
use bytes::Bytes;

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
    pub(crate) traffic: &'a Traffic,
}

/// A file as far as it was fetched.
pub(crate) enum Fetched {
    /// All of it.
    Whole(WholeFile),
    /// Its first bytes; the rest is to be had by ranges.
    Ranged(Box<RangedFile>, Bytes),
}

impl<'a> Fetching<'a> {
    fn transfer(&self, url: &'a Url) -> Transfer<'a> {
        Transfer::new(self.client, url, self.remote, self.retry, self.budget).within(self.traffic)
    }

    fn download(&self, url: &'a Url) -> FtpDownload<'a> {
        FtpDownload::new(url, self.remote, self.retry, self.budget).within(self.traffic)
    }

    /// Asks for the first bytes of a file that is to be read by ranges.
    pub(crate) async fn fetch_ranged(
        &self,
        url: &Url,
        first: u64,
        counts: &mut TransferCounts,
    ) -> Result<(RangedFile, Bytes)> {
        let Self { client, remote, retry, traffic, .. } = self;
        let (file, bytes) =
            RangedFile::open_with(client, url, remote, traffic, first, retry, &mut counts.attempts).await?;
        counts.wire_bytes = bytes.len() as u64;
        self.budget.received(bytes.len() as u64);
        self.traffic.arrived(url, bytes.len() as u64).await;
        Ok((file, bytes))
    }

    /// Asks for the first bytes of a file, and goes on by ranges where the server has them and the file is not gzip; else fetches all of it.
    pub(crate) async fn fetch_auto(
        &self,
        location: &'a Location,
        first: u64,
        counts: &mut TransferCounts,
    ) -> Result<Fetched> {
        let Location::Http(url) = location else { return Ok(Fetched::Whole(self.fetch(location, counts).await?)) };
        if is_gzip_name(location) {
            return Ok(Fetched::Whole(self.fetch(location, counts).await?));
        }
        let transfer = self.transfer(url);
        match transfer.ask(first, |bytes| sniff(bytes) != Content::Gzip, &mut counts.attempts).await? {
            Asked::Ranged(file, bytes) => {
                counts.wire_bytes = bytes.len() as u64;
                self.budget.received(bytes.len() as u64);
                self.traffic.arrived(url, bytes.len() as u64).await;
                Ok(Fetched::Ranged(file, bytes))
            }
            Asked::Whole(transfer) => {
                Ok(Fetched::Whole(self.http(*transfer, counts).await.in_file(&display_url(url))?))
            }
        }
    }

    /// Fetches a file to disk: from where it broke, if `beginning` says so and the server has the same file still. `false`: it is `known`.
    pub(crate) async fn fetch_to_disk(
        &self,
        location: &'a Location,
        beginning: Option<Beginning>,
        known: Option<Known>,
        sink: &mut DiskSink,
        counts: &mut TransferCounts,
    ) -> Result<bool> {
        let is_known = known.is_some();
        let result = match location {
            Location::Http(url) => {
                let mut transfer = self.transfer(url).unless(known);
                if let Some(Beginning { version, length, position }) = beginning {
                    transfer = transfer.resuming(version, length, position);
                }
                let result = transfer.run(sink).await;
                *counts = TransferCounts { attempts: transfer.attempts(), wire_bytes: transfer.wire_bytes() };
                result.in_file(&display_url(url))
            }
            Location::Ftp(url) => {
                let mut download = self.download(url).dated().unless(known);
                if let Some(Beginning { version, length, position }) = beginning {
                    download = download.resuming(version, length, position);
                }
                let result = download.run(sink).await;
                *counts = TransferCounts { attempts: download.attempts(), wire_bytes: download.wire_bytes() };
                result.in_file(&display_url(url))
            }
            _ => Err(Error::argument("the name is no URL: only what http(s) and ftp(s) serve is downloaded")),
        };
        match result {
            // Of a server that was not asked whether the file is still the same it is an error like any other.
            Err(error) if error.kind() == NOT_MODIFIED && is_known => Ok(false),
            result => {
                // Also of what broke: the next attempt goes on from there.
                let flushed = sink.flush().await;
                result.and(flushed).map(|()| true)
            }
        }
    }

    /// Fetches a file into a sink that may take its time.
    pub(crate) async fn fetch_into(&self, location: &'a Location, sink: &mut dyn Sink) -> Result<()> {
        match location {
            Location::Http(url) => {
                let mut transfer = self.transfer(url);
                transfer.run(sink).await.in_file(&display_url(url))
            }
            Location::Ftp(url) => {
                let mut download = self.download(url);
                download.run(sink).await.in_file(&display_url(url))
            }
            _ => Err(Error::argument("the name is no URL")),
        }
    }

    /// Fetches the file; the counts are right also where it fails.
    pub(crate) async fn fetch(&self, location: &'a Location, counts: &mut TransferCounts) -> Result<WholeFile> {
        match location {
            Location::Http(url) => {
                let transfer = self.transfer(url);
                self.http(transfer, counts).await.in_file(&display_url(url))
            }
            Location::Ftp(url) => self.ftp(url, counts).await.in_file(&display_url(url)),
            _ => Err(Error::argument("the name is no URL")),
        }
    }

    async fn http(&self, mut transfer: Transfer<'_>, counts: &mut TransferCounts) -> Result<WholeFile> {
        let mut sink = FileSink::new(self.budget, self.remote.max_bytes);
        let result = transfer.run(&mut sink).await;
        *counts = TransferCounts { attempts: transfer.attempts(), wire_bytes: transfer.wire_bytes() };
        let content_type = transfer.head().and_then(|head| head.content_type.clone());
        result?;
        let (bytes, warning) = sink.finish().await?;
        Ok(WholeFile { bytes, warning, content_type })
    }

    async fn ftp(&self, url: &'a Url, counts: &mut TransferCounts) -> Result<WholeFile> {
        let mut sink = FileSink::new(self.budget, self.remote.max_bytes);
        let mut download = self.download(url);
        let result = download.run(&mut sink).await;
        *counts = TransferCounts { attempts: download.attempts(), wire_bytes: download.wire_bytes() };
        result?;
        let (bytes, warning) = sink.finish().await?;
        Ok(WholeFile { bytes, warning, content_type: None })
    }
}
