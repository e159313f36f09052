//! What the documentation promises of the types, as far as the compiler can check it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use ndarray::ArrayD;
use rustfits::{
    AxisSection, ColumnData, ColumnKey, Columns, DataType, Error, ErrorKind, Fetch, FetchEvent, FetchOptions,
    FetchOutcome, Fetcher, Field, FitsReader, FitsWriter, HduInfo, HduKey, HduKind, Header, ImageData, ImageOptions,
    ImageSelector, Op, OpenOptions, Records, Remote, RemoteMode, Result, Rows, Section, TableSelector, Timeout, Value,
    blocking,
};

fn send<T: Send + 'static>() {}
fn send_and_sync<T: Send + Sync + 'static>() {}
fn clone<T: Clone>() {}
fn debug<T: Debug>() {}
fn unpin<T: Unpin>() {}
fn future<T: Future + Send + Unpin + 'static>(_: &T) {}

macro_rules! all {
    ($check:ident: $($type:ty),* $(,)?) => {{ $($check::<$type>();)* }};
}

#[test]
fn handles_and_data_go_anywhere() {
    all!(send_and_sync:
        FitsReader, FitsWriter, ImageSelector, TableSelector, HduInfo, HduKey, HduKind, Header, Value, Arc<Header>,
        ImageData, ImageOptions, Columns, ColumnData, ColumnKey, Field, Records, Rows, Section, AxisSection,
        OpenOptions, Remote, RemoteMode, Timeout, DataType, Error, ErrorKind, FetchOutcome, Fetcher, FetchOptions, FetchEvent,
        blocking::FitsReader, blocking::ImageSelector, blocking::TableSelector,
        Result<ArrayD<f32>>, Box<dyn std::error::Error + Send + Sync>,
    );
}

#[test]
fn what_is_given_goes_anywhere_too() {
    use rustfits::{
        Algorithm, Auth, BlockCache, ClientCertificate, ColumnOptions, ColumnPlace, ColumnValues, Compression,
        Download, DownloadOptions, DownloadQueue, Downloaded, FetchControl, FetchQueue, FetchStatistics, HduId,
        ImageBands, LatencyStatistics, LiveHeader, PixelValues, Quantize, RowChunks, StreamHdu, StreamOptions,
        TableCompression, TableOptions, VariableColumn, WriteOptions,
    };
    all!(send_and_sync:
        Algorithm, Auth, BlockCache, ClientCertificate, ColumnOptions, ColumnPlace, ColumnValues, Compression, Download, DownloadOptions,
        Downloaded, FetchControl, FetchStatistics, HduId, LatencyStatistics, LiveHeader, Quantize, RowChunks, StreamHdu,
        StreamOptions, TableCompression, TableOptions, VariableColumn, WriteOptions,
    );
    all!(send: PixelValues, FetchQueue, DownloadQueue, ImageBands);
    all!(debug:
        Algorithm, Auth, BlockCache, ClientCertificate, ColumnOptions, ColumnPlace, Compression, Download, DownloadOptions, Downloaded,
        FetchStatistics, HduId, LatencyStatistics, Quantize, RowChunks, StreamOptions, TableCompression, TableOptions, VariableColumn,
        WriteOptions, ImageSelector, TableSelector, FetchOptions, FetchOutcome, Columns, Records, Section, Rows,
    );
}

#[test]
fn an_error_of_the_operating_system_is_the_source() {
    use std::error::Error as _;

    let error = FitsReader::open("/no/such/file.fits").wait().unwrap_err();
    let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).unwrap();
    assert!(source.raw_os_error().is_some());
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
    assert!(error.clone().in_file("other").source().is_some());
    assert!(Error::new(ErrorKind::Argument, "wrong").source().is_none());
}

#[test]
fn operations_and_streams_go_to_other_threads() {
    all!(send: Op<FitsReader>, Op<ArrayD<f64>>, Op<ImageData>, Op<Columns>, Op<()>, Fetch<std::vec::IntoIter<String>>);
    // Held in a pinned struct, an `Op` needs no projection.
    all!(unpin: Op<FitsReader>, Op<std::marker::PhantomPinned>, Fetch<std::vec::IntoIter<String>>);
}

#[test]
fn handles_are_cheap_to_clone_and_everything_can_be_shown() {
    all!(clone:
        FitsReader, FitsWriter, ImageSelector, TableSelector, HduInfo, HduKey, Error, OpenOptions, Remote, Timeout, Section, Rows,
        Fetcher, FetchOptions, blocking::FitsReader,
    );
    all!(debug: FitsReader, FitsWriter, HduInfo, Header, ImageData, Op<FitsReader>, Error, OpenOptions, blocking::FitsReader);
    assert!(size_of::<FitsReader>() <= 2 * size_of::<usize>());
    assert!(size_of::<Error>() <= size_of::<usize>());
}

#[test]
fn every_method_that_does_io_gives_an_operation_that_can_be_spawned() {
    let fits = FitsReader::from_bytes(Vec::new());
    future(&fits);
    let writer = FitsWriter::create("mem://").wait().unwrap();
    let reader = writer.reader();
    future(&FitsReader::open("a.fits"));
    future(&reader.count());
    future(&reader.hdu(0));
    future(&reader.contains("SCI"));
    future(&reader.header(0));
    future(&reader.to_bytes());
    future(&reader.image(0).read::<f32>());
    future(&reader.image(0).read_dyn());
    future(&reader.image(0).read_masked());
    future(&reader.table(1).read());
    future(&writer.sync());
    future(&writer.close());
    // A write owns what it writes: the array can go.
    let write = {
        let image = ndarray::array![[1u8, 2]];
        writer.write_image(&image, ImageOptions::default())
    };
    future(&write);
    assert_eq!(write.wait().unwrap(), 0);
    assert_eq!(reader.image(0).read::<u8>().wait().unwrap(), ndarray::array![[1u8, 2]].into_dyn());
}
