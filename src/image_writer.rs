//! Writing into images that are there: pixels of a section, or from a position on.

use std::sync::Arc;

use ndarray::{ArrayBase, CowArray, Data, Dimension};

use crate::edit::{Meaning, PixelPlace, Pixels, extend_image, truncate_image, write_pixels};
use crate::engine::Op;
use crate::format::{DataType, Element};
use crate::reader::ImageSelector;
use crate::tiled_editor::TileChange;

/// Values that pixels get: an array, as the bytes of its elements.
pub struct PixelValues {
    data_type: DataType,
    shape: Vec<usize>,
    values: Values,
    mask: Option<Vec<u8>>,
    meaning: Meaning,
}

/// The bytes of the elements.
enum Values {
    Given(Box<dyn AsRef<[u8]> + Send>),
    Own(Vec<u8>),
}

impl Values {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Given(values) => (**values).as_ref(),
            Self::Own(values) => values,
        }
    }
}

impl PixelValues {
    /// Elements in native byte order, slowest axis first.
    pub fn from_bytes(data_type: DataType, shape: Vec<usize>, values: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self { data_type, shape, values: Values::Given(Box::new(values)), mask: None, meaning: Meaning::ByType }
    }

    /// The elements of an array of any memory order.
    pub fn from_array<T: Element, S: Data<Elem = T>, D: Dimension>(data: &ArrayBase<S, D>) -> Self {
        let values: CowArray<'_, T, D> = data.as_standard_layout();
        let bytes = values.as_slice().map(|elements| bytemuck::cast_slice(elements).to_vec()).unwrap_or_default();
        Self::from_bytes(T::DATA_TYPE, data.shape().to_vec(), bytes)
    }

    /// With a byte for each element that is not 0 where there is no value: BLANK is written there, NaN into an image of floats.
    #[must_use]
    pub fn masked(mut self, mask: Vec<u8>) -> Self {
        self.mask = Some(mask);
        self
    }

    /// The numbers are values of pixels, to which BSCALE and BZERO apply, even if they are of the type in which the image stores them.
    #[must_use]
    pub fn scaled(mut self) -> Self {
        self.meaning = Meaning::Values;
        self
    }

    /// The same with memory of its own, so that what was given may change.
    #[must_use]
    pub fn into_owned(self) -> Self {
        let values = match self.values {
            Values::Given(values) => (*values).as_ref().to_vec(),
            Values::Own(values) => values,
        };
        Self { values: Values::Own(values), ..self }
    }

    /// How many bytes the elements and the mask take.
    pub fn byte_len(&self) -> usize {
        self.values.bytes().len() + self.mask.as_ref().map_or(0, Vec::len)
    }

    /// Adds the rows of another array behind those of this one, which then owns its memory, for an image with so many axes: either has all
    /// of them, or all but the slowest for a single row.
    ///
    /// # Errors
    ///
    /// The other array, as it was given, where it is of another type or its rows of another shape, or where either has a mask.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use rustfits::PixelValues;
    ///
    /// let mut rows = PixelValues::from_array(&array![[1i16, 2], [3, 4]]);
    /// assert!(rows.join(PixelValues::from_array(&array![5i16, 6]), 2).is_ok());
    /// assert_eq!(rows.byte_len(), 12);
    /// assert!(rows.join(PixelValues::from_array(&array![5i16, 6, 7]), 2).is_err());
    /// ```
    pub fn join(&mut self, other: Self, axes: usize) -> Result<(), Self> {
        let (Some((count, row)), Some((more, other_row))) = (rows_of(&self.shape, axes), rows_of(&other.shape, axes))
        else {
            return Err(other);
        };
        let alike = self.data_type == other.data_type && self.meaning == other.meaning && row == other_row;
        let filled = |values: &Self| values.lend().check_lengths().is_ok();
        if !alike || self.mask.is_some() || other.mask.is_some() || !filled(self) || !filled(&other) {
            return Err(other);
        }
        let Some(count) = count.checked_add(more) else { return Err(other) };
        let shape: Vec<usize> = std::iter::once(count).chain(row.iter().copied()).collect();
        if let Values::Given(values) = &self.values {
            self.values = Values::Own((**values).as_ref().to_vec());
        }
        if let Values::Own(values) = &mut self.values {
            values.extend_from_slice(other.values.bytes());
        }
        self.shape = shape;
        Ok(())
    }

