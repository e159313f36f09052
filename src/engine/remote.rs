//! Runs an operation on a file of which only some ranges are here: fetches what it lacks, and decodes while more arrives.

use std::ops::Range;
use std::sync::Arc;

use super::buffer::Buffer;
use super::drive::{allocate, run_parts};
use super::op::joined;
use super::runtime::engine;
use super::watch::{Stop, StopOnDrop, Watch};
use crate::error::{Error, ErrorKind, Result};
use crate::io::Fetched;
use crate::source::ReadPlan;

/// How many bytes of parts are fetched together, and decoded while the next ones are fetched.
const GROUP_BYTES: u64 = 8 << 20;
/// The most parts that are fetched together, however little they need: the ranges of a group are listed on a thread that moves bytes.
const GROUP_PARTS: usize = 1 << 16;
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
    let mut filled = vec![0; buffers.len()];
    let mut next = next_group(&*plan, 0);
    if let Some(group) = &next {
        fetch(group, fetched).await?;
    }
    while let Some(group) = next {
        next = next_group(&*plan, group.parts.end);
        let ahead = async {
            match &next {
                Some(group) => fetch(group, fetched).await,
                None => Ok(()),
            }
        };
        let decoded = decode(Arc::clone(&plan), group.parts, Arc::clone(fetched), buffers, filled);
        let (arrived, decoded) = futures_util::future::join(ahead, decoded).await;
        (buffers, filled) = decoded?;
        arrived?;
        // What was decoded goes: a scan of a large file takes the memory of two groups, not of the file.
        fetched.keep_only(next.as_ref().map_or(&[], |group| &group.ranges));
    }
    let plan = Arc::try_unwrap(plan).map_err(|_| Error::new(ErrorKind::Io, "the read is still running"))?;
    Ok((plan, buffers))
}

/// Successive parts that are fetched together.
struct Group {
    parts: Range<usize>,
    ranges: Vec<Range<u64>>,
}

/// The group that begins with a part; `None` behind the last one. Made one by one, as a plan may have more parts than anybody can list.
fn next_group(plan: &dyn ReadPlan, start: usize) -> Option<Group> {
    let last = plan.len().min(start.saturating_add(GROUP_PARTS));
    let (mut end, mut bytes, mut ranges) = (start, 0_u64, Vec::new());
    while end < last && bytes < GROUP_BYTES {
        for range in plan.ranges(end) {
            // The length of a file, and so of a range in it, is the server's word.
            bytes = bytes.saturating_add(range.end.saturating_sub(range.start));
            ranges.push(range);
        }
        end += 1;
    }
    (end > start).then_some(Group { parts: start..end, ranges })
}

async fn fetch(group: &Group, fetched: &Fetched) -> Result<()> {
    let absent = fetched.absent(&group.ranges);
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
    joined(task.await)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]
mod tests {
    use super::*;
    use crate::format::DataType;
    use crate::io::RangedSource;
    use crate::io::http::RangedFile;
    use crate::io::traffic::FREE;
    use crate::options::Remote;
    use crate::source::{BufferSize, ReadAt};

    /// A plan of parts that all need the same range.
    struct Parts {
        number: usize,
        range: Range<u64>,
    }

    impl ReadPlan for Parts {
        fn buffers(&self) -> Vec<BufferSize> {
            vec![BufferSize { data_type: DataType::U8, elements: 1 }]
        }

        fn len(&self) -> usize {
            self.number
        }

        fn ranges(&self, _index: usize) -> Vec<Range<u64>> {
            vec![self.range.clone()]
        }

        fn output_sizes(&self, _index: usize) -> Vec<usize> {
            vec![0]
        }

        fn decode(&self, index: usize, _source: &dyn ReadAt, _outputs: &mut [&mut [u8]]) -> Result<()> {
            assert!(index != 1, "a part that panics");
            Ok(())
        }
    }

    #[test]
    fn groups_are_made_one_by_one_whatever_the_ranges_claim() {
        let endless = Parts { number: 1 << 43, range: 0..0 };
        let group = next_group(&endless, 0).unwrap();
        assert_eq!((group.parts, group.ranges.len()), (0..GROUP_PARTS, GROUP_PARTS));
        assert_eq!(next_group(&endless, (1 << 43) - 1).unwrap().parts.len(), 1);
        assert!(next_group(&endless, 1 << 43).is_none());
        let huge = Parts { number: 5, range: 0..u64::MAX };
        assert_eq!(next_group(&huge, 0).unwrap().parts, 0..1);
        let small = Parts { number: 5, range: 0..GROUP_BYTES / 2 };
        assert_eq!(next_group(&small, 0).unwrap().parts, 0..2);
        assert_eq!(next_group(&small, 4).unwrap().parts, 4..5);
    }

    #[tokio::test]
    async fn a_panic_while_decoding_is_not_a_cancellation() {
        let server = rustfits_loopback::HttpServer::start();
        server.put("/a", vec![0; 100]);
        let (url, remote) = (server.url("/a").parse().unwrap(), Remote::ranged());
        let (file, first) = RangedFile::open(engine().unwrap().http(), &url, &remote, &FREE, 10).await.unwrap();
        let fetched = Arc::new(Fetched::new(Arc::new(RangedSource::new(file, &first, &remote))));
        let result = run_remote(Parts { number: 2, range: 0..10 }, &fetched).await;
        let error = result.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("defect"), "{error}");
    }
}
