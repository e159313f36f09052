//! Reading an image or a section of one: runs of elements that lie together in the file and in the result.

use std::ops::Range;

use super::section::{Axis, Section, Selection};
use crate::directory::HduEntry;
use crate::error::{Error, Result};
use crate::format::{DataType, HduKind, Header, Scaling};
use crate::source::{BufferSize, ReadAt, ReadPlan, past_the_end};

/// How many bytes of the result one part makes. Small enough to spread over threads, large enough that a part's own cost is nothing.
const PART_OUTPUT: u64 = 1 << 20;
/// How much is read before it is converted: it is still in the processor's cache then.
const CHUNK_BYTES: usize = 128 << 10;

/// What is asked of an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageRequest {
    pub(crate) section: Option<Section>,
    /// Stored values, without BSCALE and BZERO.
    pub(crate) unscaled: bool,
    /// Also a mask of the blank pixels.
    pub(crate) mask: bool,
}

/// The shape and type of an image, without its data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ImageShape {
    /// The lengths of the axes, slowest first.
    pub(crate) shape: Vec<u64>,
    pub(crate) scaling: Scaling,
}

impl ImageShape {
    /// Of an uncompressed image HDU; `unscaled`: of its stored values, whatever BSCALE and BZERO are.
    pub(crate) fn new(hdu: &HduEntry, unscaled: bool) -> Result<Self> {
        match hdu.layout.kind {
            HduKind::Image | HduKind::RandomGroups | HduKind::Other => {}
            _ => return Err(hdu.expected("an image")),
        }
        let scaling = image_scaling(&hdu.header, hdu.layout.stored, "BLANK", unscaled);
        Ok(Self { shape: hdu.layout.axes.iter().rev().copied().collect(), scaling: scaling? })
    }
}

/// The scaling of an image's pixels, from BSCALE, BZERO and the blank keyword (§4.4.2.5); `unscaled`: none, and the first two
/// are not looked at, so that stored values are read where those make no sense.
pub(crate) fn image_scaling(header: &Header, stored: DataType, blank: &str, unscaled: bool) -> Result<Scaling> {
    let number = |keyword| if unscaled { Ok(None) } else { header.real(keyword) };
    let scale = number("BSCALE")?.unwrap_or(1.0);
    let zero = number("BZERO")?.unwrap_or(0.0);
    // A blank that is no integer can't match any pixel.
    let blank = header.integer(blank).ok().flatten();
    Ok(Scaling::new(stored, scale, zero, blank))
}

/// A read of an image, ready to run.
#[derive(Debug)]
pub(crate) struct ImagePlan {
    /// The shape of the result, slowest axis first.
    pub(crate) shape: Vec<usize>,
    pub(crate) scaling: Scaling,
    mask: bool,
    data_start: u64,
    /// The axes that are stepped through, slowest first, with the distance in elements between neighbours.
    outer: Vec<(Axis, u64)>,
    inner: Inner,
    elements: u64,
}

/// The innermost part of the section: what one step of the outer axes yields.
#[derive(Debug)]
enum Inner {
    /// Elements that follow each other in the file.
    Run { start: u64, count: u64 },
    /// Single elements of the fastest axis.
    Gather(Axis),
}

impl Inner {
    fn count(&self) -> u64 {
        match self {
            Self::Run { count, .. } => *count,
            Self::Gather(axis) => axis.count(),
        }
    }
}

impl ImagePlan {
    /// Plans a read of the HDU; an error if the file ends before the section does.
    pub(crate) fn locate(hdu: &HduEntry, request: &ImageRequest, source: &dyn ReadAt) -> Result<Self> {
        let image = ImageShape::new(hdu, request.unscaled)?;
        let scaling = image.scaling;
        let shape = if image.shape.is_empty() { vec![0] } else { image.shape };
        let selection = Selection::new(request.section.as_ref(), &shape)?;
        let elements = selection.elements()?;
        let (outer, inner) = split(&selection, &shape);
        let plan = Self {
            shape: selection.shape,
            scaling,
            mask: request.mask,
            data_start: hdu.layout.data_start,
            outer,
            inner,
            elements,
        };
        plan.check_complete(&selection.axes, &shape, source.len())?;
        Ok(plan)
    }

