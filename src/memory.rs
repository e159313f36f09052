//! Large pieces of memory: asked for in large pages, and kept for a moment after use.
//!
//! The system zeroes each page that it hands out. For a large image that takes about as long as reading it, and programs read one
//! image after another: what one result leaves behind becomes the next one's memory. What is kept is limited in size and time, and on Linux the
//! system may take it back earlier where memory is short.

use std::any::Any;
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use bytemuck::Pod;
use bytes::Bytes;

use crate::error::{Error, Result};

/// From this size on a piece is large: smaller ones the allocator reuses by itself.
pub(crate) const LARGE_BYTES: usize = 4 << 20;
/// How many pieces are kept at most: the next result, and a file or two that results are made from.
const MOST_KEPT: usize = 3;
/// How much is kept at most.
const MOST_KEPT_BYTES: usize = 512 << 20;
/// How long it is kept at most.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Memory for this many elements. What it holds is not said: zeros, or what a former user left.
///
/// # Errors
///
/// `TooLarge` where the machine can't give as much.
pub(crate) fn filled_by_caller<T: Pod>(elements: usize) -> Result<Vec<T>> {
    match reuse(elements, elements.saturating_mul(2)) {
        Some(mut memory) => {
            memory.resize(elements, T::zeroed());
            Ok(memory)
        }
        None => zeroed(elements),
    }
}

/// Zeros; large ones in large pages.
///
/// # Errors
///
/// `TooLarge` where the machine can't give as much.
pub(crate) fn zeroed<T: Pod>(elements: usize) -> Result<Vec<T>> {
    let zeros = bytemuck::allocation::try_zeroed_slice_box(elements).map_err(|()| {
        let bytes = elements as u128 * size_of::<T>() as u128;
        Error::too_large(format!("the result takes {bytes} bytes, which this machine can't give: read a section of it"))
    })?;
    let mut zeros = zeros.into_vec();
    advise(bytemuck::cast_slice_mut(&mut zeros), Advice::LargePages);
    Ok(zeros)
}

/// How many more bytes this process can take before the system ends it, as far as that can be told: what no file may exceed
/// whose size nobody limited.
pub(crate) fn available() -> u64 {
    machine_available().unwrap_or(u64::MAX).min(group_available().unwrap_or(u64::MAX))
}

/// What Linux says that the machine has.
fn machine_available() -> Option<u64> {
    const KIBIBYTE: u64 = 1024;
    let table = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(KIBIBYTE)
}

/// What is left of the limit of the container, if there is one.
fn group_available() -> Option<u64> {
    let number = |name: &str| std::fs::read_to_string(name).ok()?.trim().parse::<u64>().ok();
    Some(number("/sys/fs/cgroup/memory.max")?.saturating_sub(number("/sys/fs/cgroup/memory.current")?))
}

/// An empty vector that has room for at least this many bytes, if such a piece is kept.
pub(crate) fn with_room(bytes: usize) -> Option<Vec<u8>> {
    let mut memory = reuse::<u8>(bytes, bytes.saturating_mul(2))?;
    memory.clear();
    Some(memory)
}

/// Bytes that can be shared; their memory is kept when the last owner is gone.
pub(crate) fn shared(bytes: Vec<u8>) -> Bytes {
    if bytes.capacity() < LARGE_BYTES { Bytes::from(bytes) } else { Bytes::from_owner(Shared(bytes)) }
}

struct Shared(Vec<u8>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        keep(std::mem::take(&mut self.0));
    }
}

/// A piece of memory that waits for its next user.
struct Kept {
    /// A `Vec` of some element type: memory goes back to the allocator as what it was taken as.
    memory: Box<dyn Any + Send>,
    bytes: usize,
    since: Instant,
}

/// What is kept, oldest first, and whether a thread looks after it.
struct Store {
    pieces: Vec<Kept>,
    /// The process that the thread runs in: a forked child has none.
    watched_in: Option<u32>,
}

static STORE: Mutex<Store> = Mutex::new(Store { pieces: Vec::new(), watched_in: None });

