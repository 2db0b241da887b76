//! Memory for intermediate results, used again and again.
//!
//! A pass through the network takes and gives back the same sizes every time, so in the steady state
//! nothing is allocated. What lies idle is bounded: after an unusually long text, memory returns to the
//! system.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::simd::LANES;

/// A cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LANES]);

/// `f32`s at the beginning of a cache line.
#[derive(Debug, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    length: usize,
}

impl Buffer {
    /// Room for `length` values. What they are is left to chance: values of earlier work.
    pub fn take(length: usize) -> Self {
        let lines = rounded(length.div_ceil(LANES));
        let found = idle().take(lines);
        let lines = found.unwrap_or_else(|| vec![Line([0.0; LANES]); lines]);
        Buffer { lines, length }
    }

    /// Zeros that stay for good: not rounded up as those that are used again.
    pub fn zeros(length: usize) -> Self {
        Buffer { lines: vec![Line([0.0; LANES]); length.div_ceil(LANES)], length }
    }

    /// A copy of values.
    pub fn of(values: &[f32]) -> Self {
        let mut buffer = Buffer::take(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a `Line` is sixteen `f32` without padding, and `length` is at most sixteen a line.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if rounded(lines.len()) == lines.len() {
            idle().keep(lines);
        }
    }
}

/// Sizes grow by an eighth at most: few sizes, little waste.
fn rounded(lines: usize) -> usize {
    let step = (lines.next_power_of_two() / 16).max(1);
    lines.next_multiple_of(step)
}

/// The most that lies idle, in cache lines: 64 MiB.
const MOST_IDLE: usize = 1 << 20;

struct Idle {
    by_size: BTreeMap<usize, Vec<Vec<Line>>>,
    lines: usize,
}

static IDLE: Mutex<Idle> = Mutex::new(Idle { by_size: BTreeMap::new(), lines: 0 });

fn idle() -> MutexGuard<'static, Idle> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Idle {
    fn take(&mut self, lines: usize) -> Option<Vec<Line>> {
        let found = self.by_size.get_mut(&lines)?.pop()?;
        self.lines -= lines;
        Some(found)
    }

    fn keep(&mut self, lines: Vec<Line>) {
        if !lines.is_empty() && self.lines + lines.len() <= MOST_IDLE {
            self.lines += lines.len();
            self.by_size.entry(lines.len()).or_default().push(lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_given_back_is_used_again() {
        // A size that no other test takes.
        let length = 123 * LANES * 1024;
        let first = Buffer::take(length);
        let place = first.as_ptr();
        drop(first);
        let second = Buffer::take(length - 5);
        assert_eq!((second.as_ptr(), second.len()), (place, length - 5));
        assert_eq!(place as usize % 64, 0);
    }

    #[test]
    fn rounding_wastes_an_eighth_at_most_and_is_stable() {
        for lines in 1..5000 {
            let size = rounded(lines);
            assert!(size >= lines && size * 8 <= lines * 9 + 8 && rounded(size) == size, "{lines} → {size}");
        }
    }
}