    pub(crate) fn lend(&self) -> Pixels<'_> {
        Pixels {
            data_type: self.data_type,
            shape: &self.shape,
            values: self.values.bytes(),
            mask: self.mask.as_deref(),
            meaning: self.meaning,
        }
    }
}

/// How many rows an array is to an image with so many axes, and the shape of each.
fn rows_of(shape: &[usize], axes: usize) -> Option<(usize, &[usize])> {
    match shape.split_first() {
        Some((&count, row)) if shape.len() == axes => Some((count, row)),
        _ if shape.len() + 1 == axes => Some((1, shape)),
        _ => None,
    }
}

impl std::fmt::Debug for PixelValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PixelValues({} {:?})", self.data_type.code(), self.shape)
    }
}

impl ImageSelector {
    /// Writes the image or the section. An array with fewer axes, or with axes of length 1, is spread as numpy does it.
    ///
    /// The elements may be of any type whose values fit: they are checked before anything is written. An array of the type in which the image stores its
    /// pixels is taken for stored numbers, as is every array with [`ImageSelector::unscaled`]; any other is scaled back with BSCALE and BZERO and
    /// rounded. NaN becomes BLANK in an image of integers that has one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the shapes don't go together or a value does not fit, [`ErrorKind::ReadOnly`](crate::ErrorKind::ReadOnly) where the file was
    /// opened to be read only.
    pub fn write<T: Element, S: Data<Elem = T>, D: Dimension>(&self, data: &ArrayBase<S, D>) -> Op<()> {
        self.write_values(PixelValues::from_array(data))
    }

    /// As [`ImageSelector::write`].
    pub fn write_values(&self, values: PixelValues) -> Op<()> {
        self.put(PixelPlace::Section(self.request.section.clone()), values)
    }

    /// Writes values from a position on, slowest axis first: as many along each axis as there are.
    ///
    /// # Errors
    ///
    /// As [`ImageSelector::write`]; also where they reach beyond the image.
    pub fn write_from(&self, start: Vec<u64>, values: PixelValues) -> Op<()> {
        self.put(PixelPlace::From(start), values)
    }

    /// Writes values one after the other in the order of the file, from the pixel with this number on.
    ///
    /// # Errors
    ///
    /// As [`ImageSelector::write_from`].
    pub fn write_flat(&self, start: u64, values: PixelValues) -> Op<()> {
        self.put(PixelPlace::Flat(start), values)
    }

    /// Makes the image longer along its slowest axis by the rows of an array, which has all axes of the image, or all but the slowest for a
    /// single row. The types of elements are those of [`ImageSelector::write`].
    ///
    /// Behind the last HDU of a file the rows are added where they are; else what follows moves, as when a header outgrows its blocks.
    ///
    /// # Errors
    ///
    /// As [`ImageSelector::write`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use rustfits::{FitsWriter, ImageOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.write_image(&array![[1i16, 2], [3, 4]], ImageOptions::default()).wait()?;
    /// let image = fits.reader().image(0);
    /// image.extend(&array![5i16, 6]).wait()?;
    /// assert_eq!(image.read::<i16>().wait()?, array![[1i16, 2], [3, 4], [5, 6]].into_dyn());
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn extend<T: Element, S: Data<Elem = T>, D: Dimension>(&self, data: &ArrayBase<S, D>) -> Op<()> {
        self.extend_values(vec![PixelValues::from_array(data)])
    }

