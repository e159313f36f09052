//! The one place that changes a file: carries out the steps of a plan, in order.

use crate::error::Result;
use crate::source::{Content, EditPlan, Step, Storage};

/// How much of a large array is made and written at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// Applies a plan. A failure leaves the steps before it done; the caller's layout must not take the new state then.
pub(crate) fn apply(plan: EditPlan<'_>, storage: &dyn Storage) -> Result<()> {
    let mut scratch = Vec::new();
    for step in plan {
        match step {
            Step::SetLen(len) => storage.set_len(len)?,
            Step::Write { at, content: Content::Bytes(bytes) } => storage.write_at(at, &bytes)?,
            Step::Write { at, content: Content::Made { len, producer } } => {
                let mut done = 0;
                while done < len {
                    let end = (done + CHUNK_BYTES).min(len);
                    scratch.resize((end - done) as usize, 0);
                    producer(done..end, &mut scratch)?;
                    storage.write_at(at + done, &scratch)?;
                    done = end;
                }
            }
        }
    }
    Ok(())
}
