//! Checksums of HDUs: set where a file is changed, verified where it is read (FITS 4.0 §4.4.2.7).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::checksum_plan::{ChecksumPlan, Scope};
use crate::directory::HduKey;
use crate::engine::{Buffer, Op, Watch, run_plan};
use crate::error::{Result, ResultExt};
use crate::format::Header;
use crate::format::checksum::{Sum, UNSET};
use crate::reader::FitsReader;
use crate::writer::{Changer, FitsWriter};

const SECONDS_A_DAY: u64 = 86_400;

impl FitsReader {
    /// Whether the data of an HDU are those that its DATASUM card was made for; `None` without that card. All data are read, piece by piece.
    ///
    /// The sum is over the bytes as they are stored; ZDATASUM of compressed HDUs is not looked at.
    ///
    /// # Errors
    ///
    /// There is no such HDU, or it is cut short.
    pub fn verify_datasum(&self, key: impl Into<HduKey>) -> Op<Option<bool>> {
        self.verify(key.into(), Scope::Data)
    }

    /// Whether an HDU, header and data, is the one that its CHECKSUM card was made for; `None` without that card. All data are read,
    /// piece by piece.
    ///
    /// # Errors
    ///
    /// As [`FitsReader::verify_datasum`].
    pub fn verify_checksum(&self, key: impl Into<HduKey>) -> Op<Option<bool>> {
        self.verify(key.into(), Scope::Hdu)
    }

    fn verify(&self, key: HduKey, scope: Scope) -> Op<Option<bool>> {
        self.file.read(
            key,
            move |hdu, source| ChecksumPlan::verify(hdu, scope, source),
            |plan, buffers| Ok(plan.verdict(buffers.first().map_or(&[], Buffer::bytes))),
        )
    }
}

impl FitsWriter {
    /// Sets the DATASUM card of an HDU: the checksum of its data as they are now. Later changes don't refresh it.
    ///
    /// # Errors
    ///
    /// As [`FitsWriter::edit_header`].
    pub fn add_datasum(&self, key: impl Into<HduKey>) -> Op<()> {
        self.shared.add_sum(key.into(), Scope::Data)
    }

    /// Sets the DATASUM and CHECKSUM cards of an HDU: the checksums of its data and of all of it, as they are now. Later changes, also of
    /// the header, don't refresh them.
    ///
    /// # Errors
    ///
    /// As [`FitsWriter::edit_header`].
    ///
    /// # Examples
    ///
    /// ```
    /// use rustfits::{FitsWriter, ImageOptions};
    ///
    /// let fits = FitsWriter::create("mem://").wait()?;
    /// fits.write_image(&ndarray::array![[1i16, 2], [3, 4]], ImageOptions::default()).wait()?;
    /// assert_eq!(fits.reader().verify_checksum(0).wait()?, None);
    /// fits.add_checksum(0).wait()?;
    /// assert_eq!(fits.reader().verify_checksum(0).wait()?, Some(true));
    /// # Ok::<(), rustfits::Error>(())
    /// ```
    pub fn add_checksum(&self, key: impl Into<HduKey>) -> Op<()> {
        self.shared.add_sum(key.into(), Scope::Hdu)
    }
}

impl Changer {
    fn add_sum(self: &Arc<Self>, key: HduKey, scope: Scope) -> Op<()> {
        let shared = Arc::clone(self);
        Op::edit(move || {
            let file = shared.file();
            let mut target = shared.target()?;
            let source = target.source();
            // Nothing is changed while the target is held; the directory is free for readers while the data are summed up.
            let hdu = file.find(&key, &*source)?;
            let summed = ChecksumPlan::of_data(&hdu, &*source).and_then(|plan| {
                let pieces = run_plan(&plan, &*source, &mut Watch::none())?;
                Ok(ChecksumPlan::sum(pieces.first().map_or(&[], Buffer::bytes)))
            });
            let data = summed.in_hdu(hdu.index).in_file(file.name())?;
            let edit = |header: &mut Header| set_cards(header, scope, data, &now());
            shared.change_held(&mut target, &mut file.directory(), hdu.index, edit)
        })
    }
}

/// Sets the cards for data of this sum.
fn set_cards(header: &mut Header, scope: Scope, data: Sum, time: &str) -> Result<()> {
    let mut edited = header.clone();
    let comment = format!("data unit checksum updated {time}");
    edited.set_structural("DATASUM", data.number().to_string(), &comment)?;
    if scope == Scope::Hdu {
        let comment = format!("HDU checksum updated {time}");
        edited.set_structural("CHECKSUM", UNSET, &comment)?;
        let text = Sum::of(&edited.to_bytes()).with(data).encoded();
        edited.set_structural("CHECKSUM", text, &comment)?;
    }
    *header = edited;
    Ok(())
}

fn now() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or_else(|_| date_of(0), |time| date_of(time.as_secs()))
}

/// Seconds since 1970 as date and time, UTC.
fn date_of(seconds: u64) -> String {
    let of_day = seconds % SECONDS_A_DAY;
    let (mut year, mut day) = (1970, seconds / SECONDS_A_DAY);
    let is_leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for days in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date_of(0), "1970-01-01T00:00:00");
        assert_eq!(date_of(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(date_of(1_735_689_599), "2024-12-31T23:59:59");
        assert_eq!(date_of(1_735_689_600), "2025-01-01T00:00:00");
    }
}