    /// As [`ImageSelector::extend`] for several arrays, one behind the other, in one change.
    ///
    /// # Errors
    ///
    /// As [`ImageSelector::extend`].
    pub fn extend_values(&self, rows: Vec<PixelValues>) -> Op<()> {
        let writer = match self.reader.changer() {
            Ok(writer) => Arc::clone(writer),
            Err(error) => return Op::failed(error),
        };
        let key = self.key.clone();
        Op::edit_watched(move |watch| {
            if let Some(id) = writer.tiled(&key)? {
                return writer.change_tiles(&id.into(), &TileChange::Rows(rows), watch);
            }
            let plain = writer.replace_hdu(key, move |old, _, carry_out| {
                let rows = rows.iter().map(PixelValues::lend).collect();
                extend_image(old, rows)?.map_or(Ok(()), carry_out)
            });
            plain.wait()
        })
    }

    /// Leaves the image only so many rows along its slowest axis, the first ones: what [`ImageSelector::extend`] added goes. Where nothing follows the
    /// image the file becomes shorter where it is; else what follows moves.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Index`](crate::ErrorKind::Index) where it has fewer, [`ErrorKind::Argument`](crate::ErrorKind::Argument) where it is compressed or has no axes,
    /// [`ErrorKind::ReadOnly`](crate::ErrorKind::ReadOnly) where the file was opened to be read only.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use rustfits::{FitsWriter, ImageOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.write_image(&array![[1i16, 2], [3, 4]], ImageOptions::default()).wait()?;
    /// let image = fits.reader().image(0);
    /// image.truncate(1).wait()?;
    /// assert_eq!(image.read::<i16>().wait()?, array![[1i16, 2]].into_dyn());
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn truncate(&self, rows: u64) -> Op<()> {
        match self.reader.changer() {
            Ok(writer) => writer.replace_hdu(self.key.clone(), move |old, _, carry_out| {
                truncate_image(old, rows)?.map_or(Ok(()), carry_out)
            }),
            Err(error) => Op::failed(error),
        }
    }

    /// Rewrites the compressed tiles of an image without what changes have left between them: a tile that gets other pixels is put behind the others,
    /// and its old bytes stay where they are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument) where the image is not compressed, [`ErrorKind::ReadOnly`](crate::ErrorKind::ReadOnly) where the file was opened to be read only.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::{Array2, arr0, s};
    /// use rustfits::{FitsWriter, ImageOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// let options = ImageOptions { compress: Some("RICE_1".parse()?), ..ImageOptions::default() };
    /// let data = Array2::from_shape_fn((100, 1000), |(y, x)| (y * x % 1000) as i32);
    /// let index = fits.write_image(&data, options).wait()?;
    /// for _ in 0..5 {
    ///     fits.write_section(index, s![.., 7], &arr0(7i32)).wait()?;
    /// }
    /// let before = fits.to_bytes().wait()?.len();
    /// fits.reader().image(index).repack().wait()?;
    /// assert!(fits.to_bytes().wait()?.len() < before);
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn repack(&self) -> Op<()> {
        match self.reader.changer() {
            Ok(writer) => writer.repack_tiles(self.key.clone()),
            Err(error) => Op::failed(error),
        }
    }

    fn put(&self, place: PixelPlace, mut values: PixelValues) -> Op<()> {
        let writer = match self.reader.changer() {
            Ok(writer) => Arc::clone(writer),
            Err(error) => return Op::failed(error),
        };
        if self.request.unscaled {
            values.meaning = Meaning::Stored;
        }
        let key = self.key.clone();
        Op::edit_watched(move |watch| {
            if let Some(id) = writer.tiled(&key)? {
                return writer.change_tiles(&id.into(), &TileChange::Pixels(place, values), watch);
            }
            let plain = writer.change_data(key, move |hdu, source, carry_out| {
                carry_out(write_pixels(hdu, &place, values.lend(), source.len())?)
            });
            plain.wait()
        })
    }
}
