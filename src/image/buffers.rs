//! The buffers that a read of an image fills: the values, and a mask of the blank pixels where one is wanted.

use crate::error::{Error, Result};
use crate::format::DataType;
use crate::source::{BufferSize, take};

/// Which buffers a read of an image has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageBuffers {
    /// The type of the values.
    pub(crate) values: DataType,
    /// Whether there is a mask, of one byte for each pixel.
    pub(crate) mask: bool,
}

impl ImageBuffers {
    /// What the buffers of a result of so many pixels take.
    pub(crate) fn sizes(self, elements: u64) -> Vec<BufferSize> {
        let elements = usize::try_from(elements).unwrap_or(usize::MAX);
        let sizes = [self.values, DataType::U8].map(|data_type| BufferSize { data_type, elements });
        sizes.into_iter().take(self.count()).collect()
    }

    /// How many bytes so many pixels take in each buffer.
    pub(crate) fn byte_sizes(self, elements: usize) -> Vec<usize> {
        let sizes = self.element_sizes().map(|size| elements.saturating_mul(size));
        sizes.into_iter().take(self.count()).collect()
    }

    /// How many bytes a pixel takes in each buffer.
    pub(crate) fn element_sizes(self) -> [usize; 2] {
        [self.values.size(), 1]
    }

    fn count(self) -> usize {
        1 + usize::from(self.mask)
    }
}

/// What of the buffers is not filled yet: they are filled front to back.
pub(crate) struct Unfilled<'a> {
    values: &'a mut [u8],
    mask: Option<&'a mut [u8]>,
    value_size: usize,
}

impl<'a> Unfilled<'a> {
    /// All of the buffers.
    pub(crate) fn new(buffers: ImageBuffers, outputs: &'a mut [&mut [u8]]) -> Result<Self> {
        let mut outputs = outputs.iter_mut().map(|output| &mut **output);
        let (Some(values), mask) = (outputs.next(), outputs.next()) else {
            return Err(Error::argument("a read needs a buffer"));
        };
        Ok(Self { values, mask, value_size: buffers.values.size() })
    }

    pub(crate) fn has_mask(&self) -> bool {
        self.mask.is_some()
    }

    /// Cuts the places of the next pixels off: of their values, and of their flags in the mask.
    pub(crate) fn take(&mut self, elements: usize) -> Result<(&'a mut [u8], Option<&'a mut [u8]>)> {
        let values = take(&mut self.values, elements.saturating_mul(self.value_size))?;
        let mask = self.mask.as_mut().map(|mask| take(mask, elements)).transpose()?;
        Ok((values, mask))
    }
}
