//! Checksums of HDUs: set where a file is changed, verified where it is read (FITS 4.0 §4.4.2.7).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::changer::Changer;
use crate::checksum_plan::{ChecksumPlan, Form, Scope};
use crate::directory::{HduEntry, HduKey};
use crate::engine::{Buffer, Op, Watch, run_plan};
use crate::error::{Result, ResultExt};
use crate::format::Header;
use crate::format::checksum::{Sum, UNSET};
use crate::reader::FitsReader;
use crate::source::ReadAt;
use crate::writer::FitsWriter;

const SECONDS_A_DAY: u64 = 86_400;

impl FitsReader {
    /// Whether the data of an HDU are those that its DATASUM card was made for; `None` without that card. All data are read, piece by piece.
    ///
    /// Of a compressed image or table it is ZDATASUM, over the pixels or the rows as they are when it is not compressed; only without that card DATASUM, over
    /// the bytes as they are stored.
    ///
    /// # Errors
    ///
    /// There is no such HDU, or it is cut short. [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a compressed table whose arrays share bytes of its heap.
    pub fn verify_datasum(&self, key: impl Into<HduKey>) -> Op<Option<bool>> {
        self.verify(key.into(), Scope::Data)
    }

    /// Whether an HDU, header and data, is the one that its CHECKSUM card was made for; `None` without that card. All data are read,
    /// piece by piece. Of a compressed image or table it is ZHECKSUM, as for [`FitsReader::verify_datasum`].
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
    /// Of a compressed image or table it is ZDATASUM: that of its pixels or rows as they are when it is not compressed. Where the table that it is stored in
    /// has a DATASUM or CHECKSUM of its own, these are set anew.
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
            let summed = sum_of(&hdu, Form::of(&hdu), &*source).and_then(|data| {
                let is_wanted = |keyword: &str| hdu.header.contains(keyword);
                let also = Form::of(&hdu) != Form::Stored && Form::Stored.keywords().into_iter().any(is_wanted);
                Ok((data, if also { Some(sum_of(&hdu, Form::Stored, &*source)?) } else { None }))
            });
            let (data, table) = summed.in_hdu(hdu.index).in_file(file.name())?;
            let edit = |header: &mut Header| set_cards(header, Form::of(&hdu), scope, (data, table), &now());
            shared.change_held(&mut target, &mut file.directory(), hdu.index, edit)
        })
    }
}

fn sum_of(hdu: &HduEntry, form: Form, source: &dyn ReadAt) -> Result<Sum> {
    let plan = ChecksumPlan::of_data(hdu, form, source)?;
    let pieces = run_plan(&plan, source, &mut Watch::none())?;
    Ok(ChecksumPlan::sum(pieces.first().map_or(&[], Buffer::bytes)))
}

/// Sets the cards for data of this sum; `table` is that of the table that a compressed HDU is stored in, where that has such cards, too.
fn set_cards(
    header: &mut Header,
    form: Form,
    scope: Scope,
    (data, table): (Sum, Option<Sum>),
    time: &str,
) -> Result<()> {
    let mut edited = header.clone();
    let [datasum, checksum] = form.keywords();
    let comment = format!("data unit checksum updated {time}");
    edited.set_structural(datasum, data.number().to_string(), &comment)?;
    if scope == Scope::Hdu {
        let comment = format!("HDU checksum updated {time}");
        edited.set_structural(checksum, UNSET, &comment)?;
        let bytes = form.header(&edited)?.to_bytes();
        edited.set_structural(checksum, Sum::of(&bytes).with(data).encoded(), &comment)?;
    }
    if let Some(table) = table {
        let scope = if edited.contains("CHECKSUM") { Scope::Hdu } else { Scope::Data };
        set_cards(&mut edited, Form::Stored, scope, (table, None), time)?;
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
