//! Readers of all kinds as chunks of bytes, and chunks into a file that arrives.

use std::io::{self, Read};
use std::path::Path;
use std::pin::{Pin, pin};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::spawn_blocking;

use crate::error::{Error, Result};
use crate::io::{ArrivalSink, Sink};

/// How much is asked of a reader at a time.
const READ_BYTES: usize = 256 << 10;

/// Opens a file or a named pipe. For whoever is to write to the pipe no thread waits.
pub(super) async fn open(path: &Path) -> io::Result<Pin<Box<dyn AsyncRead + Send>>> {
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_fifo(&tokio::fs::metadata(path).await?.file_type()) {
        return Ok(Box::pin(tokio::net::unix::pipe::OpenOptions::new().open_receiver(path)?));
    }
    Ok(Box::pin(tokio::fs::File::open(path).await?))
}

/// What an asynchronous reader gives.
pub(super) fn chunks_of_reader(
    reader: impl AsyncRead + Send + Unpin + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    unfold(Some((reader, BytesMut::new())), |reading| async {
        let (mut reader, mut buffer) = reading?;
        buffer.reserve(READ_BYTES);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(buffer.split().freeze()), Some((reader, buffer)))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

/// What a blocking reader gives, on threads that may block.
pub(super) fn chunks_of_read(reader: impl Read + Send + 'static) -> impl Stream<Item = io::Result<Bytes>> + Send {
    unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        let read = spawn_blocking(move || {
            let mut buffer = vec![0; READ_BYTES];
            let read = loop {
                match reader.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read,
                }
            };
            (reader, buffer, read)
        });
        match read.await {
            Ok((_, _, Ok(0))) => None,
            Ok((reader, mut buffer, Ok(read))) => {
                buffer.truncate(read);
                Some((Ok(buffer.into()), Some(reader)))
            }
            Ok((_, _, Err(error))) => Some((Err(error), None)),
            Err(_) => Some((Err(io::Error::other("the reader panicked")), None)),
        }
    })
}

/// Passes chunks on until they end, and waits wherever the reader of the file is behind.
pub(super) async fn pass_on(
    chunks: impl Stream<Item = io::Result<Bytes>> + Send,
    sink: &mut ArrivalSink,
) -> Result<()> {
    let mut chunks = pin!(chunks);
    while let Some(chunk) = chunks.next().await {
        sink.chunk(chunk.map_err(Error::from)?).await?;
    }
    Ok(())
}
