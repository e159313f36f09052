//! Runs an operation on a file of which only some ranges are here: fetches what it lacks, and decodes while more arrives.

use std::ops::Range;
use std::sync::Arc;

use super::buffer::Buffer;
use super::drive::{allocate, run_parts};
use super::runtime::engine;
use super::watch::{Stop, StopOnDrop, Watch};
use crate::error::{Error, ErrorKind, Result};
use crate::io::Fetched;
use crate::source::ReadPlan;

/// How many bytes of parts are fetched together, and decoded while the next ones are fetched.
const GROUP_BYTES: u64 = 8 << 20;
/// More rounds than any operation needs: each one that is not the last fetches something new.
const MOST_ROUNDS: usize = 100_000;

/// Runs `locate` until it lacks nothing. It has no side effects, so it starts anew after each fetch.
pub(crate) async fn locate_remote<T>(fetched: &Fetched, locate: impl Fn(&Fetched) -> Result<T>) -> Result<T> {
    for _ in 0..MOST_ROUNDS {
        let result = locate(fetched);
        let missing = fetched.take_missing();
        if missing.is_empty() {
            return result;
        }
        fetched.fill(missing, engine()?.http()).await?;
    }
    Err(Error::new(ErrorKind::Io, "the operation needs ever more ranges: this is a defect of rustfits"))
}

/// Fetches and decodes the parts of a plan, group after group.
pub(crate) async fn run_remote<P: ReadPlan>(plan: P, fetched: &Arc<Fetched>) -> Result<(P, Vec<Buffer>)> {
    let plan = Arc::new(plan);
    let mut buffers = allocate(&*plan)?;
    let mut groups = groups(&*plan).into_iter();
    let mut filled = vec![0; buffers.len()];
    let mut next = groups.next();
    if let Some(group) = &next {
        fetch(&*plan, group.clone(), fetched).await?;
    }
    while let Some(group) = next {
        next = groups.next();
        let ahead = async {
            match &next {
                Some(group) => fetch(&*plan, group.clone(), fetched).await,
                None => Ok(()),
            }
        };
        let decoded = decode(Arc::clone(&plan), group, Arc::clone(fetched), buffers, filled);
        let (arrived, decoded) = futures_util::future::join(ahead, decoded).await;
        (buffers, filled) = decoded?;
        arrived?;
        // What was decoded goes: a scan of a large file takes the memory of two groups, not of the file.
        fetched.keep_only(&next.clone().map(|group| ranges_of(&*plan, group)).unwrap_or_default());
    }
    let plan = Arc::try_unwrap(plan).map_err(|_| Error::new(ErrorKind::Io, "the read is still running"))?;
    Ok((plan, buffers))
}

/// Runs of parts that are fetched together.
fn groups(plan: &dyn ReadPlan) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for index in 0..plan.len() {
        bytes += plan.ranges(index).iter().map(|range| range.end - range.start).sum::<u64>();
        if bytes >= GROUP_BYTES {
            groups.push(start..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    if start < plan.len() {
        groups.push(start..plan.len());
    }
    groups
}

fn ranges_of(plan: &dyn ReadPlan, group: Range<usize>) -> Vec<Range<u64>> {
    group.flat_map(|index| plan.ranges(index)).collect()
}

async fn fetch(plan: &dyn ReadPlan, group: Range<usize>, fetched: &Fetched) -> Result<()> {
    let absent = fetched.absent(&ranges_of(plan, group));
    if absent.is_empty() { Ok(()) } else { fetched.fill(absent, engine()?.http()).await }
}

/// Decodes a group on a thread that may block. Dropping the future stops it between two parts.
async fn decode<P: ReadPlan>(
    plan: Arc<P>,
    group: Range<usize>,
    fetched: Arc<Fetched>,
    mut buffers: Vec<Buffer>,
    mut filled: Vec<usize>,
) -> Result<(Vec<Buffer>, Vec<usize>)> {
    let stop = StopOnDrop(Stop::default());
    let flag = stop.0.clone();
    let task = engine()?.runtime()?.spawn_blocking(move || {
        let mut rest: Vec<&mut [u8]> = buffers
            .iter_mut()
            .zip(&filled)
            .map(|(buffer, &filled)| buffer.bytes_mut().get_mut(filled..).unwrap_or_default())
            .collect();
        run_parts(&*plan, group.clone(), &*fetched, &mut rest, &mut Watch::flag(flag))?;
        if !plan.scattered() {
            for index in group {
                filled.iter_mut().zip(plan.output_sizes(index)).for_each(|(filled, size)| *filled += size);
            }
        }
        Ok((buffers, filled))
    });
    task.await.unwrap_or_else(|_| Err(Error::cancelled()))
}
