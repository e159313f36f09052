//! What is made before it is known where it goes: in memory as long as it is small, else in a file that has no name.

use std::fs::File;
use std::path::Path;

use super::file::{read_exact_at, write_all_at};
use crate::error::Result;
use crate::source::{ReadAt, past_the_end, reserve, slice};

/// What is kept in memory where there is a place for a file.
const MOST_MEMORY: usize = 16 << 20;

/// Bytes that are put behind each other, and then read.
pub(crate) struct Spool {
    memory: Vec<u8>,
    /// Holds what was made before `memory`.
    file: Option<File>,
    in_file: u64,
    /// Whether there may be a file, in this directory.
    directory: Option<std::path::PathBuf>,
}

impl Spool {
    /// In memory, however much it becomes.
    pub(crate) fn in_memory() -> Self {
        Self { memory: Vec::new(), file: None, in_file: 0, directory: None }
    }

    /// With a file in the directory of `path` for what is much.
    pub(crate) fn beside(path: &Path) -> Self {
        let directory = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
        Self { directory, ..Self::in_memory() }
    }

    /// Puts bytes behind those that are there.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        reserve(&mut self.memory, bytes.len())?;
        self.memory.extend_from_slice(bytes);
        let Some(directory) = self.directory.as_ref().filter(|_| self.memory.len() > MOST_MEMORY) else {
            return Ok(());
        };
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile_in(directory)?),
        };
        write_all_at(file, &self.memory, self.in_file)?;
        self.in_file += self.memory.len() as u64;
        self.memory.clear();
        Ok(())
    }
}

impl ReadAt for Spool {
    fn len(&self) -> u64 {
        self.in_file + self.memory.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let split = usize::try_from(self.in_file.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let (front, rest) = buffer.split_at_mut(split);
        if !front.is_empty() {
            let file = self.file.as_ref().ok_or_else(|| past_the_end(offset, front.len(), self.len()))?;
            read_exact_at(file, front, offset)?;
        }
        if !rest.is_empty() {
            let start = (offset + front.len() as u64).saturating_sub(self.in_file);
            rest.copy_from_slice(slice(&self.memory, start, rest.len())?);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn what_went_to_a_file_is_read_with_what_did_not() {
        let directory = tempfile::tempdir().unwrap();
        for mut spool in [Spool::in_memory(), Spool::beside(&directory.path().join("a.fits"))] {
            let piece: Vec<u8> = (0..7 << 20).map(|number| number as u8).collect();
            for _ in 0..4 {
                spool.append(&piece).unwrap();
            }
            assert_eq!(spool.len(), 28 << 20);
            assert_eq!(spool.file.is_some(), spool.directory.is_some());
            for start in [0, (21 << 20) - 50, (21 << 20) + 9, 100] {
                let mut bytes = vec![0; 1000];
                spool.read_at(start, &mut bytes).unwrap();
                let expected = (start..start + 1000).map(|number| (number % (7 << 20)) as u8);
                assert!(expected.eq(bytes));
            }
            assert!(spool.read_at((28 << 20) - 3, &mut [0; 4]).is_err());
        }
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }
}
