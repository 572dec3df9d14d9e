//! The matrix of weights, of bonds and of everything between: rows of (column, value), one allocation for all rows.

use alloc::vec::Vec;

use crate::fixed::{Divisor, Fixed, part_of, sum};

/// One stored value of a row, and its column (the target's uid), in one word: few bytes to move, and words are in the
/// order of values.
///
/// An entry may be zero: what is stored explicitly is not the same as what is absent (liquid alpha can tell).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry(u64);

impl Entry {
    const COLUMN_BITS: u32 = 16;
    /// What is left for the value: all that an epoch's matrices hold, shares of one and stored `u16`, is below 2^16.
    const MAX_VALUE: Fixed = Fixed::from_bits((1 << (64 - Self::COLUMN_BITS)) - 1);

    /// The value must not be negative, nor above what is left for it.
    pub(crate) fn new(column: u16, value: Fixed) -> Self {
        debug_assert!((Fixed::ZERO..=Self::MAX_VALUE).contains(&value), "{value}");
        Self((value.to_bits().cast_unsigned() << Self::COLUMN_BITS) | u64::from(column))
    }

    pub(crate) fn column(self) -> u16 {
        self.0 as u16
    }

    pub(crate) fn value(self) -> Fixed {
        Fixed::from_bits((self.0 >> Self::COLUMN_BITS).cast_signed())
    }

    fn set_value(&mut self, value: Fixed) {
        *self = Self::new(self.column(), value);
    }
}

/// Square sparse matrix, one row and one column per uid. A column occurs at most once in a row; entries of a row keep
/// the order in which they were pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sparse {
    entries: Vec<Entry>,
    /// Where each row ends in `entries`; it starts where the one before ends.
    row_ends: Vec<usize>,
}

impl Sparse {
    /// Empty, with room for `rows` rows of together `entries` entries.
    pub(crate) fn with_capacity(rows: usize, entries: usize) -> Self {
        Self { entries: Vec::with_capacity(entries), row_ends: Vec::with_capacity(rows) }
    }

    /// Adds an entry to the row that is being built.
    pub(crate) fn push(&mut self, column: u16, value: Fixed) {
        self.entries.push(Entry::new(column, value));
    }

    /// Adds a whole row, but for values that are zero, and ends it.
    pub(crate) fn push_positive(&mut self, row: impl ExactSizeIterator<Item = (u16, Fixed)>) {
        let start = self.entries.len();
        let mut has_zero = false;
        self.entries.extend(row.map(|(column, value)| {
            has_zero |= value == Fixed::ZERO;
            Entry::new(column, value)
        }));
        if has_zero {
            let kept = self.entries.split_off(start).into_iter().filter(|entry| entry.value() > Fixed::ZERO);
            self.entries.extend(kept);
        }
        self.end_row();
    }

    /// Ends the row that is being built.
    pub(crate) fn end_row(&mut self) {
        self.row_ends.push(self.entries.len());
    }

    /// Reads stored rows: keeps the entries that `keep_in(row)` keeps by column, none of a row for which it is `None`, with
    /// their value converted.
    pub(crate) fn from_stored<Keep: Fn(u16) -> bool>(
        rows: &[crate::input::Row],
        keep_in: impl Fn(u16) -> Option<Keep>,
        convert: impl Fn(u16) -> Fixed,
    ) -> Self {
        let mut matrix = Self::with_capacity(rows.len(), rows.iter().map(Vec::len).sum());
        for (uid, row) in (0..=u16::MAX).zip(rows) {
            if let Some(keep) = keep_in(uid) {
                let kept = row.iter().filter(|&&(column, _)| keep(column));
                matrix.entries.extend(kept.map(|&(column, stored)| Entry::new(column, convert(stored))));
            }
            matrix.end_row();
        }
        matrix
    }

