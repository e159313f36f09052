//! Runs the parts of a read: in line where there is little to do, else on all threads.

use std::ops::Range;
use std::sync::Mutex;

use super::buffer::Buffer;
use super::runtime::engine;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::source::{ReadAt, ReadPlan};

/// Below this many bytes of result, starting threads costs more than it gains.
const SMALL: usize = 256 << 10;

/// The memory that the result of a plan takes: zeros where no part will fill it.
pub(crate) fn allocate(plan: &dyn ReadPlan) -> Result<Vec<Buffer>> {
    let zeroed = plan.len() == 0;
    plan.buffers().into_iter().map(|size| Buffer::allocate(size, zeroed)).collect()
}

/// Runs a whole plan against a source that has all bytes at hand.
pub(crate) fn run_plan(plan: &dyn ReadPlan, source: &dyn ReadAt, watch: &mut Watch<'_>) -> Result<Vec<Buffer>> {
    let mut buffers = allocate(plan)?;
    let mut rest: Vec<&mut [u8]> = buffers.iter_mut().map(Buffer::bytes_mut).collect();
    run_parts(plan, 0..plan.len(), source, &mut rest, watch)?;
    Ok(buffers)
}

/// Runs some successive parts. `rest` is what of the buffers is not filled yet, from the first of these parts on;
/// for a scattered plan it is the buffers whole.
pub(crate) fn run_parts(
    plan: &dyn ReadPlan,
    parts: Range<usize>,
    source: &dyn ReadAt,
    rest: &mut [&mut [u8]],
    watch: &mut Watch<'_>,
) -> Result<()> {
    let bytes: usize = rest.iter().map(|buffer| buffer.len()).sum();
    let single = parts.len() <= 1 || bytes < SMALL;
    if plan.scattered() {
        return run_scattered(plan, parts, source, rest, single, watch);
    }
    let mut queue = Queue { plan, parts, rest: rest.iter_mut().map(std::mem::take).collect() };
    let work = |(index, result): Job<'_>| {
        let mut outputs = result?;
        plan.decode(index, source, &mut outputs)
    };
    run_jobs(|| queue.next(), work, single, watch)
}

fn run_scattered(
    plan: &dyn ReadPlan,
    mut parts: Range<usize>,
    source: &dyn ReadAt,
    buffers: &mut [&mut [u8]],
    single: bool,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let buffers = Mutex::new(buffers);
    let work = |index: usize| {
        let mut memory: Vec<Vec<u8>> = plan.output_sizes(index).into_iter().map(|size| vec![0; size]).collect();
        let mut pieces: Vec<&mut [u8]> = memory.iter_mut().map(Vec::as_mut_slice).collect();
        plan.decode(index, source, &mut pieces)?;
        let mut buffers = buffers.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        plan.place(index, &pieces, &mut buffers)
    };
    run_jobs(|| parts.next(), work, single, watch)
}

fn run_jobs<J: Send>(
    mut next: impl FnMut() -> Option<J> + Send,
    work: impl Fn(J) -> Result<()> + Sync,
    single: bool,
    watch: &mut Watch<'_>,
) -> Result<()> {
    watch.look()?;
    if !single {
        return engine()?.cpu()?.run(next, work, &mut || watch.look());
    }
    while let Some(job) = next() {
        work(job)?;
        watch.look()?;
    }
    Ok(())
}

/// A part's number, and its piece of each buffer.
type Job<'a> = (usize, Result<Vec<&'a mut [u8]>>);

/// Cuts the buffers into the pieces of successive parts.
struct Queue<'a> {
    plan: &'a dyn ReadPlan,
    parts: Range<usize>,
    rest: Vec<&'a mut [u8]>,
}

impl<'a> Queue<'a> {
    fn next(&mut self) -> Option<Job<'a>> {
        let index = self.parts.next()?;
        let sizes = self.plan.output_sizes(index);
        let pieces = self.rest.iter_mut().zip(sizes).map(|(rest, size)| {
            rest.split_off_mut(..size).ok_or_else(|| Error::argument("the result does not fit the buffer"))
        });
        Some((index, pieces.collect()))
    }
}
