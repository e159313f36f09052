//! Half-made files that a killed process left beside the one it was writing: known by their names, and removed.
//!
//! The name says which process makes the file: the boot of the machine, the namespaces in which its number and its start count, its number and
//! its start. Only where all of these are this process's own can it be told that nobody makes the file any more. What a process of another machine
//! or container makes, or of this machine before it was started anew, stays.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PREFIX: &str = ".rustfits-";
const SUFFIX: &str = ".tmp";
/// What looking at a directory may take of the time of a process that opens many of its files: so long passes between two looks, for each entry.
const PAUSE_FOR_ENTRY: Duration = Duration::from_micros(20);
/// Of how many directories it is remembered when they were looked at.
const MOST_REMEMBERED: usize = 1000;

/// When each directory may be looked at again.
static NEXT_LOOK: Mutex<Option<HashMap<PathBuf, Instant>>> = Mutex::new(None);

/// What the names of this process's files begin with.
pub(super) fn prefix() -> String {
    match (machine(), started(std::process::id())) {
        (Some(machine), Some(Started::At(start))) => format!("{PREFIX}{machine}-{}-{start}-", std::process::id()),
        // Nobody can tell whose it is, and nobody removes it.
        _ => PREFIX.to_owned(),
    }
}

/// What their names end with.
pub(super) fn suffix() -> &'static str {
    SUFFIX
}

/// Removes the files beside `path` that dead processes left half made. Whatever keeps that from being done is no error: it is tried again next time.
pub(crate) fn sweep(path: &Path) {
    // Half-made files are where a symbolic link leads; a file that is not there yet has no link.
    let Ok(path) = path.canonicalize().or_else(|_| std::path::absolute(path)) else { return };
    let Some(directory) = path.parent().map(Path::to_owned) else { return };
    let Some(machine) = machine().filter(|_| is_due(&directory)) else { return };
    let own = format!("{PREFIX}{machine}-");
    let Ok(entries) = std::fs::read_dir(&directory) else { return };
    let mut count = 0;
    for entry in entries.flatten() {
        count += 1;
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(&own)?.strip_suffix(SUFFIX));
        if maker.is_some_and(is_dead) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    remember(directory, PAUSE_FOR_ENTRY.saturating_mul(count));
}

fn is_due(directory: &Path) -> bool {
    let next = NEXT_LOOK.lock().unwrap_or_else(PoisonError::into_inner);
    next.as_ref().and_then(|next| next.get(directory)).is_none_or(|&next| next <= Instant::now())
}

fn remember(directory: PathBuf, pause: Duration) {
    let mut next = NEXT_LOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let next = next.get_or_insert_default();
    if next.len() >= MOST_REMEMBERED {
        next.clear();
    }
    next.insert(directory, Instant::now() + pause);
}

/// Whether the process that `number-start-random` names has ended.
fn is_dead(maker: &str) -> bool {
    let mut parts = maker.split('-');
    let number = parts.next().and_then(|number| number.parse::<u32>().ok());
    let start = parts.next().and_then(|start| start.parse::<u64>().ok());
    let (Some(number), Some(start)) = (number, start) else { return false };
    match started(number) {
        Some(Started::Never) => true,
        // The number has gone to another process.
        Some(Started::At(other)) => other != start,
        None => false,
    }
}

/// When a process was started.
enum Started {
    /// There is none of this number.
    Never,
    /// In ticks of the machine's clock.
    At(u64),
}

/// When the process was started, as far as the system tells.
#[cfg(target_os = "linux")]
fn started(number: u32) -> Option<Started> {
    /// Which of the words behind the name of the program says it.
    const START_WORD: usize = 19;
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{number}/stat")) else {
        // It may be hidden from other users.
        let process = rustix::process::Pid::from_raw(i32::try_from(number).ok()?)?;
        let missing = rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH);
        return missing.then_some(Started::Never);
    };
    // The name is in parentheses and may have any characters.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(START_WORD)?.parse().ok().map(Started::At)
}

#[cfg(not(target_os = "linux"))]
fn started(_number: u32) -> Option<Started> {
    None
}

/// The boot of this machine and the namespaces of this process, without a hyphen.
#[cfg(target_os = "linux")]
fn machine() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
        Some(link.to_str()?.chars().filter(char::is_ascii_digit).collect::<String>())
    };
    // Kernels without clocks of their own for containers have no such namespace.
    let time = namespace("time").unwrap_or_default();
    Some(format!("{}.{}.{time}", boot.trim().replace('-', ""), namespace("pid")?))
}

#[cfg(not(target_os = "linux"))]
fn machine() -> Option<String> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn files_of_dead_processes_go_and_all_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.fits");
        std::fs::write(&path, "").unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let (machine, own, dead) = (machine().unwrap(), std::process::id(), child.id());
        let Some(Started::At(start)) = started(own) else { panic!("not known") };
        let gone =
            [format!("{PREFIX}{machine}-{dead}-5-abc.tmp"), format!("{PREFIX}{machine}-{own}-{}-abc.tmp", start + 1)];
        let stay = [
            format!("{}abc.tmp", prefix()),
            format!("{PREFIX}another.1.2-{dead}-5-abc.tmp"),
            format!("{PREFIX}{machine}-{dead}-5-abc.fits"),
            format!("{PREFIX}{machine}-x-5-abc.tmp"),
            format!("{PREFIX}abc.tmp"),
            format!("{PREFIX}{machine}-1-5"),
        ];
        for name in gone.iter().chain(&stay) {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        sweep(&path);
        for name in &gone {
            assert!(!directory.path().join(name).exists(), "{name}");
        }
        for name in &stay {
            assert!(directory.path().join(name).exists(), "{name}");
        }
        assert!(path.exists());
        sweep(&directory.path().join("not there"));
    }
}
