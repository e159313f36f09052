//! Reading an image or a section of one: runs of elements that lie together in the file and in the result.

use std::ops::Range;

use super::buffers::{ImageBuffers, Unfilled};
use super::section::{Axis, Section, Selection};
use crate::directory::HduEntry;
use crate::error::Result;
use crate::format::{DataType, HduKind, Header, Scaling};
use crate::source::{BufferSize, GAP_BYTES, ReadAt, ReadPlan, past_the_end, resize, slice};

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
        // Where there is nothing to read, the other axes can be of any length.
        let (outer, inner) =
            if elements == 0 { (Vec::new(), Inner::Run { start: 0, count: 0 }) } else { split(&selection, &shape) };
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

    fn image_buffers(&self) -> ImageBuffers {
        ImageBuffers { values: self.scaling.data_type(), mask: self.mask }
    }

    fn elements_in_part(&self) -> u64 {
        (PART_OUTPUT / self.scaling.data_type().size() as u64).max(1)
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

    /// Calls `visit` with each range of elements of the fastest axis that is read in one go for a piece, and with the piece's
    /// elements that lie in it.
    fn reads(&self, piece: Range<u64>, mut visit: impl FnMut(Range<u64>, Range<u64>) -> Result<()>) -> Result<()> {
        let axis = match &self.inner {
            Inner::Run { start, .. } => return visit(start + piece.start..start + piece.end, piece),
            Inner::Gather(axis) => axis,
        };
        let size = self.scaling.stored.size() as u64;
        let (gap, longest) = (GAP_BYTES / size, CHUNK_BYTES as u64 / size);
        // Positions in any order that lie close on the whole, in little: once.
        let (lowest, highest) = axis.bounds_of(piece.clone());
        let all = lowest..highest + 1;
        if all.end - all.start <= longest.min((piece.end - piece.start).saturating_mul(gap)) {
            return visit(all, piece);
        }
        let mut at = piece.start;
        while at < piece.end {
            let first = axis.position(at);
            let mut read = first..first + 1;
            let from = at;
            at += 1;
            while at < piece.end {
                let next = axis.position(at);
                let wider = read.start.min(next)..read.end.max(next + 1);
                let near = next <= read.end + gap && next + 1 + gap >= read.start;
                if !near || wider.end - wider.start > longest {
                    break;
                }
                read = wider;
                at += 1;
            }
            visit(read, from..at)?;
        }
        Ok(())
    }

    /// Where in the file elements of the fastest axis are, of the step of the outer axes that starts at element `outer`.
    fn bytes_of(&self, outer: u64, elements: &Range<u64>) -> Range<u64> {
        let size = self.scaling.stored.size() as u64;
        self.data_start + (outer + elements.start) * size..self.data_start + (outer + elements.end) * size
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
        self.image_buffers().sizes(self.elements)
    }

    fn len(&self) -> usize {
        self.elements.div_ceil(self.elements_in_part()) as usize
    }

    fn ranges(&self, index: usize) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        // The visitor never fails, so neither does the walk.
        let _ = self.pieces(self.span(index), |outer, piece| {
            self.reads(piece, |elements, _| {
                let bytes = self.bytes_of(outer, &elements);
                match ranges.last_mut() {
                    Some(last) if last.end == bytes.start => last.end = bytes.end,
                    _ => ranges.push(bytes),
                }
                Ok(())
            })
        });
        ranges
    }

    fn output_sizes(&self, index: usize) -> Vec<usize> {
        self.image_buffers().byte_sizes(self.span(index).count())
    }

    fn decode(&self, index: usize, source: &dyn ReadAt, outputs: &mut [&mut [u8]]) -> Result<()> {
        let rest = Unfilled::new(self.image_buffers(), outputs)?;
        let mut sink = Sink { scaling: self.scaling, rest, scratch: Vec::new(), picked: Vec::new() };
        self.pieces(self.span(index), |outer, piece| match &self.inner {
            Inner::Run { .. } => self.reads(piece, |elements, _| sink.run(source, self.bytes_of(outer, &elements))),
            Inner::Gather(axis) => {
                self.reads(piece, |elements, indices| {
                    let positions = indices.map(|index| axis.position(index) - elements.start);
                    sink.gather(source, self.bytes_of(outer, &elements), positions)
                })?;
                sink.flush()
            }
        })
    }
}

/// Reads and converts pixels, in the order in which they fill a part's output.
struct Sink<'a> {
    scaling: Scaling,
    rest: Unfilled<'a>,
    scratch: Vec<u8>,
    /// Stored pixels that were picked out of what was read, not converted yet.
    picked: Vec<u8>,
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
            return convert(self.scaling, slice(bytes, at, len)?, &mut self.rest);
        }
        if self.scaling.in_place() && !self.rest.has_mask() {
            let (values, _) = self.rest.take(len / self.scaling.stored.size())?;
            source.read_at(at, values)?;
            self.scaling.decode_in_place(values);
            return Ok(());
        }
        resize(&mut self.scratch, len)?;
        source.read_at(at, &mut self.scratch)?;
        convert(self.scaling, &self.scratch, &mut self.rest)
    }

    /// Reads a range and picks single elements out of it.
    fn gather(&mut self, source: &dyn ReadAt, bytes: Range<u64>, positions: impl Iterator<Item = u64>) -> Result<()> {
        let size = self.scaling.stored.size();
        // A read in one go is short.
        let len = (bytes.end - bytes.start) as usize;
        let row = match source.bytes() {
            Some(all) => slice(all, bytes.start, len)?,
            None => {
                resize(&mut self.scratch, len)?;
                source.read_at(bytes.start, &mut self.scratch)?;
                &self.scratch
            }
        };
        for position in positions {
            self.picked.extend_from_slice(slice(row, position * size as u64, size)?);
        }
        if self.picked.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    /// Converts what was picked.
    fn flush(&mut self) -> Result<()> {
        convert(self.scaling, &self.picked, &mut self.rest)?;
        self.picked.clear();
        Ok(())
    }
}

/// Makes values of stored pixels.
fn convert(scaling: Scaling, stored: &[u8], rest: &mut Unfilled<'_>) -> Result<()> {
    let (values, mask) = rest.take(stored.len() / scaling.stored.size())?;
    if let Some(mask) = mask {
        scaling.mask(stored, mask);
    }
    scaling.decode(stored, values);
    Ok(())
}
