//! Steps 6 and 7: what a stake majority agrees on, and what of the weights stands up to it.

use alloc::vec::Vec;

use crate::fixed::{Fixed, normalize, part_of, sum};
use crate::sparse::{Entry, Sparse, at};

/// The smallest score for which more than `minority` of the stake scores no higher; the largest score if there is none.
///
/// Source: step 6 of Bittensor's Yuma consensus, which finds it by a pivot search. Sums of stake are exact, so the
/// result does not depend on how it is found: here by halving, in linear time. Zero if there are no scores; surplus
/// elements of the longer slice are ignored. Stake must not be negative. Scores of zero stake are candidates too: drop
/// them before, as the epoch does, if they should not be.
pub fn weighted_median(stake: &[Fixed], score: &[Fixed], minority: Fixed) -> Fixed {
    let mut scored: Vec<(Fixed, Fixed)> = score.iter().copied().zip(stake.iter().copied()).collect();
    let median = median_above(&mut scored, |(score, _)| score, |(_, stake)| stake, Fixed::ZERO, minority);
    median.map_or(Fixed::ZERO, |(score, _)| score)
}

/// The one of `open` with the median score, where `below` stake is already known to score lower than all of them.
fn median_above<T: Copy, S: Ord>(
    mut open: &mut [T],
    score: impl Fn(T) -> S,
    stake: impl Fn(T) -> Fixed,
    mut below: Fixed,
    minority: Fixed,
) -> Option<T> {
    /// So few are sorted faster than they are parted.
    const FEW: usize = 16;
    // The highest of those below: the answer if nobody is left.
    let mut highest = None;
    while open.len() > FEW {
        // Parts the open ones around the one in the middle of their order, in linear time whatever the scores.
        let middle = open.len() / 2;
        let (lower, &mut pivot, upper) = open.select_nth_unstable_by_key(middle, |one| score(*one));
        let below_pivot = below.saturating_add(sum(lower.iter().map(|one| stake(*one))));
        if below_pivot > minority {
            open = lower;
            continue;
        }
        below = below_pivot.saturating_add(stake(pivot));
        if below > minority {
            return Some(pivot);
        }
        highest = Some(pivot);
        open = upper;
    }
    open.sort_unstable_by_key(|one| score(*one));
    for one in open.iter().copied() {
        below = below.saturating_add(stake(one));
        highest = Some(one);
        if below > minority {
            break;
        }
    }
    highest
}

/// C: for each neuron the stake-weighted median of the weights on it, over validators with active stake (step 6).
///
/// Most weights are absent, which here means zero, so a column is judged by its entries and by how much stake has none.
pub(crate) fn consensus(active_stake: &[Fixed], weights: &Sparse, kappa: Fixed) -> Vec<Fixed> {
    // The chain normalizes once more, which moves a last bit here and there.
    let mut stake = active_stake.to_vec();
    normalize(&mut stake);
    let validators = stake.iter().filter(|&&stake| stake > Fixed::ZERO).count();
    let total = sum(stake.iter().copied());
    let minority = total.saturating_sub(kappa);
    Columns::of(weights, &stake).map_each(|votes| {
        let stake_of = |vote: Entry| at(&stake, usize::from(vote.column()));
        let mut silent = Fixed::ZERO;
        if votes.len() < validators {
            // Exact, as all terms are multiples of 2^-32 and none overflows.
            silent = total.saturating_sub(sum(votes.iter().map(|vote| stake_of(*vote))));
            if silent > minority {
                return Fixed::ZERO;
            }
        }
        median_above(votes, |vote| vote, stake_of, silent, minority).map_or(Fixed::ZERO, Entry::value)
    })
}

/// The entries of a matrix by column, of rows with stake only: the transpose, where an entry's "column" is its row.
struct Columns {
    votes: Vec<Entry>,
    column_ends: Vec<usize>,
}

