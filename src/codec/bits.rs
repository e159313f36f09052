//! Strings of bits, most significant bit first, as RICE_1 and HCOMPRESS_1 have them (FITS 4.0 §10.4.1, §10.4.4).

/// Reads a bit string, most significant bit first.
#[derive(Clone, Copy)]
pub(super) struct BitReader<'a> {
    /// The next bits, from the top. Those beyond `available` are 0 or already right.
    pub(super) window: u64,
    /// How many bits of the window count: at most 63.
    pub(super) available: u32,
    /// The bytes of which no bit counts yet.
    rest: &'a [u8],
}

impl<'a> BitReader<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self { window: 0, available: 0, rest: input }
    }

    /// Makes at least 56 bits available, or all that there are.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if let Some((word, _)) = self.rest.split_first_chunk::<8>() {
            self.window |= u64::from_be_bytes(*word) >> (self.available & 63);
            // As many bytes as fit whole; the bits of one more are in the window, and come again with the next refill.
            let bytes = (63_u32.wrapping_sub(self.available) >> 3) & 7;
            self.rest = self.rest.get(bytes as usize..).unwrap_or_default();
            self.available |= 56;
        } else {
            self.refill_by_bytes();
        }
    }

    #[inline(always)]
    fn refill_by_bytes(&mut self) {
        while self.available < 56
            && let Some((&byte, rest)) = self.rest.split_first()
        {
            self.window |= u64::from(byte) << 56_u32.wrapping_sub(self.available);
            self.available = self.available.wrapping_add(8);
            self.rest = rest;
        }
    }

    /// Takes a number of at most 32 bits; `None` if the input ends before.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        self.refill();
        let available = self.available.checked_sub(count)?;
        // In two steps, as count may be 0 and a shift by 64 is none.
        let number = ((self.window >> 1) >> 63_u32.wrapping_sub(count)) as u32;
        self.window = self.window.wrapping_shl(count);
        self.available = available;
        Some(number)
    }

    /// Takes 0 bits up to a 1 bit, and that too, and returns how many they were; `None` if the input ends before.
    #[inline(always)]
    pub(super) fn count_zeros(&mut self) -> Option<u32> {
        let mut zeros: u32 = 0;
        loop {
            self.refill();
            let leading = self.window.leading_zeros();
            if leading < self.available {
                self.window = self.window.wrapping_shl(leading).wrapping_shl(1);
                self.available = self.available.wrapping_sub(leading).wrapping_sub(1);
                return Some(zeros.wrapping_add(leading));
            }
            if self.available == 0 {
                return None;
            }
            zeros = zeros.wrapping_add(self.available);
            self.window = self.window.wrapping_shl(self.available);
            self.available = 0;
        }
    }

    /// The next bits, at most 32; 0 where the input ends before.
    #[inline(always)]
    pub(super) fn peek(&mut self, count: u32) -> u32 {
        self.refill();
        ((self.window >> 1) >> 63_u32.wrapping_sub(count)) as u32
    }

    /// Passes over bits that were looked at; `None` if the input ends before.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) -> Option<()> {
        self.available = self.available.checked_sub(count)?;
        self.window = self.window.wrapping_shl(count);
        Some(())
    }

    /// Passes over what is left of a byte of which bits were taken.
    pub(super) fn align(&mut self) {
        let count = self.available % u8::BITS;
        self.available = self.available.wrapping_sub(count);
        self.window = self.window.wrapping_shl(count);
    }
}

/// Writes a bit string, most significant bit first.
pub(super) struct BitWriter<'a> {
    output: &'a mut Vec<u8>,
    /// The bits that are not in `output` yet, at the top.
    window: u64,
    /// How many bits of the window are not used: more than 32 between calls.
    free: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(output: &'a mut Vec<u8>) -> Self {
        Self { output, window: 0, free: u64::BITS }
    }

    /// Writes a number of at most 32 bits.
    #[inline(always)]
    pub(super) fn put(&mut self, number: u32, count: u32) {
        self.free = self.free.wrapping_sub(count);
        self.window |= u64::from(number).wrapping_shl(self.free);
        if self.free <= 32 {
            self.output.extend_from_slice(&((self.window >> 32) as u32).to_be_bytes());
            self.window <<= 32;
            self.free = self.free.wrapping_add(32);
        }
    }

    pub(super) fn put_zeros(&mut self, mut count: u32) {
        while count > 0 {
            let now = count.min(32);
            self.put(0, now);
            count -= now;
        }
    }

    pub(super) fn finish(self) {
        let bytes = (u64::BITS - self.free).div_ceil(8) as usize;
        self.output.extend(self.window.to_be_bytes().into_iter().take(bytes));
    }
}