/// The store, unless someone else has it: who can't have it does without. After a fork it may stay locked for ever.
fn store() -> Option<std::sync::MutexGuard<'static, Store>> {
    match STORE.try_lock() {
        Ok(store) => Some(store),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// The smallest kept piece with room for `least` to `most` elements.
fn reuse<T: Pod>(least: usize, most: usize) -> Option<Vec<T>> {
    if least.saturating_mul(size_of::<T>()) < LARGE_BYTES {
        return None;
    }
    let mut store = store()?;
    let fitting = store.pieces.iter().enumerate().filter_map(|(number, kept)| {
        let capacity = kept.memory.downcast_ref::<Vec<T>>()?.capacity();
        (least..=most).contains(&capacity).then_some((capacity, number))
    });
    let (_, number) = fitting.min()?;
    let kept = store.pieces.remove(number);
    kept.memory.downcast().ok().map(|memory| *memory)
}

/// Takes back memory that is no longer used: keeps it if it is large.
pub(crate) fn keep<T: Pod + Send>(mut memory: Vec<T>) {
    let bytes = memory.capacity().saturating_mul(size_of::<T>());
    if !(LARGE_BYTES..=MOST_KEPT_BYTES).contains(&bytes) {
        return;
    }
    let Some(mut store) = store() else { return };
    advise(bytemuck::cast_slice_mut(&mut memory), Advice::MayBeTaken);
    store.pieces.push(Kept { memory: Box::new(memory), bytes, since: Instant::now() });
    let mut total: usize = store.pieces.iter().map(|kept| kept.bytes).sum();
    while total > MOST_KEPT_BYTES || store.pieces.len() > MOST_KEPT {
        total -= store.pieces.remove(0).bytes;
    }
    watch(&mut store);
}

/// Sees to it that a thread drops what is kept for too long.
fn watch(store: &mut Store) {
    let process = std::process::id();
    if store.watched_in == Some(process) {
        return;
    }
    let thread = std::thread::Builder::new().name("rustfits-memory".into());
    if thread.spawn(drop_old_pieces).is_ok() {
        store.watched_in = Some(process);
    } else {
        store.pieces.clear();
    }
}

fn drop_old_pieces() {
    loop {
        std::thread::sleep(KEPT_FOR / 2);
        let Some(mut store) = store() else { continue };
        let old = store.pieces.iter().take_while(|kept| kept.since.elapsed() >= KEPT_FOR).count();
        store.pieces.drain(..old);
        if store.pieces.is_empty() {
            store.watched_in = None;
            return;
        }
    }
}

/// What the system is told of a range of memory. Where it doesn't listen nothing else changes.
#[derive(Clone, Copy)]
enum Advice {
    /// A page fault for every 2 MiB instead of every 4 KiB.
    LargePages,
    /// The contents are of no use to anyone: the system may take the pages where memory is short.
    MayBeTaken,
}

#[cfg(target_os = "linux")]
fn advise(memory: &mut [u8], advice: Advice) {
    const PAGE: usize = 4096;
    if memory.len() < LARGE_BYTES {
        return;
    }
    let skip = memory.as_ptr().align_offset(PAGE);
    let Some(pages) = memory.get_mut(skip..) else { return };
    let length = pages.len() / PAGE * PAGE;
    let advice = match advice {
        Advice::LargePages => rustix::mm::Advice::LinuxHugepage,
        Advice::MayBeTaken => rustix::mm::Advice::LinuxFree,
    };
    // SAFETY: the range lies within memory that we alone own. The first advice does not change what it holds; after the second it holds
    // what it held or zeros, both of which are values of every `Pod`, until it is written to.
    let _ = unsafe { rustix::mm::madvise(pages.as_mut_ptr().cast(), length, advice) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_memory: &mut [u8], _advice: Advice) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_memory_is_zero_and_too_large_an_error() {
        assert!(zeroed::<u64>(1 << 20).unwrap().iter().all(|&element| element == 0));
        assert!(zeroed::<u8>(usize::MAX / 2).unwrap_err().to_string().contains("section"));
    }

    #[test]
    fn what_was_given_back_serves_again() {
        // Other tests share the store: a piece of a size that no other has.
        const ELEMENTS: usize = (LARGE_BYTES / 16) + 4321;
        let memory = vec![[7u64; 2]; ELEMENTS];
        let address = memory.as_ptr();
        keep(memory);
        let again = filled_by_caller::<[u64; 2]>(ELEMENTS).unwrap();
        assert_eq!((again.as_ptr(), again.len()), (address, ELEMENTS));
        keep(again);
        // Memory of another type is another matter, and so is half of it.
        let other = filled_by_caller::<[u32; 4]>(ELEMENTS).unwrap();
        assert_ne!(other.as_ptr().cast(), address);
        assert!(reuse::<[u64; 2]>(ELEMENTS / 3, ELEMENTS / 2).is_none());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn some_memory_is_available() {
        assert!(available() > LARGE_BYTES as u64 && machine_available().is_some());
    }

    #[test]
    fn shared_bytes_are_what_they_were() {
        let bytes = shared(vec![3; LARGE_BYTES]);
        let copy = bytes.clone();
        drop(bytes);
        assert_eq!(copy, vec![3; LARGE_BYTES]);
    }
}