impl Columns {
    /// Sorts the entries by column: count, then place. Linear in entries plus columns.
    fn of(matrix: &Sparse, stake: &[Fixed]) -> Self {
        let staked_rows = || {
            (0..=u16::MAX).zip(matrix.rows()).zip(stake).filter(|(_, stake)| **stake > Fixed::ZERO).map(|(row, _)| row)
        };
        let mut next_of_column = alloc::vec![0_usize; matrix.size()];
        for (_, row) in staked_rows() {
            for entry in row {
                if let Some(count) = next_of_column.get_mut(usize::from(entry.column())) {
                    *count += 1;
                }
            }
        }
        let mut start = 0;
        for next in &mut next_of_column {
            start += core::mem::replace(next, start);
        }
        let mut votes = alloc::vec![Entry::default(); start];
        for (uid, row) in staked_rows() {
            for entry in row {
                let Some(next) = next_of_column.get_mut(usize::from(entry.column())) else { continue };
                if let Some(place) = votes.get_mut(*next) {
                    *place = Entry::new(uid, entry.value());
                }
                *next += 1;
            }
        }
        // Each column has been filled up to where the next starts.
        Self { votes, column_ends: next_of_column }
    }

    fn map_each(mut self, mut f: impl FnMut(&mut [Entry]) -> Fixed) -> Vec<Fixed> {
        let mut start = 0;
        let mut results = Vec::with_capacity(self.column_ends.len());
        for &end in &self.column_ends {
            results.push(f(self.votes.get_mut(start..end).unwrap_or_default()));
            start = end;
        }
        results
    }
}

/// What of the weights stands up to consensus (step 7).
pub(crate) struct Clipped {
    /// W̄: weights cut to consensus. An entry that is cut to zero disappears, one that was zero stays.
    pub(crate) weights: Sparse,
    /// The sums of its rows.
    pub(crate) row_sums: Vec<Fixed>,
    /// R: the sums of its columns, rows weighted by active stake, each product truncated.
    pub(crate) ranks: Vec<Fixed>,
}

