//! Gunzips a stream while its bytes arrive, in chunks of any size.

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Crc;

use super::header;
use crate::error::{Error, Result};

/// How much room for output is made at a time.
const ROOM: usize = 256 << 10;

/// How much input is decoded at a time, so that the checksum meets its bytes while they are in the cache.
const BITE: usize = 64 << 10;

/// Length of what follows the data of a member: checksum and size, 4 bytes each.
const TRAILER: usize = 8;

/// A gunzip that is fed chunk by chunk.
pub(crate) struct GunzipStream {
    state: State,
    decoder: Decompress,
    /// Bytes of a header, trailer or magic number that is not complete yet.
    pending: Vec<u8>,
    checksum: Crc,
    /// Decoded bytes of the current member.
    member_bytes: u64,
    /// Complete members so far.
    members: u64,
    /// Compressed bytes consumed, for messages.
    consumed: u64,
    produced: u64,
    max_bytes: u64,
    /// There was no room for all that the input so far makes.
    full: bool,
    failure: Option<Error>,
}

/// Whether room for output is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    AsNeeded,
    AsGiven,
}

/// What the next byte belongs to.
#[derive(Clone, Copy)]
enum State {
    Header,
    Body,
    Trailer,
    /// Behind a complete member: zero bytes, another member, or neither.
    Behind,
    /// Bytes that are no gzip, to be ignored.
    Junk,
}

