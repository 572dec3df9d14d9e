//! Lines of memory that are asked for while something else is computed, a few at a time: all at once they would take the processor's
//! few places for lines under way, and what is being computed would wait for its own.

use std::ops::Range;

use crate::aligned::CACHE_LINE;

/// Lines along one direction, and then along another. Nothing depends on them but time: a place that is not there is asked
/// for in vain.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    at: *const f32,
    /// From a line to the next of its run, in values.
    step: usize,
    /// Lines of a run, and how many of them are left of this one.
    run: usize,
    left: usize,
    /// Runs after this one, each a line further on.
    runs: usize,
}

impl Lines {
    pub(super) fn none() -> Self {
        Self { at: std::ptr::null(), step: 0, run: 0, left: 0, runs: 0 }
    }

    /// Of values in one piece.
    #[inline(always)]
    pub(super) fn of(values: &[f32]) -> Self {
        let run = values.len().div_ceil(CACHE_LINE);
        Self { at: values.as_ptr(), step: CACHE_LINE, run, left: run, runs: 0 }
    }

    /// Of some columns of some rows, `stride` values apart, the first of them at `start`.
    #[inline(always)]
    pub(super) fn of_rows(values: &[f32], start: usize, stride: usize, rows: usize, columns: usize) -> Self {
        let runs = columns.div_ceil(CACHE_LINE);
        let run = if runs == 0 { 0 } else { rows };
        Self { at: values.as_ptr().wrapping_add(start), step: stride, run, left: run, runs: runs.saturating_sub(1) }
    }

    #[inline(always)]
    fn next(&mut self) -> Option<*const f32> {
        self.left = self.left.checked_sub(1)?;
        let line = self.at;
        self.at = line.wrapping_add(self.step);
        if self.left == 0 && self.runs > 0 {
            self.at = self.at.wrapping_sub(self.run * self.step).wrapping_add(CACHE_LINE);
            (self.left, self.runs) = (self.run, self.runs - 1);
        }
        Some(line)
    }
}

/// Lines asked for one after the other, in this order.
#[derive(Clone, Copy)]
pub(super) struct Queue<const N: usize> {
    lines: [Lines; N],
    at: usize,
}

impl<const N: usize> Queue<N> {
    #[inline(always)]
    pub(super) fn new(lines: [Lines; N]) -> Self {
        Self { lines, at: 0 }
    }

    pub(super) fn empty() -> Self {
        Self { lines: [Lines::none(); N], at: N }
    }

    #[inline(always)]
    fn next(&mut self) -> Option<*const f32> {
        while let Some(lines) = self.lines.get_mut(self.at) {
            if let Some(line) = lines.next() {
                return Some(line);
            }
            self.at += 1;
        }
        None
    }
}

/// What a tile of a product asks for, as far as it goes: first what the product needs itself, then what is needed after it.
pub(super) struct Ahead<'a> {
    pub(super) own: Queue<3>,
    pub(super) soon: &'a mut Soon,
}

/// What is needed soon, but by others.
pub(super) type Soon = Queue<4>;

impl Ahead<'_> {
    /// Asks for one more line.
    #[inline(always)]
    pub(super) fn ask(&mut self) {
        if let Some(line) = self.own.next().or_else(|| self.soon.next()) {
            fetch(line);
        }
    }
}

/// The share of `whole` that falls to one of `parts`.
pub(super) fn share(whole: &Range<usize>, part: usize, parts: usize) -> Range<usize> {
    let at = |part: usize| whole.start + whole.len() * part / parts;
    at(part)..at(part + 1)
}

/// Where stable Rust has no way to ask, nothing.
#[inline(always)]
fn fetch(line: *const f32) {
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "an intrinsic that takes a pointer")]
    // SAFETY: it reads nothing and changes nothing but what the caches hold, whatever the place, and every x86-64 has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far behind the first value its lines lie.
    fn places<const N: usize>(values: &[f32], lines: [Lines; N]) -> Vec<usize> {
        let mut queue = Queue::new(lines);
        let places = std::iter::from_fn(|| queue.next().map(|line| line as usize - values.as_ptr() as usize));
        places.map(|bytes| bytes / size_of::<f32>()).collect()
    }

    #[test]
    fn every_line_is_asked_for_once_and_in_order() {
        let values = vec![0.0; 1000];
        assert_eq!(places(&values, [Lines::of(&values[..40])]), [0, 16, 32]);
        // 33 columns of 3 rows: column by column of lines.
        let rows = Lines::of_rows(&values, 7, 100, 3, 33);
        assert_eq!(places(&values, [rows]), [7, 107, 207, 23, 123, 223, 39, 139, 239]);
        let last = Lines::of(&values[992..]);
        assert_eq!(places(&values, [Lines::none(), last, Lines::of(&[]), last]), [992, 992]);
        for (rows, columns) in [(0, 5), (5, 0), (0, 0)] {
            assert!(places(&values, [Lines::of_rows(&values, 0, 10, rows, columns)]).is_empty());
        }
    }

    #[test]
    fn shares_follow_each_other_and_leave_nothing_out() {
        for (whole, parts) in [(3..40, 7), (0..5, 9), (2..2, 3)] {
            let shares: Vec<_> = (0..parts).flat_map(|part| share(&whole, part, parts)).collect();
            assert_eq!(shares, whole.collect::<Vec<_>>());
        }
    }
}
