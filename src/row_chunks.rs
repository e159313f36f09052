//! The rows of a table, some at a time: in memory that does not grow with the table.

use std::future::Future;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::future::{Either, select};
use tokio::sync::oneshot::{Receiver, channel};

use crate::engine::{Op, spawn};
use crate::error::{Error, ErrorKind, Result};
use crate::table_data::Records;

/// How many bytes of rows a chunk has unless told otherwise.
const CHUNK_BYTES: u64 = 8 << 20;
/// How many it has at most where a tile has more.
const LARGEST_CHUNK: u64 = 64 << 20;

/// The ranges of rows that make up a table, of at most so many rows each: an iterator.
///
/// # Examples
///
/// ```no_run
/// use rustfits::blocking::FitsReader;
///
/// let fits = FitsReader::open("catalogue.fits")?;
/// let mut brightest = f64::INFINITY;
/// for rows in fits.hdu(1)?.row_chunks(None)? {
///     let chunk = fits.table(1).columns(["MAG"]).rows(rows).read()?;
///     brightest = chunk.array::<f64>("MAG")?.fold(brightest, |least, &magnitude| magnitude.min(least));
/// }
/// # Ok::<(), rustfits::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RowChunks {
    next: u64,
    rows: u64,
    chunk: u64,
}

impl RowChunks {
    /// Of a table of so many rows of so many bytes; `rows_each` is chosen by their size unless given. Of a compressed table they are whole tiles of
    /// `tile_rows` then: no tile is unpacked twice.
    pub(crate) fn new(rows: u64, row_bytes: u64, tile_rows: u64, rows_each: Option<u64>) -> Result<Self> {
        let chunk = rows_each.unwrap_or_else(|| {
            let usual = (CHUNK_BYTES / row_bytes.max(1)).max(1);
            let tile = tile_rows.max(1);
            if tile <= usual { usual / tile * tile } else { tile.min((LARGEST_CHUNK / row_bytes.max(1)).max(1)) }
        });
        if chunk == 0 {
            return Err(Error::argument("a chunk of 0 rows: chunksize is at least 1"));
        }
        Ok(Self { next: 0, rows, chunk })
    }

    /// How many rows a chunk has at most.
    #[cfg_attr(not(feature = "arrow"), allow(dead_code, reason = "only record batches have to know"))]
    pub(crate) fn rows_each(&self) -> u64 {
        self.chunk
    }

    /// How many rows the table has.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }
}

impl Iterator for RowChunks {
    type Item = Range<i64>;

    fn next(&mut self) -> Option<Range<i64>> {
        if self.next >= self.rows {
            return None;
        }
        let start = self.next;
        self.next = start.saturating_add(self.chunk).min(self.rows);
        Some(i64::try_from(start).ok()?..i64::try_from(self.next).unwrap_or(i64::MAX))
    }
}

/// What chunks of rows were read as, one after the other: a stream that reads ahead. While one is worked on, the next one is read.
pub struct RowStream<T> {
    /// Makes the read of the next chunk.
    next: Box<dyn FnMut() -> Option<Op<T>> + Send>,
    /// The read of the next chunk, which runs whether anyone waits for it or not.
    ahead: Option<Receiver<Result<T>>>,
}

/// The chunks of a table as records. See [`TableSelector::stream`](crate::TableSelector::stream).
pub type RecordStream = RowStream<Records>;

impl<T: Send + 'static> RowStream<T> {
    pub(crate) fn new(next: impl FnMut() -> Option<Op<T>> + Send + 'static) -> Self {
        Self { next: Box::new(next), ahead: None }
    }

    /// Begins to read the next chunk, if there is one.
    fn begin(&mut self) -> Result<()> {
        self.ahead = match (self.next)() {
            None => None,
            Some(read) => {
                let (mut sender, result) = channel();
                spawn(async move {
                    // Where nobody waits any more, the read is dropped, which stops its transfer.
                    let read = match select(read, pin!(sender.closed())).await {
                        Either::Left((read, _)) => read,
                        Either::Right(_) => return,
                    };
                    let _ = sender.send(read);
                })?;
                Some(result)
            }
        };
        Ok(())
    }
}

impl<T: Send + 'static> Stream for RowStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ahead.is_none()
            && let Err(error) = self.begin()
        {
            return Poll::Ready(Some(Err(error)));
        }
        let Some(ahead) = &mut self.ahead else { return Poll::Ready(None) };
        let Poll::Ready(result) = Pin::new(ahead).poll(context) else { return Poll::Pending };
        let result = result.unwrap_or_else(|_| Err(Error::new(ErrorKind::Io, "the read ended without a result")));
        let begun = self.begin();
        Poll::Ready(Some(result.and_then(|records| begun.map(|()| records))))
    }
}

impl<T> std::fmt::Debug for RowStream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowStream").field("reading", &self.ahead.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_row_once() {
        let ranges = |rows, bytes, each| RowChunks::new(rows, bytes, 1, each).unwrap().collect::<Vec<_>>();
        assert_eq!(ranges(10, 1, Some(4)), [0..4, 4..8, 8..10]);
        assert_eq!(ranges(0, 1, Some(4)), []);
        assert_eq!(ranges(3, 100 << 20, None), [0..1, 1..2, 2..3]);
        assert_eq!(ranges(5, 0, Some(u64::MAX)).first(), Some(&(0..5)));
        assert!(RowChunks::new(1, 1, 1, Some(0)).is_err());
    }

    #[test]
    fn chunks_are_whole_tiles() {
        let first = |tile_rows| RowChunks::new(1 << 40, 1 << 10, tile_rows, None).unwrap().next().unwrap().end;
        assert_eq!(first(1), 8192);
        assert_eq!(first(3000), 6000);
        assert_eq!(first(10_000), 10_000);
        assert_eq!(first(1 << 30), 65_536);
    }
}
