//! A table of a stream, some rows at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::Mutex;

use super::hdu::StreamHdu;
use crate::engine::Op;
use crate::error::Result;
use crate::format::HduKind;
use crate::io::Arrival;
use crate::row_chunks::RowChunks;
use crate::table::ColumnKey;
use crate::table_data::{Records, TableSelector};

/// The rows of a table, chunk after chunk: a `Stream`, and [`StreamedRows::next`]. Made by [`StreamHdu::rows`].
///
/// The arrays of variable-length columns lie behind the rows: where such columns are read, what is left of the rows is held with the arrays, at
/// most [`max_held`](super::StreamOptions::max_held) bytes. Leave them out by [`StreamedRows::columns`] where that is not enough.
///
/// # Examples
///
/// ```no_run
/// use rustfits::FitsStream;
///
/// # async fn example() -> rustfits::Result<()> {
/// let mut stream = FitsStream::open("https://archive.example/catalogue.fits.gz").await?;
/// while let Some(hdu) = stream.next().await? {
///     if hdu.info().name() == Some("CAT") {
///         let mut rows = hdu.rows(Some(100_000))?.columns(["ra", "dec"]);
///         while let Some(chunk) = rows.next().await? {
///             println!("{} rows", chunk.rows);
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct StreamedRows {
    table: TableSelector,
    arrival: Arc<Arrival>,
    chunks: Arc<Mutex<RowChunks>>,
    /// Where the rows start, and how long one is; `None` where rows don't lie one after the other.
    place: Option<(u64, u64)>,
    ahead: Option<Op<Option<Records>>>,
}

impl StreamedRows {
    pub(super) fn new(hdu: &StreamHdu, chunk: Option<u64>) -> Result<Self> {
        hdu.check_table()?;
        let layout = &hdu.entry().layout;
        let row = layout.axes.first().copied().unwrap_or(0);
        Ok(Self {
            table: hdu.table(),
            arrival: Arc::clone(hdu.arrival()),
            chunks: Arc::new(Mutex::new(hdu.info().row_chunks(chunk)?)),
            place: (layout.kind != HduKind::CompressedTable).then_some((layout.data_start, row)),
            ahead: None,
        })
    }

    /// Only these columns; see [`TableSelector::columns`].
    #[must_use]
    pub fn columns<K: Into<ColumnKey>>(self, columns: impl IntoIterator<Item = K>) -> Self {
        Self { table: self.table.columns(columns), ..self }
    }

    /// The values as stored, without TSCAL and TZERO.
    #[must_use]
    pub fn unscaled(self) -> Self {
        Self { table: self.table.unscaled(), ..self }
    }

    /// Also which values are null.
    #[must_use]
    pub fn masked(self) -> Self {
        Self { table: self.table.masked(), ..self }
    }

    /// Strings as bytes and not as 32-bit characters.
    #[must_use]
    pub fn text_as_bytes(self) -> Self {
        Self { table: self.table.text_as_bytes(), ..self }
    }

    /// The next rows; `None` behind the last ones.
    ///
    /// # Errors
    ///
    /// The stream breaks off, is cut short or has gone to another HDU; a column is not there; more would have to be held than may be.
    ///
    /// # Cancel safety
    ///
    /// Dropping the unfinished operation loses no row: the next one reads the same.
    #[allow(clippy::should_implement_trait, reason = "awaited, as every operation here")]
    pub fn next(&mut self) -> Op<Option<Records>> {
        self.ahead = None;
        self.step()
    }

    fn step(&self) -> Op<Option<Records>> {
        let (table, arrival, place) = (self.table.clone(), Arc::clone(&self.arrival), self.place);
        let chunks = Arc::clone(&self.chunks);
        Op::remote(async move {
            let mut chunks = chunks.lock().await;
            let mut after = chunks.clone();
            let Some(rows) = after.next() else { return Ok(None) };
            let end = rows.end.unsigned_abs();
            let records = table.rows(rows).read_records().inline().await?;
            *chunks = after;
            if let Some((start, row)) = place {
                arrival.release(start.saturating_add(end.saturating_mul(row)));
            }
            Ok(Some(records))
        })
    }

    /// What was not read yet of the table, in one; all of it at first.
    ///
    /// # Errors
    ///
    /// As [`StreamedRows::next`]; variable-length columns of a table with more than 8 MiB of rows can only be read in chunks.
    pub fn rest(self) -> Op<Records> {
        let (table, chunks) = (self.table.clone(), Arc::clone(&self.chunks));
        Op::remote(async move {
            let mut all: Option<Records> = None;
            let total = chunks.lock().await.rows();
            while let Some(chunk) = self.step().await? {
                match &mut all {
                    None if total == chunk.rows as u64 => return Ok(chunk),
                    // The arrays of all rows are put together best where they are read together.
                    None if !chunk.arrays.is_empty() => {
                        return Err(crate::Error::too_large(
                            "a table with variable-length columns of this size can't be read whole from a stream: read it in chunks",
                        ));
                    }
                    None => {
                        let mut first = chunk;
                        first.reserve(total)?;
                        all = Some(first);
                    }
                    Some(all) => all.append(&chunk),
                }
            }
            match all {
                Some(all) => Ok(all),
                None => table.read_records().await,
            }
        })
    }
}

impl Stream for StreamedRows {
    type Item = Result<Records>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut step = self.ahead.take().unwrap_or_else(|| self.step());
        match Pin::new(&mut step).poll(context) {
            Poll::Pending => {
                self.ahead = Some(step);
                Poll::Pending
            }
            Poll::Ready(chunk) => Poll::Ready(chunk.transpose()),
        }
    }
}
