//! How HDUs are asked for.

/// How an HDU is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HduKey {
    /// By number, counted from 0; negative from the end.
    Index(i64),
    /// By EXTNAME, in any letter case; the first match wins.
    Name(String),
    /// By EXTNAME and EXTVER.
    NameVersion(String, i64),
    /// An HDU that was found: the same one wherever HDUs in front of it are inserted or deleted.
    Id(HduId),
}

/// Which HDU of an open file it is, wherever it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HduId(pub(super) u64);

impl HduId {
    /// The id of an HDU of a stream: its number.
    pub(crate) fn of_stream(index: usize) -> Self {
        Self(index as u64)
    }
}

impl From<HduId> for HduKey {
    fn from(id: HduId) -> Self {
        Self::Id(id)
    }
}

impl From<i64> for HduKey {
    fn from(index: i64) -> Self {
        Self::Index(index)
    }
}

impl From<i32> for HduKey {
    fn from(index: i32) -> Self {
        Self::Index(index.into())
    }
}

impl From<usize> for HduKey {
    fn from(index: usize) -> Self {
        Self::Index(i64::try_from(index).unwrap_or(i64::MAX))
    }
}

impl From<&str> for HduKey {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for HduKey {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<(&str, i64)> for HduKey {
    fn from((name, version): (&str, i64)) -> Self {
        Self::NameVersion(name.to_owned(), version)
    }
}
