//! Reading a FITS file from its first byte to its last, HDU after HDU, in memory that does not grow with the file (FITS 4.0 §3.1).
//!
//! The file may come through a pipe, over a network, or from anything that gives bytes; it is unpacked on the way. What was
//! read is let go of, and the transfer pauses while nobody reads.

mod bands;
mod feed;
mod hdu;
mod rows;

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio::io::AsyncRead;

use crate::directory::{HduId, hdu_at};
use crate::engine::{Op, arriving, locate_remote};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::io::location::{display, parse, safe_excerpt};
use crate::io::{Arrival, Awaited, Keep, Location};
use crate::open;
use crate::options::{Remote, RemoteMode};
use crate::source::{ReadAt, past_the_end};
pub use bands::ImageBands;
pub use hdu::StreamHdu;
pub use rows::StreamedRows;

/// The name of a stream that has none of its own.
const STREAM_NAME: &str = "<stream>";
/// The name of the standard input.
const STANDARD_INPUT: &str = "-";

/// How a stream is read.
///
/// # Examples
///
/// ```
/// use rustfits::StreamOptions;
///
/// let options = StreamOptions { max_held: 256 << 20, ..StreamOptions::default() };
/// assert!(!options.lenient);
/// ```
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Takes cards that break the rules, see [`OpenOptions`](crate::OpenOptions).
    pub lenient: bool,
    /// How a URL is fetched: its time limits, logins and so on; its mode has to be the default one, or [`RemoteMode::Stream`].
    pub remote: Option<Remote>,
    /// The most bytes of the stream that a single step of reading may need at once (64 MiB): a row of tiles, or the rows of a table with their heap
    /// where variable-length columns are read.
    pub max_held: u64,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { lenient: false, remote: None, max_held: 64 << 20 }
    }
}

/// A FITS file that is read as it comes, HDU after HDU.
///
/// [`FitsStream::next`] goes to the next HDU, whatever of the one before was read. It is also a `Stream` of HDUs.
///
/// # Examples
///
/// ```
/// use rustfits::{FitsStream, FitsWriter, ImageOptions};
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let writer = FitsWriter::create("mem://").await?;
/// # writer.write_image(&ndarray::Array2::<i16>::ones((100, 50)), ImageOptions::named("SCI")).await?;
/// # let reader = std::io::Cursor::new(writer.reader().to_bytes().await?);
/// let mut stream = FitsStream::from_reader(reader)?; // a pipe, a socket, tokio::io::stdin()
/// let mut sum = 0i64;
/// while let Some(hdu) = stream.next().await? {
///     let mut bands = hdu.bands(None)?;
///     while let Some(band) = bands.next().await? {
///         sum += band.as_slice::<i16>().unwrap_or_default().iter().map(|&pixel| i64::from(pixel)).sum::<i64>();
///     }
/// }
/// assert_eq!(sum, 5000);
/// # Ok::<(), rustfits::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FitsStream {
    shared: Arc<Shared>,
    /// The step to the next HDU that [`Stream::poll_next`] waits for.
    step: Option<Op<Option<StreamHdu>>>,
}

/// What a stream and its HDUs share.
struct Shared {
    name: Arc<str>,
    lenient: bool,
    arrival: Arc<Arrival>,
    place: Mutex<Place>,
}

/// Where the next HDU starts.
#[derive(Clone, Copy, Default)]
struct Place {
    index: usize,
    start: u64,
    /// Where the data of the HDU before end, without their padding.
    data_end: u64,
    /// Whether there is no further HDU.
    ended: bool,
}

impl Shared {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FitsStream {
    /// Streams a file by its name: a path, which may be a named pipe, `-` for the standard input, `file://`, `http(s)://` or `ftp(s)://`; what the bytes
    /// are, plain or gzip, is found out. Waits for the first bytes.
    ///
    /// # Errors
    ///
    /// The file can't be reached, is empty or cut short, or is not FITS.
    pub fn open(name: impl AsRef<Path>) -> Op<Self> {
        Self::open_with(name, StreamOptions::default())
    }

