//! A question about many things, asked on all threads.

use super::runtime::engine;
use crate::error::Error;

/// Fewer things are asked about on this thread.
const FEW: u64 = 4;

/// Whether `test` is true of all numbers from 0 to before `count`.
pub(crate) fn every(count: u64, test: &(dyn Fn(u64) -> bool + Sync)) -> bool {
    let cpu = engine().and_then(|engine| engine.cpu());
    let Some(cpu) = cpu.ok().filter(|_| count >= FEW) else { return (0..count).all(test) };
    let mut numbers = 0..count;
    let work = |number| if test(number) { Ok(()) } else { Err(Error::argument("not true of all")) };
    cpu.run(|| numbers.next(), work, &mut || Ok(())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_not_so_is_found() {
        for count in [0, 1, FEW, 1000] {
            assert!(every(count, &|_| true));
            assert_eq!(every(count, &|number| number + 1 != count), count == 0);
        }
    }
}
