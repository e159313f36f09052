//! Reading tables as record batches: one for all rows, or one after the other in memory that does not grow with the table.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};

use super::batch::record_batch;
use super::schema::{Extent, schema};
use crate::directory::placed;
use crate::engine::Op;
use crate::error::{Error, ErrorKind, Result};
use crate::format::HduKind;
use crate::hdu::HduInfo;
use crate::image::Axis;
use crate::row_chunks::{RowChunks, RowStream};
use crate::table::{Arrangement, Cell, CellForm, Rows, TableLayout, TableRequest, TextForm, heap, selected};
use crate::table_data::TableSelector;

/// The rows of a table as record batches: an iterator that reads each when it is asked for, in memory that does not grow with the table.
///
/// As a [`RecordBatchReader`] it can be handed to what takes Arrow streams; [`BatchReader::into_stream`] reads ahead.
///
/// # Examples
///
/// ```no_run
/// use arrow_array::RecordBatchReader;
/// use rustfits::FitsReader;
///
/// let fits = FitsReader::open("catalogue.fits").wait()?;
/// let batches = fits.table("CAT").columns(["ra", "dec"]).batches(None).wait()?;
/// println!("{}", batches.schema());
/// for batch in batches {
///     println!("{} rows", batch?.num_rows());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BatchReader {
    table: TableSelector,
    rows: Axis,
    chunks: RowChunks,
    schema: SchemaRef,
}

impl TableSelector {
    /// Reads the rows as one Arrow record batch (feature `arrow`). Numbers are not copied after they were decoded.
    ///
    /// Nulls are null: integers that are TNULL, logicals of 0, ASCII fields that read TNULL; also within lists. Units are in the metadata of the fields, under
    /// `unit`. Bits and logicals are `Boolean`, complex numbers lists of two, cells of several elements `FixedSizeList`, arrays of variable length `List`.
    ///
    /// # Errors
    ///
    /// As [`TableSelector::read`]; [`ErrorKind::Illegal`] for text that is not UTF-8.
    ///
    /// # Examples
    ///
    /// ```
    /// use arrow_array::cast::AsArray;
    /// use arrow_array::types::UInt16Type;
    /// use ndarray::arr1;
    /// use rustfits::{ColumnValues, FitsWriter, TableOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let counts = ColumnValues::from_array("counts", &arr1(&[1u16, 65535])).masked(vec![1, 0])?;
    /// fits.write_table(vec![counts], TableOptions { units: vec![("counts".into(), "adu".into())], ..TableOptions::named("CAT") }).wait()?;
    ///
    /// let batch = fits.reader().table("CAT").read_batch().wait()?;
    /// let counts = batch.column(0).as_primitive::<UInt16Type>();
    /// assert_eq!(counts.iter().collect::<Vec<_>>(), [None, Some(65535)]);
    /// assert_eq!(batch.schema().field(0).metadata()["unit"], "adu");
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn read_batch(&self) -> Op<RecordBatch> {
        self.batch(None)
    }

    /// The rows as record batches of at most `rows` each; of about 8 MiB of the file unless given (feature `arrow`). Reads headers only: the rows
    /// are read when batches are asked for.
    ///
    /// # Errors
    ///
    /// As [`TableSelector::read`]; [`ErrorKind::Argument`] for batches of 0 rows.
    pub fn batches(&self, rows: Option<u64>) -> Op<BatchReader> {
        let table = self.clone();
        self.reader.file.locate(move |file, source| {
            let hdu = file.find(&table.key, source)?;
            let reader = (|| {
                let layout = TableLayout::of(&hdu)?;
                let columns = selected(layout, &table.request)?;
                let is_variable = columns.iter().any(|column| column.cell == Cell::Variable);
                let heap = match hdu.layout.kind {
                    _ if !is_variable => 0,
                    // Arrays are as long as they are unpacked.
                    HduKind::CompressedTable => u64::MAX,
                    _ => heap(&hdu).map(|heap| heap.end - heap.start)?,
                };
                let axis = table.request.rows.resolve(layout.rows)?;
                let tile_rows = HduInfo::new(Arc::clone(&hdu)).rows_together()?;
                let chunks = RowChunks::new(axis.count(), layout.row_bytes(hdu.layout.data_len), tile_rows, rows)?;
                let TableRequest { unscaled, lenient, .. } = table.request;
                let form = CellForm { unscaled, text: TextForm::Bytes, lenient };
                let schema = schema(&columns, Extent { form, rows: chunks.rows_each().min(axis.count()), heap })?;
                Ok(BatchReader { table: table.clone(), rows: axis, chunks, schema })
            })();
            placed(reader, file.name(), hdu.index)
        })
    }

    fn batch(&self, schema: Option<SchemaRef>) -> Op<RecordBatch> {
        let request = TableRequest {
            text: TextForm::Bytes,
            arrangement: Arrangement::Columns,
            mask: true,
            ..self.request.clone()
        };
        self.run(request, |plan, buffers| record_batch(plan, buffers, schema))
    }
}

impl BatchReader {
    /// The read of the next batch; `None` behind the last one.
    pub fn next_batch(&mut self) -> Option<Op<RecordBatch>> {
        let chunk = self.chunks.next()?;
        // What was counted as rows is no negative number.
        let chunk = chunk.start.unsigned_abs()..chunk.end.unsigned_abs();
        let number = |row| i64::try_from(row).unwrap_or(i64::MAX);
        let first = number(self.rows.position(chunk.start));
        let rows = if self.rows.is_run() {
            Rows::from(first..first.saturating_add(number(chunk.end - chunk.start)))
        } else {
            Rows::List(chunk.map(|index| number(self.rows.position(index))).collect())
        };
        Some(self.table.clone().rows(rows).batch(Some(SchemaRef::clone(&self.schema))))
    }

    /// The batches as a stream that reads ahead: while one is worked on, the next one is read.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use futures_util::StreamExt;
    /// use rustfits::FitsReader;
    ///
    /// # async fn example() -> rustfits::Result<()> {
    /// let fits = FitsReader::open("https://archive.example/catalogue.fits").await?;
    /// let mut stream = fits.table(1).batches(Some(100_000)).await?.into_stream();
    /// while let Some(batch) = stream.next().await {
    ///     println!("{} rows", batch?.num_rows());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_stream(mut self) -> RowStream<RecordBatch> {
        RowStream::new(move || self.next_batch())
    }

    /// The schema that all batches have.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

impl Iterator for BatchReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_batch()?.wait().map_err(ArrowError::from))
    }
}

impl RecordBatchReader for BatchReader {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

impl std::fmt::Debug for BatchReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchReader")
            .field("chunks", &self.chunks)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// So that readers in other languages raise what fits: an I/O error, an illegal value, or what is not supported.
impl From<Error> for ArrowError {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Argument | ErrorKind::Illegal | ErrorKind::Key | ErrorKind::Index | ErrorKind::Type => {
                Self::InvalidArgumentError(error.to_string())
            }
            ErrorKind::Unsupported => Self::NotYetImplemented(error.to_string()),
            ErrorKind::TooLarge => Self::MemoryError(error.to_string()),
            _ => Self::IoError(error.to_string(), std::io::Error::other(error)),
        }
    }
}