    /// The number of rows, and so of columns.
    pub(crate) fn size(&self) -> usize {
        self.row_ends.len()
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The rows, in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[Entry]> {
        let starts = core::iter::once(0).chain(self.row_ends.iter().copied());
        starts.zip(&self.row_ends).map(|(start, &end)| self.entries.get(start..end).unwrap_or_default())
    }

    /// The most entries that a merger of this matrix's rows with another's can have.
    pub(crate) fn len_merged(&self, other: &Self) -> usize {
        self.rows().zip(other.rows()).map(|(row, other)| self.size().min(row.len() + other.len())).sum()
    }

    /// Changes each value, given its row and column, and nothing else.
    pub(crate) fn map_values(&mut self, mut change: impl FnMut(usize, Entry) -> Fixed) {
        let mut start = 0;
        for (row, &end) in self.row_ends.iter().enumerate() {
            for entry in self.entries.get_mut(start..end).unwrap_or_default() {
                entry.set_value(change(row, *entry));
            }
            start = end;
        }
    }

    /// Multiplies each row by its factor, a share of one.
    pub(crate) fn scale_rows(&mut self, factors: &[Fixed]) {
        self.map_values(|row, entry| part_of(entry.value(), at(factors, row)));
    }

    /// Scales each row to sum one; rows of sum zero stay.
    pub(crate) fn normalize_rows(&mut self) {
        let mut start = 0;
        for &end in &self.row_ends {
            let row = self.entries.get_mut(start..end).unwrap_or_default();
            let total = sum(row.iter().map(|entry| entry.value()));
            if total > Fixed::ZERO {
                let total = Divisor::new(total);
                row.iter_mut().for_each(|entry| entry.set_value(total.divide(entry.value())));
            }
            start = end;
        }
    }

    /// Scales each column to sum one; columns of sum zero stay.
    pub(crate) fn normalize_columns(&mut self) {
        let sums = self.column_divisors();
        self.divide_columns(&sums);
    }

    /// `result_i = sum_j share_ij * factor_j`, where `share` is this matrix with each column scaled to sum one.
    pub(crate) fn weighted_row_sums_of_shares(&self, factors: &[Fixed]) -> Vec<Fixed> {
        let sums = self.column_divisors();
        let product = |entry: &Entry| {
            let column = usize::from(entry.column());
            part_of(share(entry.value(), sums.get(column)), at(factors, column))
        };
        self.rows().map(|row| sum(row.iter().map(product))).collect()
    }

    fn column_divisors(&self) -> Vec<Divisor> {
        to_divisors(&self.fold_columns(|_, total, value| total.saturating_add(value)))
    }

    /// Scales each column so that its largest value is one; columns without a positive value stay.
    pub(crate) fn max_upscale_columns(&mut self) {
        let largest = self.fold_columns(|_, largest, value| largest.max(value));
        self.divide_columns(&to_divisors(&largest));
    }

    /// `result_i = sum_j value_ij * factor_j`, each product truncated.
    pub(crate) fn weighted_row_sums(&self, factors: &[Fixed]) -> Vec<Fixed> {
        let product = |entry: &Entry| part_of(entry.value(), at(factors, usize::from(entry.column())));
        self.rows().map(|row| sum(row.iter().map(product))).collect()
    }

    fn fold_columns(&self, fold: impl Fn(usize, Fixed, Fixed) -> Fixed) -> Vec<Fixed> {
        let mut folded = alloc::vec![Fixed::ZERO; self.size()];
        for (uid, row) in self.rows().enumerate() {
            for entry in row {
                if let Some(cell) = folded.get_mut(usize::from(entry.column())) {
                    *cell = fold(uid, *cell, entry.value());
                }
            }
        }
        folded
    }

    fn divide_columns(&mut self, divisors: &[Divisor]) {
        self.entries.iter_mut().for_each(|entry| {
            let whole = divisors.get(usize::from(entry.column()));
            entry.set_value(share(entry.value(), whole));
        });
    }
}

fn to_divisors(values: &[Fixed]) -> Vec<Divisor> {
    values.iter().map(|&value| Divisor::new(value)).collect()
}

/// A value's share of a whole, or the value itself if the whole is zero.
fn share(value: Fixed, whole: Option<&Divisor>) -> Fixed {
    whole.filter(|whole| !whole.is_zero()).map_or(value, |whole| whole.divide(value))
}

/// The element of a per-uid vector. Input is validated, so there always is one.
pub(crate) fn at(values: &[Fixed], uid: usize) -> Fixed {
    values.get(uid).copied().unwrap_or(Fixed::ZERO)
}

/// A dense row that is filled, read and emptied again, at a cost of what was put in: for merging sparse rows.
#[derive(Debug)]
pub(crate) struct Scratch {
    values: Vec<Fixed>,
    touched: Vec<u16>,
    is_touched: Vec<bool>,
}

impl Scratch {
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            values: alloc::vec![Fixed::ZERO; columns],
            touched: Vec::with_capacity(columns),
            is_touched: alloc::vec![false; columns],
        }
    }

    /// Adds to a column.
    pub(crate) fn add(&mut self, column: u16, value: Fixed) {
        let index = usize::from(column);
        if let (Some(cell), Some(is_touched)) = (self.values.get_mut(index), self.is_touched.get_mut(index)) {
            *cell = cell.saturating_add(value);
            if !core::mem::replace(is_touched, true) {
                self.touched.push(column);
            }
        }
    }

    /// What a column holds; zero if nothing was added to it.
    pub(crate) fn get(&self, column: u16) -> Fixed {
        at(&self.values, usize::from(column))
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) {
        self.take_ascending(|_, _| ());
    }

    /// Hands out (column, value) in ascending order of columns, and empties it.
    pub(crate) fn take_ascending(&mut self, mut emit: impl FnMut(u16, Fixed)) {
        self.touched.sort_unstable();
        for column in self.touched.drain(..) {
            let index = usize::from(column);
            if let (Some(cell), Some(is_touched)) = (self.values.get_mut(index), self.is_touched.get_mut(index)) {
                *is_touched = false;
                emit(column, core::mem::replace(cell, Fixed::ZERO));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(value: f64) -> Fixed {
        Fixed::from_num(value)
    }

    /// `[[., 1, 3], [., ., .], [2, ., 1]]`
    fn sample() -> Sparse {
        let rows = [alloc::vec![(1, 1), (2, 3)], alloc::vec![], alloc::vec![(0, 2), (2, 1)]];
        Sparse::from_stored(&rows, |_| Some(|_| true), |stored| Fixed::from_num(stored))
    }

    fn values(matrix: &Sparse) -> Vec<Vec<(u16, f64)>> {
        matrix.rows().map(|row| row.iter().map(|entry| (entry.column(), entry.value().to_num())).collect()).collect()
    }

    #[test]
    fn rows_come_back_as_stored() {
        let expected = [alloc::vec![(1, 1.0), (2, 3.0)], alloc::vec![], alloc::vec![(0, 2.0), (2, 1.0)]];
        assert_eq!(values(&sample()), expected);
        assert_eq!((sample().size(), sample().len()), (3, 4));
    }

    #[test]
    fn rows_and_columns_are_scaled() {
        let mut by_rows = sample();
        by_rows.normalize_rows();
        assert_eq!(values(&by_rows).first(), Some(&alloc::vec![(1, 0.25), (2, 0.75)]));

        let mut by_columns = sample();
        by_columns.normalize_columns();
        assert_eq!(values(&by_columns).last(), Some(&alloc::vec![(0, 1.0), (2, 0.25)]));

        let mut upscaled = sample();
        upscaled.max_upscale_columns();
        assert_eq!(values(&upscaled).first(), Some(&alloc::vec![(1, 1.0), (2, 1.0)]));
    }

    #[test]
    fn rows_are_summed_by_weight() {
        let factors = [fixed(0.5), fixed(1.0), fixed(0.25)];
        assert_eq!(sample().weighted_row_sums(&factors), [fixed(1.75), fixed(0.0), fixed(1.25)]);
    }

    #[test]
    fn scratch_forgets() {
        let mut scratch = Scratch::new(4);
        scratch.add(3, fixed(1.0));
        scratch.add(1, fixed(0.0));
        scratch.add(3, fixed(1.0));
        let mut seen = Vec::new();
        scratch.take_ascending(|column, value| seen.push((column, value)));
        assert_eq!(seen, [(1, fixed(0.0)), (3, fixed(2.0))]);
        assert_eq!(scratch.get(3), Fixed::ZERO);
        scratch.clear();
        scratch.take_ascending(|_, _| panic!("nothing was added"));
    }
}
