//! What files and HDUs look like when they are printed.

use rustfits::{Field, HduInfo, HduKind};

/// Width of the labels of an HDU's repr.
const LABEL: usize = 12;

/// The name that listings have for a kind of HDU.
pub(crate) fn kind_name(kind: HduKind) -> &'static str {
    match kind {
        HduKind::BinaryTable | HduKind::CompressedTable => "BINARY_TBL",
        HduKind::AsciiTable => "ASCII_TBL",
        _ => "IMAGE_HDU",
    }
}

/// A file: its name, its mode, and its HDUs where they could be read.
pub(crate) fn file(name: &str, mode: &str, hdus: Option<&[HduInfo]>) -> String {
    let Some(hdus) = hdus else {
        return format!("  file: {name}\n  mode: {mode}\n  status: closed");
    };
    let mut lines =
        vec![format!("  file: {name}"), format!("  mode: {mode}"), "  extnum hdutype      extname".to_owned()];
    for hdu in hdus {
        let line = format!("  {:<6} {:<12} {}", hdu.index(), kind_name(hdu.kind()), hdu.name().unwrap_or_default());
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// An HDU: where it is, and what it holds.
pub(crate) fn hdu(file: &str, info: &HduInfo) -> String {
    let mut lines =
        vec![label("file", file), label("extension", &info.index().to_string()), label("type", kind_name(info.kind()))];
    if let Some(name) = info.name() {
        lines.push(label("extname", name));
    }
    match info.kind() {
        HduKind::BinaryTable | HduKind::AsciiTable | HduKind::CompressedTable => table(info, &mut lines),
        _ => image(info, &mut lines),
    }
    lines.join("\n")
}

fn image(info: &HduInfo, lines: &mut Vec<String>) {
    lines.push("  image info:".to_owned());
    if let (Ok(data_type), Ok(shape)) = (info.data_type(), info.shape()) {
        lines.push(format!("    data type: {}", data_type.code()));
        lines.push(format!("    dims: {shape:?}"));
    }
    if let (Ok(compression), Ok(tile_shape)) = (info.compression(), info.tile_shape()) {
        lines.push(format!("    compression: {compression}"));
        lines.push(format!("    tile: {tile_shape:?}"));
    }
    if let Some(unit) = info.unit() {
        lines.push(format!("    unit: {unit}"));
    }
}

fn table(info: &HduInfo, lines: &mut Vec<String>) {
    let (Ok(rows), Ok(fields)) = (info.rows(), info.fields()) else { return };
    let units = info.units().unwrap_or_default();
    lines.push(label("rows", &rows.to_string()));
    if let (Ok(tile_rows), Ok(tiles)) = (info.tile_rows(), info.tiles()) {
        lines.push(label("tiles", &format!("{tiles} of {tile_rows} rows")));
    }
    lines.push("  column info:".to_owned());
    let width = fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
    for field in &fields {
        let unit = units
            .iter()
            .find(|(name, _)| *name == field.name)
            .map_or_else(String::new, |(_, unit)| format!("  ({unit})"));
        lines.push(format!("    {:<width$} {:>4}{}{unit}", field.name, field.code, array_note(field)));
    }
}

fn array_note(field: &Field) -> String {
    if field.code == "O" {
        return "  array[var]".to_owned();
    }
    if field.shape.is_empty() {
        return String::new();
    }
    let lengths: Vec<String> = field.shape.iter().map(usize::to_string).collect();
    format!("  array[{}]", lengths.join(","))
}

fn label(name: &str, value: &str) -> String {
    format!("  {:<LABEL$}{value}", format!("{name}:"))
}
