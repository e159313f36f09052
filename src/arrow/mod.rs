//! Tables as Arrow record batches, out and in: the form in which pyarrow, polars, pandas, DuckDB and DataFusion hand tables to each other.
//!
//! Only with the feature `arrow`. What a column is in Arrow:
//!
//! | FITS 4.0 §7.3, §7.2 | Arrow |
//! | --- | --- |
//! | `B` `I` `J` `K` `E` `D`, ASCII numbers | `UInt8` `Int16` `Int32` `Int64` `Float32` `Float64`; unsigned types and `Int8` with their TZERO; `Float64` with any other TSCAL and TZERO |
//! | `L`, `X` | `Boolean` |
//! | `A` | `Utf8`; `LargeUtf8` where a batch can have more than 2 GiB of text |
//! | `C`, `M` | `FixedSizeList<Float32, 2>`, `FixedSizeList<Float64, 2>`: real and imaginary part |
//! | a repeat count, TDIM | `FixedSizeList`, one in another for each axis, the slowest outside |
//! | `P`, `Q` | `List`; `LargeList` where the heap can hold more than 2^31 elements |
//!
//! Integers that are TNULL, logicals of 0 and ASCII fields that read TNULL are null. NaN is a value. A field's metadata have the `unit`
//! (TUNIT), and under `element` that it holds `bit`s or `complex` numbers, which makes them such again where they are written.
//!
//! Numbers lie in the memory that the read decoded them into; logicals and bits are packed, and texts joined, from there: one more copy.

mod batch;
mod reader;
mod schema;
mod values;

pub use reader::BatchReader;
pub(crate) use values::{columns_of, options_of};

/// The key of a field's metadata for TUNIT.
const UNIT: &str = "unit";
/// The key for what an element is where the type alone does not say it.
const ELEMENT: &str = "element";
const BIT: &str = "bit";
const COMPLEX: &str = "complex";
/// What the name of a list's child is by convention.
const ITEM: &str = "item";
