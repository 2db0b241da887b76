//! Memory for intermediate results, used again and again.
//!
//! A pass through the network takes and gives back the same sizes every time, so in the steady state
//! nothing is allocated. What lies idle is bounded: after an unusually long text, memory returns to the
//! system.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

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

/// The most that lies idle for each core, in cache lines: 32 MiB, what one chunk of a usual model takes.
const MOST_IDLE_A_CORE: usize = 1 << 19;

static MOST_IDLE: LazyLock<usize> =
    LazyLock::new(|| MOST_IDLE_A_CORE * std::thread::available_parallelism().map_or(1, usize::from).max(2));

struct Idle {
    /// By size, those that came first in front.
    by_size: BTreeMap<usize, VecDeque<Given>>,
    lines: usize,
    /// How many were ever given back.
    given: u64,
}

/// Memory that was given back.
struct Given {
    lines: Vec<Line>,
    /// The how-manieth it was.
    number: u64,
}

static IDLE: Mutex<Idle> = Mutex::new(Idle { by_size: BTreeMap::new(), lines: 0, given: 0 });

fn idle() -> MutexGuard<'static, Idle> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns all that lies idle to the system.
pub fn release_idle() {
    let mut idle = idle();
    idle.by_size.clear();
    idle.lines = 0;
}

impl Idle {
    fn take(&mut self, lines: usize) -> Option<Vec<Line>> {
        let found = self.by_size.get_mut(&lines)?.pop_back()?;
        self.lines -= lines;
        Some(found.lines)
    }

    /// What has lain idle longest makes way for what is given back now: sizes that nobody takes any more
    /// must not keep out those that are taken again and again.
    fn keep(&mut self, lines: Vec<Line>) {
        if lines.is_empty() || lines.len() > *MOST_IDLE {
            return;
        }
        self.lines += lines.len();
        self.given += 1;
        let given = Given { number: self.given, lines };
        self.by_size.entry(given.lines.len()).or_default().push_back(given);
        while self.lines > *MOST_IDLE {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let fronts = self.by_size.values_mut().filter(|of_a_size| !of_a_size.is_empty());
        let oldest = fronts.min_by_key(|of_a_size| of_a_size.front().map(|given| given.number));
        if let Some(dropped) = oldest.and_then(VecDeque::pop_front) {
            self.lines -= dropped.lines.len();
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
