//! Begins the transfer of a file that is read while it arrives.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::runtime::engine;
use crate::error::Result;
use crate::io::{Arrival, ArrivalSink, Keep};

/// A file that `transfer` brings, which runs on the engine's runtime until it is done, or until nobody has the file any more.
pub(crate) fn arriving(
    keep: Keep,
    transfer: impl for<'a> FnOnce(&'a mut ArrivalSink) -> BoxFuture<'a, Result<()>> + Send + 'static,
) -> Result<Arc<Arrival>> {
    let runtime = engine()?.runtime()?;
    Arrival::begin(keep, |mut sink| {
        let task = runtime.spawn(async move {
            let result = transfer(&mut sink).await;
            sink.finish(result).await;
        });
        Ok(task.abort_handle())
    })
}
