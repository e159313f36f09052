//! Cards, values, headers, the layout of HDUs, scaling: bytes in, values out. Pure: knows no source and starts no thread.

pub(crate) mod card;
pub(crate) mod checksum;
mod column_keywords;
mod compose;
mod compose_long;
mod encoding;
pub(crate) mod endian;
pub(crate) mod header;
mod header_edit;
mod header_splice;
mod header_text;
mod keyword;
mod long;
mod protected;
mod record;
pub(crate) mod scaling;
pub(crate) mod structure;
mod touched;
mod uncompressed;
pub(crate) mod value;
mod value_from;

pub(crate) use card::{CARD_BYTES, CardKind, classify};
pub(crate) use encoding::{Encoding, Misfit, Stored, to_big_endian};
pub use endian::{DataType, Element};
pub use header::Header;
pub use protected::is_protected_keyword;
pub(crate) use scaling::{Scaling, ScalingKind};
pub use structure::HduKind;
pub(crate) use structure::{BLOCK_BYTES, HduLayout, padded};
pub(crate) use touched::HeaderState;
pub(crate) use uncompressed::is_of_compressed_table;
pub use value::{FromValue, Value};
