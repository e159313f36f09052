//! The progress bar of a fetch.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// How often the bar is drawn anew while nothing happens.
const TICK: Duration = Duration::from_millis(200);
const TEMPLATE: &str = "{spinner} {pos} files, {msg}[{elapsed}]";

/// A bar that shows files and bytes; without a terminal it shows nothing.
pub(super) fn bar(known: Option<u64>) -> ProgressBar {
    let bar = known.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let template = if known.is_some() { "{bar:40} {pos}/{len} files, {msg}[{elapsed}<{eta}]" } else { TEMPLATE };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}
