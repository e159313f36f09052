//! The Range header.

/// The part of a body that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// From `start` up to, but without, `end`.
    Part { start: u64, end: u64 },
    /// A part that lies outside.
    Outside,
}

/// Reads a Range header of one range; one that cannot be read, or of several ranges, asks for the whole.
pub(super) fn asked(header: Option<&str>, length: u64) -> Asked {
    header.and_then(|header| single(header, length)).unwrap_or(Asked::Whole)
}

fn single(header: &str, length: u64) -> Option<Asked> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        (length.saturating_sub(count), length)
    } else {
        let start: u64 = first.parse().ok()?;
        let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
        if last < start {
            return None;
        }
        (start, last.saturating_add(1).min(length))
    };
    Some(if start < end { Asked::Part { start, end } } else { Asked::Outside })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(asked(None, 10), Asked::Whole);
        assert_eq!(asked(Some("bytes=0-0"), 10), Asked::Part { start: 0, end: 1 });
        assert_eq!(asked(Some("bytes=4-"), 10), Asked::Part { start: 4, end: 10 });
        assert_eq!(asked(Some("bytes=4-99"), 10), Asked::Part { start: 4, end: 10 });
        assert_eq!(asked(Some("bytes=-3"), 10), Asked::Part { start: 7, end: 10 });
        assert_eq!(asked(Some("bytes=-30"), 10), Asked::Part { start: 0, end: 10 });
        assert_eq!(asked(Some("bytes=10-"), 10), Asked::Outside);
        assert_eq!(asked(Some("bytes=0-9"), 0), Asked::Outside);
        assert_eq!(asked(Some("bytes=-0"), 10), Asked::Outside);
        assert_eq!(asked(Some("bytes=0-1,3-4"), 10), Asked::Whole);
        assert_eq!(asked(Some("lines=0-1"), 10), Asked::Whole);
    }
}