    fn check_complete(&self, axes: &[Axis], shape: &[u64], file_len: u64) -> Result<()> {
        if self.elements == 0 {
            return Ok(());
        }
        let mut last = 0u64;
        let mut stride = 1u64;
        for (axis, &length) in axes.iter().zip(shape).rev() {
            let highest = axis.bounds().map_or(0, |(_, highest)| highest);
            last = last.saturating_add(highest.saturating_mul(stride));
            stride = stride.saturating_mul(length);
        }
        let size = self.scaling.stored.size();
        let offset = self.data_start.saturating_add(last.saturating_mul(size as u64));
        if offset.saturating_add(size as u64) > file_len { Err(past_the_end(offset, size, file_len)) } else { Ok(()) }
    }

    fn value_size(&self) -> u64 {
        self.scaling.data_type().size() as u64
    }

    fn elements_in_part(&self) -> u64 {
        (PART_OUTPUT / self.value_size()).max(1)
    }

    /// The elements of the result that part `index` makes.
    fn span(&self, index: usize) -> Range<u64> {
        let start = index as u64 * self.elements_in_part();
        start..(start + self.elements_in_part()).min(self.elements)
    }

    /// Calls `visit` with each piece of a span that one step of the outer axes yields: the first element's number in the file of
    /// that step, and the range within the inner part.
    fn pieces(&self, span: Range<u64>, mut visit: impl FnMut(u64, Range<u64>) -> Result<()>) -> Result<()> {
        let inner = self.inner.count().max(1);
        let mut at = span.start;
        while at < span.end {
            let step = at / inner;
            let from = at % inner;
            let to = inner.min(from + (span.end - at));
            visit(self.outer_offset(step), from..to)?;
            at += to - from;
        }
        Ok(())
    }

    /// The element offset in the file of step number `step` of the outer axes.
    fn outer_offset(&self, mut step: u64) -> u64 {
        let mut offset = 0;
        for (axis, stride) in self.outer.iter().rev() {
            let count = axis.count().max(1);
            offset += axis.position(step % count) * stride;
            step /= count;
        }
        offset
    }

    /// The byte range in the file of a piece.
    fn bytes_of(&self, outer: u64, piece: &Range<u64>) -> Range<u64> {
        let size = self.scaling.stored.size() as u64;
        let (low, high) = match &self.inner {
            Inner::Run { start, .. } => (start + piece.start, start + piece.end),
            Inner::Gather(axis) => {
                let mut bounds = (u64::MAX, 0);
                for index in piece.clone() {
                    let position = axis.position(index);
                    bounds = (bounds.0.min(position), bounds.1.max(position + 1));
                }
                bounds
            }
        };
        self.data_start + (outer + low) * size..self.data_start + (outer + high) * size
    }
}

/// Splits a selection into axes that are stepped through and what one step yields: as much as lies together in the file.
fn split(selection: &Selection, shape: &[u64]) -> (Vec<(Axis, u64)>, Inner) {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1u64;
    for &length in shape.iter().rev() {
        strides.push(stride);
        stride = stride.saturating_mul(length);
    }
    strides.reverse();
    let mut outer: Vec<_> = selection.axes.iter().cloned().zip(strides).collect();
    let mut run = (0, 1);
    while let Some((axis, stride)) = outer.pop_if(|(axis, _)| axis.is_run()) {
        let count = axis.count();
        run = (run.0 + axis.position(0) * stride, count * run.1);
        let length = outer.len();
        if shape.get(length).is_none_or(|&whole| whole != count) {
            return (outer, Inner::Run { start: run.0, count: run.1 });
        }
    }
    if run.1 == 1
        && let Some((axis, 1)) = outer.last()
    {
        let axis = axis.clone();
        outer.pop();
        return (outer, Inner::Gather(axis));
    }
    (outer, Inner::Run { start: run.0, count: run.1 })
}

impl ReadPlan for ImagePlan {
    fn buffers(&self) -> Vec<BufferSize> {
        let elements = usize::try_from(self.elements).unwrap_or(usize::MAX);
        let values = BufferSize { data_type: self.scaling.data_type(), elements };
        let mask = BufferSize { data_type: DataType::U8, elements };
        if self.mask { vec![values, mask] } else { vec![values] }
    }