impl GunzipStream {
    /// A stream that decodes to no more than `max_bytes`.
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self {
            state: State::Header,
            decoder: Decompress::new(false),
            pending: Vec::new(),
            checksum: Crc::new(),
            member_bytes: 0,
            members: 0,
            consumed: 0,
            produced: 0,
            max_bytes,
            full: false,
            failure: None,
        }
    }

    /// Decodes a chunk and appends what comes out to `out`.
    ///
    /// # Errors
    ///
    /// `Corrupt` where the bytes are damaged, `TooLarge` where more than `max_bytes` come out. `out` then holds what was
    /// decoded before, and each later call fails the same way.
    pub(crate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.run(chunk, out, Room::AsNeeded).map(|_| ())
    }

    /// As [`GunzipStream::push`], but makes no room: once `out` has reached its capacity, it returns how much of the chunk was used.
    /// Push what is left of it then, also where nothing is, after making room. `None` once all that the chunk makes is in `out`.
    ///
    /// # Errors
    ///
    /// Those of [`GunzipStream::push`].
    pub(crate) fn push_within(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>> {
        self.run(chunk, out, Room::AsGiven)
    }

    fn run(&mut self, chunk: &[u8], out: &mut Vec<u8>, room: Room) -> Result<Option<usize>> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let result = self.decode(chunk, out, room);
        if let Err(error) = &result {
            self.failure = Some(error.clone());
        }
        result
    }

    /// How many compressed bytes were decoded so far.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Checks that the stream is complete; returns a warning where bytes that are no gzip were ignored at its end.
    ///
    /// # Errors
    ///
    /// `Truncated` where the last member is incomplete; the error of an earlier `push`.
    pub(crate) fn finish(&mut self) -> Result<Option<String>> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        match self.state {
            State::Header if self.consumed == 0 => {
                Err(Error::truncated("the content is empty, where gzip was expected"))
            }
            State::Header | State::Body | State::Trailer => Err(Error::truncated(format!(
                "the gzip data is cut off: it ends after {} compressed bytes within member {} ({} bytes decoded)",
                self.consumed,
                self.members + 1,
                self.produced,
            ))),
            State::Behind if self.pending.is_empty() => Ok(None),
            State::Behind | State::Junk => Ok(Some(format!(
                "bytes that are no gzip follow the gzip data ({} members, {} bytes decoded): they are ignored, the data is kept",
                self.members, self.produced,
            ))),
        }
    }

    fn decode(&mut self, chunk: &[u8], out: &mut Vec<u8>, room: Room) -> Result<Option<usize>> {
        let mut done = 0;
        while done < chunk.len() || self.full {
            let rest = chunk.get(done..).unwrap_or_default();
            let used = match self.state {
                State::Header => self.header(rest)?,
                State::Body => self.body(rest, out, room)?,
                State::Trailer => self.trailer(rest)?,
                State::Behind => self.behind(rest),
                State::Junk => rest.len(),
            };
            self.consumed += used as u64;
            done += used;
            if self.full {
                return Ok(Some(done));
            }
        }
        Ok(None)
    }

    /// Each of these returns how many bytes of the chunk it used.
    fn header(&mut self, chunk: &[u8]) -> Result<usize> {
        // The usual case: all of it lies in the chunk, and nothing is copied.
        if self.pending.is_empty()
            && let Some(length) = header::length(chunk)?
        {
            self.start_body();
            return Ok(length);
        }
        let before = self.pending.len();
        let taken = chunk.get(..512).unwrap_or(chunk);
        self.pending.extend_from_slice(taken);
        match header::length(&self.pending)? {
            None => Ok(taken.len()),
            Some(length) => {
                self.start_body();
                Ok(length.saturating_sub(before))
            }
        }
    }

    fn start_body(&mut self) {
        self.pending.clear();
        self.decoder.reset(false);
        self.checksum = Crc::new();
        self.member_bytes = 0;
        self.state = State::Body;
    }

    fn body(&mut self, chunk: &[u8], out: &mut Vec<u8>, room: Room) -> Result<usize> {
        let mut used = 0;
        loop {
            if room == Room::AsNeeded {
                make_room(out)?;
            }
            self.full = out.len() == out.capacity();
            if self.full {
                return Ok(used);
            }
            let rest = chunk.get(used..).unwrap_or_default();
            let bite = rest.get(..BITE).unwrap_or(rest);
            let (in_before, out_before) = (self.decoder.total_in(), out.len());
            let status = self.decoder.decompress_vec(bite, out, FlushDecompress::None).map_err(|error| {
                Error::corrupt(format!(
                    "the gzip data is damaged in member {}, near compressed byte {}: {error}",
                    self.members + 1,
                    self.consumed + used as u64,
                ))
            })?;
            let eaten = usize::try_from(self.decoder.total_in() - in_before).unwrap_or(bite.len());
            used += eaten;
            let fresh = out.get(out_before..).unwrap_or_default();
            self.count(fresh)?;
            if status == Status::StreamEnd {
                self.state = State::Trailer;
                return Ok(used);
            }
            // With room left in the output, the decoder has given all that its input makes.
            let gave_all = out.len() < out.capacity();
            if gave_all && (used == chunk.len() || eaten == 0) {
                return Ok(chunk.len());
            }
        }
    }

    fn count(&mut self, fresh: &[u8]) -> Result<()> {
        self.checksum.update(fresh);
        self.member_bytes += fresh.len() as u64;
        self.produced += fresh.len() as u64;
        if self.produced > self.max_bytes {
            return Err(Error::too_large(format!(
                "the gunzipped data is larger than {} bytes: raise max_bytes to accept it",
                self.max_bytes
            )));
        }
        Ok(())
    }

    fn trailer(&mut self, chunk: &[u8]) -> Result<usize> {
        let missing = TRAILER.saturating_sub(self.pending.len());
        let taken = chunk.get(..missing).unwrap_or(chunk);
        self.pending.extend_from_slice(taken);
        if let Some((&checksum, size)) = self.pending.split_first_chunk()
            && let Some((&size, _)) = size.split_first_chunk()
        {
            self.check(u32::from_le_bytes(checksum), u32::from_le_bytes(size))?;
            self.pending.clear();
            self.members += 1;
            self.state = State::Behind;
        }
        Ok(taken.len())
    }

    fn check(&self, checksum: u32, size: u32) -> Result<()> {
        let wrong = if checksum != self.checksum.sum() {
            "checksum"
        } else if u64::from(size) != self.member_bytes & u64::from(u32::MAX) {
            "length"
        } else {
            return Ok(());
        };
        Err(Error::corrupt(format!(
            "the gzip data is damaged: the {wrong} of member {} ({} bytes decoded) is wrong",
            self.members + 1,
            self.member_bytes
        )))
    }

    fn behind(&mut self, chunk: &[u8]) -> usize {
        if self.pending.is_empty() {
            let zeros = chunk.iter().take_while(|&&byte| byte == 0).count();
            if zeros > 0 {
                return zeros;
            }
            if chunk.starts_with(&header::MAGIC) {
                self.state = State::Header;
                return 0;
            }
        }
        let Some(&byte) = chunk.first() else { return 0 };
        self.pending.push(byte);
        if !header::MAGIC.starts_with(&self.pending) {
            self.state = State::Junk;
        } else if self.pending.len() == header::MAGIC.len() {
            self.state = State::Header;
        }
        1
    }
}

/// Room to decode into. Fails where memory is short, in place of ending the process.
fn make_room(out: &mut Vec<u8>) -> Result<()> {
    if out.capacity() - out.len() >= ROOM / 8 {
        return Ok(());
    }
    out.try_reserve(ROOM).map_err(|_| {
        Error::too_large(format!(
            "there is no memory for more than {} bytes of gunzipped data: set max_bytes",
            out.len()
        ))
    })
}
