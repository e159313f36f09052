//! What the fuzz targets share: files around hostile bytes, and a read of everything that a file holds.

use ndarray::Array2;
use rustfits::{Compression, Element, FitsReader, FitsWriter, HduKind, ImageOptions, OpenOptions, Quantize};

/// FITS files consist of blocks of this size (§3.1).
const BLOCK: usize = 2880;
const CARD: usize = 80;
/// The most HDUs that one input is asked for.
const MOST_HDUS: usize = 64;

/// Opens the bytes and reads all that is in them, strictly and leniently; errors are fine.
pub fn read_everything(bytes: &[u8]) {
    for lenient in [false, true] {
        let options = OpenOptions { lenient, ..OpenOptions::default() };
        if let Ok(fits) = FitsReader::from_bytes_with(bytes.to_vec(), options).wait() {
            read_hdus(&fits);
        }
    }
}

fn read_hdus(fits: &FitsReader) {
    let Ok(count) = fits.count().wait() else { return };
    for index in 0..count.min(MOST_HDUS) {
        let Ok(hdu) = fits.hdu(index).wait() else { continue };
        for key in hdu.header().keywords() {
            let _ = hdu.header().value(&key);
            let _ = hdu.header().comment(&key);
        }
        let _ = (hdu.name(), hdu.version(), hdu.has_data(), hdu.unit(), hdu.tile_shape(), hdu.units());
        let _ = (fits.verify_datasum(index).wait(), fits.verify_checksum(index).wait());
        match hdu.kind() {
            HduKind::AsciiTable | HduKind::BinaryTable | HduKind::CompressedTable if hdu.compression().is_err() => {
                let _ = (hdu.fields(), hdu.formats(), hdu.tiles(), hdu.column_compression());
                let _ = fits.table(index).read().wait();
                let _ = fits.table(index).masked().read_records().wait();
                let _ = fits.table(index).unscaled().text_as_bytes().read_records().wait();
                let _ = fits.table(index).rows(vec![0, -1, 1]).read_records().wait();
            }
            _ => {
                let _ = hdu.shape();
                let _ = fits.image(index).read_dyn().wait();
                let _ = fits.image(index).unscaled().read_dyn().wait();
            }
        }
    }
}

/// A header of these cards, END behind them, filled up to whole blocks.
pub fn header<C: AsRef<[u8]>>(cards: impl IntoIterator<Item = C>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for card in cards {
        let card = card.as_ref();
        let start = bytes.len();
        bytes.extend_from_slice(&card[..card.len().min(CARD)]);
        bytes.resize(start + CARD, b' ');
    }
    bytes.extend_from_slice(b"END");
    bytes.resize(bytes.len().next_multiple_of(BLOCK), b' ');
    bytes
}

/// An empty primary HDU and one behind it.
pub fn file_of(cards: &[String], data: &[u8]) -> Vec<u8> {
    let mut file = header(["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"]);
    file.extend(header(cards));
    file.extend_from_slice(data);
    file.resize(file.len().next_multiple_of(BLOCK), 0);
    file
}

/// Takes numbers off the front of an input.
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    /// A byte; 0 behind the end.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, these: &[T]) -> T {
        these[usize::from(self.byte()) % these.len()]
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// One compressed tile: what its header says, and its bytes.
pub struct Tile<'a> {
    /// ZCMPTYPE.
    pub codec: &'a str,
    /// ZBITPIX.
    pub bitpix: i64,
    /// Rows and columns.
    pub shape: (usize, usize),
    /// ZNAMEn and ZVALn.
    pub parameters: &'a [(&'a str, i64)],
    /// More cards.
    pub cards: &'a [String],
    pub bytes: &'a [u8],
}

impl Tile<'_> {
    /// Reads everything in a file of this tile.
    pub fn read(&self) {
        let (rows, columns) = self.shape;
        let mut cards = vec![
            "XTENSION= 'BINTABLE'".to_owned(),
            "BITPIX  = 8".into(),
            "NAXIS   = 2".into(),
            "NAXIS1  = 8".into(),
            "NAXIS2  = 1".into(),
            format!("PCOUNT  = {}", self.bytes.len()),
            "GCOUNT  = 1".into(),
            "TFIELDS = 1".into(),
            "TTYPE1  = 'COMPRESSED_DATA'".into(),
            "TFORM1  = '1PB'".into(),
            "ZIMAGE  = T".into(),
            "ZNAXIS  = 2".into(),
            format!("ZNAXIS1 = {columns}"),
            format!("ZNAXIS2 = {rows}"),
            format!("ZTILE1  = {columns}"),
            format!("ZTILE2  = {rows}"),
            format!("ZBITPIX = {}", self.bitpix),
            format!("ZCMPTYPE= '{}'", self.codec),
        ];
        for (number, (name, value)) in self.parameters.iter().enumerate() {
            cards.push(format!("{:<8}= '{name}'", format!("ZNAME{}", number + 1)));
            cards.push(format!("{:<8}= {value}", format!("ZVAL{}", number + 1)));
        }
        cards.extend_from_slice(self.cards);
        let mut data = (self.bytes.len() as u32).to_be_bytes().to_vec();
        data.extend([0; 4]);
        data.extend_from_slice(self.bytes);
        read_everything(&file_of(&cards, &data));
    }
}

/// Numbers of the bytes of an input, in rows of `columns`; the last row is cut off.
pub fn numbers<T: Element>(bytes: &[u8], columns: usize) -> Array2<T> {
    let rows = bytes.len() / size_of::<T>() / columns;
    let mut numbers = Array2::<T>::default((rows, columns));
    let places = numbers.as_slice_mut().map(bytemuck::cast_slice_mut::<T, u8>).unwrap_or_default();
    places.copy_from_slice(&bytes[..places.len()]);
    numbers
}

/// Writes an image and reads it; `None` where it can't be written so.
pub fn round_trip<T: Element + rustfits::Pixel>(
    image: &Array2<T>,
    compress: Compression,
    quantize: Option<Quantize>,
) -> Option<Array2<T>> {
    let fits = FitsWriter::create("mem://").wait().unwrap();
    let options = ImageOptions { compress: Some(compress), quantize, ..ImageOptions::default() };
    let index = fits.write_image(image, options).wait().ok()?;
    let back = fits.reader().image(index as i64).read::<T>().wait().unwrap();
    Some(back.into_dimensionality().unwrap())
}

/// Lossless compression gives back what it got.
pub fn check_lossless(compression: &Compression, choices: &mut Choices<'_>) {
    let columns = 1 + usize::from(choices.byte());
    match choices.byte() % 4 {
        0 => check_same(&numbers::<u8>(choices.rest(), columns), compression),
        1 => check_same(&numbers::<i16>(choices.rest(), columns), compression),
        2 => check_same(&numbers::<u16>(choices.rest(), columns), compression),
        _ => check_same(&numbers::<i32>(choices.rest(), columns), compression),
    }
}

fn check_same<T: Element + rustfits::Pixel + PartialEq + std::fmt::Debug>(image: &Array2<T>, compress: &Compression) {
    if let Some(back) = round_trip(image, compress.clone(), None) {
        assert!(back == *image, "other pixels come back");
    }
}
