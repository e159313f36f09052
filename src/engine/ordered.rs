//! Makes things on all threads and takes them in their order, a few at a time.

use std::sync::Mutex;

use super::runtime::engine;
use super::watch::Watch;
use crate::error::Result;

/// How many are made before they are taken: enough for many threads, few enough for memory.
const BATCH: usize = 16;

/// Makes `count` things with `make` and gives them to `take` in order. At most [`BATCH`] are held at a time. Stops with an error where `watch` says so.
pub(crate) fn in_order<T: Send>(
    count: usize,
    make: impl Fn(usize) -> Result<T> + Sync,
    mut take: impl FnMut(T) -> Result<()>,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let mut start = 0;
    while start < count {
        watch.look()?;
        let end = start.saturating_add(BATCH).min(count);
        if end - start == 1 {
            take(make(start)?)?;
        } else {
            let places: Vec<Mutex<Option<T>>> = (start..end).map(|_| Mutex::new(None)).collect();
            let mut jobs = places.iter().zip(start..end);
            let work = |(place, number): (&Mutex<Option<T>>, usize)| {
                let made = make(number)?;
                *place.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(made);
                Ok(())
            };
            engine()?.cpu()?.run(|| jobs.next(), work, &mut || watch.look())?;
            for place in places {
                place.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), &mut take)?;
            }
        }
        start = end;
    }
    Ok(())
}
