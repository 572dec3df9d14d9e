//! Softmax over the keys that a query may see, those up to its own position, for some queries at a time; and back.

use super::{
    kernel::kernels,
    lanes::{dot, exp, max, reduce},
};
use crate::aligned::CACHE_LINE;

/// Values from one query's scores to the next one's where up to `visible` keys are seen: whole vectors.
pub(crate) fn score_stride(visible: usize) -> usize {
    visible.next_multiple_of(CACHE_LINE)
}

/// Of a query: its highest score, and 1 / Σ exp(score − highest). With both, the way back finds the same probabilities to the
/// last bit.
#[derive(Clone, Copy, Default)]
pub(super) struct Softmax {
    highest: f32,
    scale: f32,
}

/// A vector of scores.
type Vector = [f32; CACHE_LINE];

/// For each number of values that are seen of a vector, all bits of these.
const SEEN: [[u32; CACHE_LINE]; CACHE_LINE + 1] = {
    let mut masks = [[0; CACHE_LINE]; CACHE_LINE + 1];
    let mut seen = 0;
    while seen <= CACHE_LINE {
        let mut i = 0;
        while i < seen {
            masks[seen][i] = u32::MAX;
            i += 1;
        }
        seen += 1;
    }
    masks
};

/// With another value in place of what is not seen, whatever it was.
#[inline(always)]
fn masked(vector: &Vector, seen: usize, value: f32) -> Vector {
    let (mask, mut masked) = (&SEEN[seen], [0.0; CACHE_LINE]);
    for i in 0..CACHE_LINE {
        masked[i] = f32::from_bits(vector[i].to_bits() & mask[i] | value.to_bits() & !mask[i]);
    }
    masked
}

/// A row's vectors of which a query sees everything, the one it sees the first values of, how many of these, and the rest.
type Seen<'a> = (&'a mut [Vector], &'a mut Vector, usize, &'a mut [Vector]);

#[inline(always)]
fn seen(row: &mut [f32], position: usize) -> Option<Seen<'_>> {
    let (whole, rest) = row.as_chunks_mut::<CACHE_LINE>().0.split_at_mut_checked(position / CACHE_LINE)?;
    let (last, beyond) = rest.split_first_mut()?;
    Some((whole, last, position % CACHE_LINE + 1, beyond))
}

#[inline(always)]
fn powers(scores: &Vector, highest: f32) -> Vector {
    let mut powers = [0.0; CACHE_LINE];
    for i in 0..CACHE_LINE {
        powers[i] = exp(scores[i] - highest);
    }
    powers
}

/// Probabilities from scores, and the gradient of the scores from that of the probabilities.
#[inline(always)]
fn vector_back(scores: &mut Vector, d: &mut Vector, softmax: Softmax, along: f32) {
    for i in 0..CACHE_LINE {
        scores[i] = exp(scores[i] - softmax.highest) * softmax.scale;
        d[i] = scores[i] * (d[i] - along);
    }
}

kernels! {
    /// Scores to probabilities, for queries from the one at position `first` on; zero for what a query does not see. Rows are
    /// `stride` values, whole vectors.
    pub(super) fn softmax(scores: &mut [f32], stride: usize, first: usize, softmaxes: &mut [Softmax]) {
        debug_assert!(stride.is_multiple_of(CACHE_LINE) && first + softmaxes.len() <= stride);
        for (i, (row, softmax)) in scores.chunks_exact_mut(stride).zip(softmaxes).enumerate() {
            let Some((whole, last, of_last, beyond)) = seen(row, first + i) else { return };
            let of_whole = max(whole.as_flattened());
            let of_rest = max(&masked(last, of_last, f32::NEG_INFINITY));
            let highest = if of_rest > of_whole { of_rest } else { of_whole };
            let mut sums = [0.0; CACHE_LINE];
            for vector in whole.iter_mut() {
                *vector = powers(vector, highest);
                for i in 0..CACHE_LINE {
                    sums[i] += vector[i];
                }
            }
            *last = masked(&powers(last, highest), of_last, 0.0);
            for i in 0..CACHE_LINE {
                sums[i] += last[i];
            }
            let scale = 1.0 / reduce(sums);
            for vector in whole.iter_mut().chain([last]) {
                for probability in vector {
                    *probability *= scale;
                }
            }
            beyond.fill([0.0; CACHE_LINE]);
            *softmax = Softmax { highest, scale };
        }
    }

    /// Scores to probabilities again, and the gradient of these to that of the scores; zero for what a query does not see. `outputs`: the
    /// gradient of the attended values and these themselves, in rows that are `of_outputs.0` values apart and `of_outputs.1` wide.
    pub(super) fn softmax_back(
        scores: (&mut [f32], &mut [f32]),
        stride: usize,
        first: usize,
        softmaxes: &[Softmax],
        outputs: (&[f32], &[f32]),
        of_outputs: (usize, usize),
    ) {
        debug_assert!(stride.is_multiple_of(CACHE_LINE) && first + softmaxes.len() <= stride);
        let rows = scores.0.chunks_exact_mut(stride).zip(scores.1.chunks_exact_mut(stride)).zip(softmaxes);
        for (i, ((scores, d), &softmax)) in rows.enumerate() {
            let output = i * of_outputs.0..i * of_outputs.0 + of_outputs.1;
            let along = dot(&outputs.0[output.clone()], &outputs.1[output]);
            let Some((scores, d)) = seen(scores, first + i).zip(seen(d, first + i)) else { return };
            for (scores, d) in scores.0.iter_mut().zip(d.0) {
                vector_back(scores, d, softmax, along);
            }
            let of_last = scores.2;
            vector_back(scores.1, d.1, softmax, along);
            *scores.1 = masked(scores.1, of_last, 0.0);
            *d.1 = masked(d.1, of_last, 0.0);
            scores.3.fill([0.0; CACHE_LINE]);
            d.3.fill([0.0; CACHE_LINE]);
        }
    }
}