    fn len(&self) -> usize {
        self.elements.div_ceil(self.elements_in_part()) as usize
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        // The visitor never fails, so neither does the walk.
        let _ = self.pieces(self.span(index), |outer, piece| {
            let bytes = self.bytes_of(outer, &piece);
            match ranges.last_mut() {
                Some(last) if last.end == bytes.start => last.end = bytes.end,
                _ => ranges.push(bytes),
            }
            Ok(())
        });
        ranges
    }

    fn output_sizes(&self, index: usize) -> Vec<usize> {
        let elements = self.span(index).count();
        let values = elements * self.scaling.data_type().size();
        if self.mask { vec![values, elements] } else { vec![values] }
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let mut outputs = outputs.iter_mut();
        let (Some(values), mask) = (outputs.next(), outputs.next()) else {
            return Err(Error::argument("a read needs a buffer"));
        };
        let mut sink = Sink { scaling: self.scaling, values, mask: mask.map(|mask| &mut **mask), scratch: Vec::new() };
        self.pieces(self.span(index), |outer, piece| {
            let bytes = self.bytes_of(outer, &piece);
            match &self.inner {
                Inner::Run { .. } => sink.run(source, bytes),
                Inner::Gather(axis) => {
                    let low = (bytes.start - self.data_start) / self.scaling.stored.size() as u64 - outer;
                    sink.gather(source, bytes, piece.map(|index| axis.position(index) - low))
                }
            }
        })
    }
}

/// The rest of a part's output, filled front to back.
struct Sink<'a> {
    scaling: Scaling,
    values: &'a mut [u8],
    mask: Option<&'a mut [u8]>,
    scratch: Vec<u8>,
}

impl Sink<'_> {
    /// Reads and converts elements that follow each other.
    fn run(&mut self, source: &dyn ReadAt, bytes: Range<u64>) -> Result<()> {
        let mut at = bytes.start;
        while at < bytes.end {
            let len = (bytes.end - at).min(CHUNK_BYTES as u64) as usize;
            self.chunk(source, at, len)?;
            at += len as u64;
        }
        Ok(())
    }

    fn chunk(&mut self, source: &dyn ReadAt, at: u64, len: usize) -> Result<()> {
        if let Some(bytes) = source.bytes() {
            return self.convert(crate::source::slice(bytes, at, len)?);
        }
        if self.scaling.in_place() && self.mask.is_none() {
            let scaling = self.scaling;
            let values = self.take(len)?;
            source.read_at(at, values)?;
            scaling.decode_in_place(values);
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(len, 0);
        source.read_at(at, &mut scratch)?;
        let result = self.convert(&scratch);
        self.scratch = scratch;
        result
    }

    /// Reads a range and converts single elements of it.
    fn gather(&mut self, source: &dyn ReadAt, bytes: Range<u64>, positions: impl Iterator<Item = u64>) -> Result<()> {
        let size = self.scaling.stored.size();
        let len =
            usize::try_from(bytes.end - bytes.start).map_err(|_| Error::too_large("the row is larger than memory"))?;
        let mut read = Vec::new();
        let row = match source.bytes() {
            Some(all) => crate::source::slice(all, bytes.start, len)?,
            None => {
                read.resize(len, 0);
                source.read_at(bytes.start, &mut read)?;
                &read
            }
        };
        let mut picked = Vec::new();
        for position in positions {
            picked.extend_from_slice(crate::source::slice(row, position * size as u64, size)?);
        }
        self.convert(&picked)
    }

    fn convert(&mut self, stored: &[u8]) -> Result<()> {
        let scaling = self.scaling;
        let elements = stored.len() / scaling.stored.size();
        if let Some(mask) = &mut self.mask {
            scaling.mask(stored, take(mask, elements)?);
        }
        scaling.decode(stored, self.take(elements * scaling.data_type().size())?);
        Ok(())
    }

    fn take(&mut self, len: usize) -> Result<&mut [u8]> {
        take(&mut self.values, len)
    }
}

/// Cuts the first `len` bytes off a buffer that is filled front to back.
fn take<'a, 'b>(buffer: &'b mut &'a mut [u8], len: usize) -> Result<&'b mut [u8]>
where
    'a: 'b,
{
    let missing = || Error::argument("the result does not fit the buffer");
    buffer.split_off_mut(..len).ok_or_else(missing)
}
