//! Memory for what is read before it is converted.

use crate::error::{Error, Result};

/// Makes room in a buffer for so many more elements. Lengths come from headers: too large a one is an error, and not the end of
/// the process.
pub(crate) fn reserve<T>(buffer: &mut Vec<T>, more: usize) -> Result<()> {
    buffer.try_reserve(more).map_err(|_| {
        let bytes = more as u128 * size_of::<T>() as u128;
        Error::too_large(format!("a row or a tile takes {bytes} bytes of memory, which this machine can't give"))
    })
}

/// Makes a buffer this long, as [`reserve`] does.
pub(crate) fn resize<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) -> Result<()> {
    reserve(buffer, len.saturating_sub(buffer.len()))?;
    buffer.resize(len, T::default());
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_memory_does_not_hold_is_an_error() {
        let mut buffer = vec![7u32];
        resize(&mut buffer, 3).unwrap();
        assert_eq!(buffer, [7, 0, 0]);
        resize(&mut buffer, 1).unwrap();
        assert_eq!(buffer, [7]);
        for len in [usize::MAX, usize::MAX / 4, 1 << 60] {
            assert_eq!(resize(&mut buffer, len).unwrap_err().kind(), ErrorKind::TooLarge);
        }
    }
}
