//! Selectors as values: printed, and made of whatever says which rows.

use ndarray::arr1;
use rustfits::{ColumnValues, FitsWriter, TableOptions};

#[test]
fn rows_by_every_range_and_by_arrays() -> rustfits::Result<()> {
    let fits = FitsWriter::create("mem://").wait()?;
    fits.write_table(vec![ColumnValues::from_array("a", &arr1(&[10i16, 11, 12, 13]))], TableOptions::named("CAT"))
        .wait()?;
    let table = fits.reader().table("CAT");
    let read = |table: rustfits::TableSelector| -> rustfits::Result<Vec<i16>> {
        Ok(table.read().wait()?.array::<i16>("a")?.iter().copied().collect())
    };
    assert_eq!(read(table.clone().rows(1..3))?, [11, 12]);
    assert_eq!(read(table.clone().rows(-1..))?, [13]);
    assert_eq!(read(table.clone().rows(..2))?, [10, 11]);
    assert_eq!(read(table.clone().rows(..))?, [10, 11, 12, 13]);
    assert_eq!(read(table.rows([3, 0, 3]))?, [13, 10, 13]);
    Ok(())
}

#[test]
fn selectors_are_printed_with_what_they_ask_for() -> rustfits::Result<()> {
    let fits = FitsWriter::create("mem://").wait()?;
    let reader = fits.reader();
    let image = format!("{:?}", reader.image("SCI"));
    assert!(image.contains("mem://") && image.contains("SCI"), "{image}");
    let table = format!("{:?}", reader.table("CAT").columns(["ra"]));
    assert!(table.contains("CAT") && table.contains("ra"), "{table}");
    Ok(())
}