    /// As [`FitsStream::open`], with options.
    ///
    /// # Errors
    ///
    /// As [`FitsStream::open`]; [`ErrorKind::Argument`] for options of [`Remote`] that have nothing to do with streams.
    pub fn open_with(name: impl AsRef<Path>, options: StreamOptions) -> Op<Self> {
        let name = name.as_ref().to_owned();
        Op::remote(async move {
            let stream = Self::named(name, options)?;
            open::check_arrival(&stream.shared.arrival).await.in_file(stream.name())?;
            Ok(stream)
        })
    }

    /// As [`FitsStream::open_with`], but waits for nothing: that the file can't be reached shows at the first [`FitsStream::next`].
    ///
    /// # Errors
    ///
    /// The name or the options are wrong.
    pub fn named(name: impl AsRef<Path>, options: StreamOptions) -> Result<Self> {
        let name = name.as_ref();
        let (shown, arrival) = begin(name, &options).in_file(&safe_excerpt(&name.to_string_lossy()))?;
        Ok(Self::of(shown, arrival, &options))
    }

    /// Streams what an asynchronous reader gives: a pipe, a socket, a body. It is read on the engine's threads.
    ///
    /// # Errors
    ///
    /// The engine can't start its threads. That the bytes are not FITS shows at the first [`FitsStream::next`].
    pub fn from_reader(reader: impl AsyncRead + Send + Unpin + 'static) -> Result<Self> {
        Self::from_chunks_with(feed::chunks_of_reader(reader), StreamOptions::default())
    }

    /// Streams what a blocking reader gives, such as the standard input, which is read on a thread of its own.
    ///
    /// # Errors
    ///
    /// As [`FitsStream::from_reader`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use rustfits::FitsStream;
    ///
    /// let mut stream = FitsStream::from_read(std::io::stdin())?;
    /// while let Some(hdu) = stream.next().wait()? {
    ///     println!("{:?}: {} cards", hdu.info().name(), hdu.header().len());
    /// }
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn from_read(reader: impl std::io::Read + Send + 'static) -> Result<Self> {
        Self::from_read_with(reader, StreamOptions::default())
    }

    /// As [`FitsStream::from_read`], with options.
    ///
    /// # Errors
    ///
    /// As [`FitsStream::from_reader`].
    pub fn from_read_with(reader: impl std::io::Read + Send + 'static, options: StreamOptions) -> Result<Self> {
        Self::from_chunks_with(feed::chunks_of_read(reader), options)
    }