/// Cuts weights to consensus, and sums what is left. In one pass: a large subnet's weights do not fit into a cache.
pub(crate) fn clip(weights: &Sparse, consensus: &[Fixed], active_stake: &[Fixed]) -> Clipped {
    let mut clipped = Sparse::with_capacity(weights.size(), weights.len());
    let mut row_sums = Vec::with_capacity(weights.size());
    let mut ranks = alloc::vec![Fixed::ZERO; weights.size()];
    for (uid, row) in weights.rows().enumerate() {
        let stake = at(active_stake, uid);
        let mut row_sum = Fixed::ZERO;
        for entry in row {
            let column = usize::from(entry.column());
            let limit = at(consensus, column);
            let value = entry.value().min(limit);
            if value < entry.value() && limit == Fixed::ZERO {
                continue;
            }
            clipped.push(entry.column(), value);
            row_sum = row_sum.saturating_add(value);
            if let Some(rank) = ranks.get_mut(column) {
                *rank = rank.saturating_add(part_of(value, stake));
            }
        }
        clipped.end_row();
        row_sums.push(row_sum);
    }
    Clipped { weights: clipped, row_sums, ranks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fixed(values: &[f64]) -> Vec<Fixed> {
        values.iter().map(|&value| Fixed::from_num(value)).collect()
    }

    #[test]
    fn a_majority_sets_consensus() {
        let rows = [alloc::vec![(2, 2), (1, 2)], alloc::vec![(2, 4)], alloc::vec![]];
        let weights = Sparse::from_stored(&rows, |_| Some(|_| true), |stored| Fixed::from_num(stored));
        let half = Fixed::from_num(0.5);
        assert_eq!(consensus(&fixed(&[0.75, 0.25, 0.0]), &weights, half), fixed(&[0.0, 2.0, 2.0]));
        assert_eq!(consensus(&fixed(&[0.25, 0.75, 0.0]), &weights, half), fixed(&[0.0, 0.0, 4.0]));
        assert_eq!(consensus(&fixed(&[0.0, 0.0, 0.0]), &weights, half), fixed(&[0.0; 3]), "nobody is active");
    }

    #[test]
    fn stake_is_normalized_once_more() {
        // 0.75 and 0.25 that have lost four last bits together: normalized, they get back two and one of them.
        let active = [Fixed::from_bits((3 << 30) - 4), Fixed::from_bits(1 << 30)];
        let rows = [alloc::vec![], alloc::vec![(0, 7)]];
        let weights = Sparse::from_stored(&rows, |_| Some(|_| true), |stored| Fixed::from_num(stored));
        let kappa_above_quarter = |last_bits: i64| Fixed::from_bits((1 << 30) + last_bits);
        assert_eq!(consensus(&active, &weights, kappa_above_quarter(1)), fixed(&[7.0, 0.0]));
        assert_eq!(consensus(&active, &weights, kappa_above_quarter(2)), fixed(&[0.0, 0.0]));
    }

    #[test]
    fn where_all_vote_a_majority_of_more_than_all_stake_takes_the_lowest() {
        // Truncation leaves less than one, of which a kappa of one asks for more.
        let third = Fixed::from_bits(0x5555_5555);
        let rows = [alloc::vec![(2, 7)], alloc::vec![(2, 4)], alloc::vec![(2, 9), (1, 9)]];
        let weights = Sparse::from_stored(&rows, |_| Some(|_| true), |stored| Fixed::from_num(stored));
        assert_eq!(consensus(&[third; 3], &weights, Fixed::ONE), fixed(&[0.0, 0.0, 4.0]));
    }

    #[test]
    fn clipping_drops_what_has_no_consensus_but_keeps_explicit_zeros() {
        let rows = [alloc::vec![(0, 0), (1, 5), (2, 5)], alloc::vec![], alloc::vec![]];
        let weights = Sparse::from_stored(&rows, |_| Some(|_| true), |stored| Fixed::from_num(stored));
        let clipped = clip(&weights, &fixed(&[0.0, 0.0, 3.0]), &fixed(&[0.5, 0.0, 0.0]));
        assert_eq!((clipped.row_sums, clipped.ranks), (fixed(&[3.0, 0.0, 0.0]), fixed(&[0.0, 0.0, 1.5])));
        let row: Vec<_> =
            clipped.weights.rows().flatten().map(|entry| (entry.column(), entry.value().to_num::<u16>())).collect();
        assert_eq!(row, [(0, 0), (2, 3)]);
    }

    proptest! {
        /// The sparse median of every column is the plain one over the column written out.
        #[test]
        fn sparse_and_plain_median_agree(
            (n, stake, cells) in (1_usize..9).prop_flat_map(|n| (
                Just(n),
                prop::collection::vec(0_u32..5, n),
                prop::collection::vec(prop::option::of(0_u16..4), n * n),
            )),
            kappa in 0_u16..,
        ) {
            let mut active: Vec<Fixed> = stake.iter().map(|&stake| Fixed::from_num(stake)).collect();
            normalize(&mut active);
            let rows: Vec<Vec<(u16, u16)>> = cells
                .chunks(n)
                .map(|row| (0..).zip(row).filter_map(|(column, cell)| cell.map(|value| (column, value))).collect())
                .collect();
            let weights = Sparse::from_stored(&rows, |_| Some(|_| true), |stored| Fixed::from_num(stored));
            let kappa = crate::proportion_from_u16(kappa);
            let got = consensus(&active, &weights, kappa);

            let mut staked: Vec<Fixed> = active.iter().copied().filter(|&stake| stake > 0).collect();
            normalize(&mut staked);
            let minority = sum(staked.iter().copied()).saturating_sub(kappa);
            for (column, &median) in got.iter().enumerate() {
                let score: Vec<Fixed> = (0..n)
                    .filter(|&row| active[row] > 0)
                    .map(|row| Fixed::from_num(cells[row * n + column].unwrap_or(0)))
                    .collect();
                prop_assert_eq!(median, weighted_median(&staked, &score, minority));
            }
        }
    }
}