    /// Streams bytes that come in chunks of any size.
    ///
    /// # Errors
    ///
    /// As [`FitsStream::from_reader`].
    pub fn from_chunks(chunks: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Result<Self> {
        Self::from_chunks_with(chunks, StreamOptions::default())
    }

    /// As [`FitsStream::from_chunks`], with options.
    ///
    /// # Errors
    ///
    /// As [`FitsStream::from_reader`].
    pub fn from_chunks_with(
        chunks: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        options: StreamOptions,
    ) -> Result<Self> {
        let arrival = arriving(Keep::Window(options.max_held), move |sink| Box::pin(feed::pass_on(chunks, sink)))?;
        Ok(Self::of(Arc::from(STREAM_NAME), arrival, &options))
    }

    fn of(name: Arc<str>, arrival: Arc<Arrival>, options: &StreamOptions) -> Self {
        let shared = Shared { name, lenient: options.lenient, arrival, place: Mutex::default() };
        Self { shared: Arc::new(shared), step: None }
    }

    /// The name of the stream, without credentials.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Goes to the next HDU and waits for its header; `None` behind the last one. What was not read of the HDU before is passed over.
    ///
    /// # Errors
    ///
    /// The stream breaks off, is cut short within the data of the HDU before, or what follows is no legal header.
    ///
    /// # Cancel safety
    ///
    /// Dropping the unfinished operation loses no HDU: the next one goes to the same.
    #[allow(clippy::should_implement_trait, reason = "awaited, as every operation here")]
    pub fn next(&mut self) -> Op<Option<StreamHdu>> {
        self.step = None;
        self.step()
    }

    fn step(&self) -> Op<Option<StreamHdu>> {
        let shared = Arc::clone(&self.shared);
        Op::remote(async move {
            let index = shared.place().index;
            step(&shared).await.in_hdu(index).in_file(&shared.name)
        })
    }
}

/// Begins the transfer of a file by its name.
fn begin(name: &Path, options: &StreamOptions) -> Result<(Arc<str>, Arc<Arrival>)> {
    let keep = Keep::Window(options.max_held);
    if name.as_os_str() == STANDARD_INPUT {
        let chunks = feed::chunks_of_read(std::io::stdin());
        return Ok((Arc::from(STANDARD_INPUT), arriving(keep, move |sink| Box::pin(feed::pass_on(chunks, sink)))?));
    }
    let location = parse(name)?;
    let shown = Arc::from(display(&location));
    let remote = options.remote.clone();
    let arrival = match location {
        Location::Memory => return Err(open::nothing_to_read()),
        Location::Path(_) if remote.is_some() => return Err(open::remote_of_local()),
        Location::Path(path) => arriving(keep, move |sink| {
            Box::pin(async move { feed::pass_on(feed::chunks_of_reader(feed::open(&path).await?), sink).await })
        })?,
        location => {
            let remote = remote.unwrap_or_default();
            if !matches!(remote.mode, RemoteMode::Whole | RemoteMode::Stream) || remote.max_bytes.is_some() {
                let message = "a stream has no ranges and no max_bytes=: leave mode= (ranged=) and max_bytes= out";
                return Err(Error::argument(message));
            }
            open::transfer(location, remote, keep)?
        }
    };
    Ok((shown, arrival))
}

/// The next HDU of a stream.
async fn step(shared: &Arc<Shared>) -> Result<Option<StreamHdu>> {
    let place = *shared.place();
    if place.ended {
        return Ok(None);
    }
    let arrival = &shared.arrival;
    if place.index == 0 {
        open::check_arrival(arrival).await?;
    }
    arrival.pin(0..0);
    arrival.release(place.start);
    let view = Awaited::new(Arc::clone(arrival));
    let found = locate_remote(&view, |source| {
        let id = HduId::of_stream(place.index);
        hdu_at(&shared.name, shared.lenient, (place.index, id), place.start, source)
    });
    let found = match found.await? {
        Ok(Some(found)) => found,
        nothing => {
            shared.place().ended = true;
            let (start, len) = (place.start, arrival.len());
            if len < place.data_end {
                let before = place.index.saturating_sub(1);
                return Err(past_the_end(len, usize::try_from(place.data_end - len).unwrap_or(usize::MAX), len))
                    .in_hdu(before);
            }
            tracing::debug!(start, "the stream has no further HDU");
            return nothing.map(|_| None);
        }
    };
    let layout = &found.layout;
    let next = Place {
        index: place.index + 1,
        start: layout.end(),
        data_end: layout.data_start.saturating_add(layout.data_len),
        ended: false,
    };
    arrival.release(layout.data_start);
    *shared.place() = next;
    Ok(Some(StreamHdu::new(Arc::clone(shared), found)))
}

impl Stream for FitsStream {
    type Item = Result<StreamHdu>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut step = self.step.take().unwrap_or_else(|| self.step());
        match Pin::new(&mut step).poll(context) {
            Poll::Pending => {
                self.step = Some(step);
                Poll::Pending
            }
            Poll::Ready(found) => Poll::Ready(found.transpose()),
        }
    }
}

impl std::fmt::Debug for FitsStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FitsStream({})", self.name())
    }
}

/// The error of an HDU that was asked for data which it does not have in that form.
fn not_of_kind(hdu: &StreamHdu, wanted: &str) -> Error {
    let message = format!("HDU {} of the stream is not {wanted}", hdu.info().index());
    Error::new(ErrorKind::Argument, message).in_file(&hdu.shared().name)
}
