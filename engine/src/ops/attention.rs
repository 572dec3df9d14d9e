//! Causal multi-head attention with rotary positions, fused: the scores of a head exist for a few rows at a time, and
//! are computed again on the way back rather than kept.

use super::{
    lanes::{dot, exp, max, sum, vectorized},
    matrix::{View, multiply},
};

/// Queries whose scores are held at once. Smaller wastes less of the causal triangle, larger feeds `gemm` better.
const QUERY_ROWS: usize = 64;

/// Cosines and sines of the rotary encoding, [context, head_width / 2] each. Feature i turns together with feature
/// i + head_width / 2, as in Llama checkpoints.
pub(crate) struct Rotary {
    cosines: Vec<f32>,
    sines: Vec<f32>,
    half: usize,
}

impl Rotary {
    pub(crate) fn new(context: usize, head_width: usize, base: u32) -> Self {
        let half = head_width / 2;
        let angle = |i: usize| {
            let (position, pair) = (i / half, i % half);
            position as f64 / f64::from(base).powf(pair as f64 / half as f64)
        };
        let table = |f: fn(f64) -> f64| (0..context * half).map(|i| f(angle(i)) as f32).collect();
        Self { cosines: table(f64::cos), sines: table(f64::sin), half }
    }

    #[inline(always)]
    fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.half..(position + 1) * self.half;
        (&self.cosines[range.clone()], &self.sines[range])
    }
}

/// Turns a head's features by the angles of their position; with negated sines, back.
#[inline(always)]
fn rotate(from: &[f32], to: &mut [f32], cosines: &[f32], sines: &[f32], direction: f32, scale: f32) {
    let half = cosines.len();
    for i in 0..half {
        let (a, b) = (from[i], from[i + half]);
        let sine = sines[i] * direction;
        to[i] = (a * cosines[i] - b * sine) * scale;
        to[i + half] = (b * cosines[i] + a * sine) * scale;
    }
}

/// Sizes of one attention.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) batch: usize,
    pub(crate) context: usize,
    pub(crate) heads: usize,
    pub(crate) head_width: usize,
}

impl Shape {
    fn width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Elements of one head's matrix.
    fn head(&self) -> usize {
        self.context * self.head_width
    }

    /// Where the three matrices of a (sequence, head) lie in `rotated`.
    fn head_start(&self, sequence: usize, head: usize) -> usize {
        (sequence * self.heads + head) * 3 * self.head()
    }
}

/// What the way back needs.
pub(crate) struct Attended {
    /// The result, [n, heads · head_width].
    pub(crate) output: Vec<f32>,
    /// Per sequence and head: queries (turned and scaled), keys (turned), values; [context, head_width] each.
    rotated: Vec<f32>,
    /// Per sequence, head and query: its highest score, and 1 / Σ exp(score − highest). With both, the way back finds
    /// the same probabilities to the last bit.
    softmaxes: Vec<Softmax>,
}

#[derive(Clone, Copy, Default)]
struct Softmax {
    highest: f32,
    scale: f32,
}

/// qkv: [n, 3 · heads · head_width], queries, keys and values of all heads side by side.
pub(crate) fn forward(qkv: &[f32], shape: Shape, rotary: &Rotary) -> Attended {
    let Shape { batch, context, heads, head_width } = shape;
    let width = shape.width();
    let mut rotated = vec![0.0; batch * heads * 3 * shape.head()];
    turn(qkv, shape, rotary, &mut rotated);
    let mut output = vec![0.0; batch * context * width];
    let mut softmaxes = vec![Softmax::default(); batch * heads * context];
    let mut scores = vec![0.0; QUERY_ROWS.min(context) * context];
    for sequence in 0..batch {
        for head in 0..heads {
            let start = shape.head_start(sequence, head);
            let (queries, rest) = rotated[start..start + 3 * shape.head()].split_at(shape.head());
            let (keys, values) = rest.split_at(shape.head());
            for first in (0..context).step_by(QUERY_ROWS) {
                let rows = QUERY_ROWS.min(context - first);
                let visible = first + rows;
                raw_scores(queries, keys, head_width, first, rows, &mut scores);
                let softmaxes = &mut softmaxes[(sequence * heads + head) * context + first..][..rows];
                softmax(&mut scores[..rows * visible], visible, first, softmaxes);
                multiply(
                    (rows, head_width, visible),
                    (&mut output, View::rows(width).at((sequence * context + first) * width + head * head_width)),
                    false,
                    (&scores, View::rows(visible)),
                    (values, View::rows(head_width)),
                );
            }
        }
    }
    Attended { output, rotated, softmaxes }
}

/// Sorts qkv by head and turns queries and keys; queries also take the scale of the scores.
fn turn(qkv: &[f32], shape: Shape, rotary: &Rotary, rotated: &mut [f32]) {
    let Shape { batch, context, heads, head_width } = shape;
    let width = shape.width();
    let scale = 1.0 / (head_width as f32).sqrt();
    vectorized(|| {
        for sequence in 0..batch {
            for position in 0..context {
                let (cosines, sines) = rotary.at(position);
                let row = &qkv[(sequence * context + position) * 3 * width..][..3 * width];
                for head in 0..heads {
                    let to = shape.head_start(sequence, head) + position * head_width;
                    let (query, key, value) = (to, to + shape.head(), to + 2 * shape.head());
                    let from = |part: usize| &row[part * width + head * head_width..][..head_width];
                    rotate(from(0), &mut rotated[query..][..head_width], cosines, sines, 1.0, scale);
                    rotate(from(1), &mut rotated[key..][..head_width], cosines, sines, 1.0, 1.0);
                    rotated[value..][..head_width].copy_from_slice(from(2));
                }
            }
        }
    });
}

/// scores = Q·Kᵀ for queries first..first+rows and the keys they may see at most; [rows, first + rows].
fn raw_scores(queries: &[f32], keys: &[f32], head_width: usize, first: usize, rows: usize, scores: &mut [f32]) {
    let visible = first + rows;
    multiply(
        (rows, visible, head_width),
        (scores, View::rows(visible)),
        false,
        (queries, View::rows(head_width).at(first * head_width)),
        (keys, View::rows(head_width).transposed()),
    );
}

/// Row by row over the keys up to the query's own position; zero beyond.
fn softmax(scores: &mut [f32], visible: usize, first: usize, softmaxes: &mut [Softmax]) {
    vectorized(|| {
        for (i, (row, softmax)) in scores.chunks_exact_mut(visible).zip(softmaxes).enumerate() {
            let (row, future) = row.split_at_mut(first + i + 1);
            future.fill(0.0);
            let highest = max(row);
            for value in row.iter_mut() {
                *value = exp(*value - highest);
            }
            let scale = 1.0 / sum(row);
            for value in row.iter_mut() {
                *value *= scale;
            }
            *softmax = Softmax { highest, scale };
        }
    });
}

/// The gradient of qkv from that of the output.
pub(crate) fn backward(d_output: &[f32], attended: &Attended, shape: Shape, rotary: &Rotary) -> Vec<f32> {
    let Shape { batch, context, heads, head_width } = shape;
    let width = shape.width();
    let mut d_qkv = vec![0.0; batch * context * 3 * width];
    let scratch = QUERY_ROWS.min(context) * context;
    let (mut probabilities, mut d_scores) = (vec![0.0; scratch], vec![0.0; scratch]);
    let mut d_rotated = vec![0.0; 3 * shape.head()];
    for sequence in 0..batch {
        for head in 0..heads {
            let start = shape.head_start(sequence, head);
            let (queries, rest) = attended.rotated[start..start + 3 * shape.head()].split_at(shape.head());
            let (keys, values) = rest.split_at(shape.head());
            d_rotated.fill(0.0);
            let (d_queries, rest) = d_rotated.split_at_mut(shape.head());
            let (d_keys, d_values) = rest.split_at_mut(shape.head());
            for first in (0..context).step_by(QUERY_ROWS) {
                let rows = QUERY_ROWS.min(context - first);
                let visible = first + rows;
                let block = View::rows(width).at((sequence * context + first) * width + head * head_width);
                raw_scores(queries, keys, head_width, first, rows, &mut probabilities);
                multiply(
                    (rows, visible, head_width),
                    (&mut d_scores, View::rows(visible)),
                    false,
                    (d_output, block),
                    (values, View::rows(head_width).transposed()),
                );
                let softmaxes = &attended.softmaxes[(sequence * heads + head) * context + first..][..rows];
                vectorized(|| {
                    for (i, softmax) in softmaxes.iter().enumerate() {
                        let at = block.start + i * width;
                        let along = dot(&d_output[at..][..head_width], &attended.output[at..][..head_width]);
                        let seen = first + i + 1;
                        let (p, p_future) = probabilities[i * visible..][..visible].split_at_mut(seen);
                        let (ds, ds_future) = d_scores[i * visible..][..visible].split_at_mut(seen);
                        p_future.fill(0.0);
                        ds_future.fill(0.0);
                        for (p, ds) in p.iter_mut().zip(ds) {
                            *p = exp(*p - softmax.highest) * softmax.scale;
                            *ds = *p * (*ds - along);
                        }
                    }
                });
                multiply(
                    (rows, head_width, visible),
                    (d_queries, View::rows(head_width).at(first * head_width)),
                    false,
                    (&d_scores, View::rows(visible)),
                    (keys, View::rows(head_width)),
                );
                multiply(
                    (visible, head_width, rows),
                    (d_keys, View::rows(head_width)),
                    true,
                    (&d_scores, View::rows(visible).transposed()),
                    (queries, View::rows(head_width).at(first * head_width)),
                );
                multiply(
                    (visible, head_width, rows),
                    (d_values, View::rows(head_width)),
                    true,
                    (&probabilities, View::rows(visible).transposed()),
                    (d_output, block),
                );
            }
            turn_back(&d_rotated, shape, rotary, sequence, head, &mut d_qkv);
        }
    }
    d_qkv
}

/// The reverse of [`turn`] for one head.
fn turn_back(d_rotated: &[f32], shape: Shape, rotary: &Rotary, sequence: usize, head: usize, d_qkv: &mut [f32]) {
    let Shape { context, head_width, .. } = shape;
    let width = shape.width();
    let scale = 1.0 / (head_width as f32).sqrt();
    vectorized(|| {
        for position in 0..context {
            let (cosines, sines) = rotary.at(position);
            let row = &mut d_qkv[(sequence * context + position) * 3 * width..][..3 * width];
            let from = |part: usize| &d_rotated[part * shape.head() + position * head_width..][..head_width];
            let at = |part: usize| part * width + head * head_width;
            rotate(from(0), &mut row[at(0)..][..head_width], cosines, sines, -1.0, scale);
            rotate(from(1), &mut row[at(1)..][..head_width], cosines, sines, -1.0, 1.0);
            row[at(2)..][..head_width].copy_from_slice(from(2));
        }
    });
}

#[cfg(test)]
mod tests {
    use candle_core::{D, Device, Result, Tensor};

    use super::super::oracle::{Oracle, pseudo_random};
    use super::*;

    /// Attention as textbooks write it.
    fn textbook(qkv: &Tensor, shape: Shape) -> Result<Tensor> {
        let Shape { batch, context, heads, head_width } = shape;
        let (half, device) = (head_width / 2, &Device::Cpu);
        let angles: Vec<f64> =
            (0..context * half).map(|i| (i / half) as f64 / 10_000f64.powf((i % half) as f64 / half as f64)).collect();
        let angles = Tensor::from_vec(angles, (context, half), device)?;
        let (cosines, sines) = (angles.cos()?, angles.sin()?);
        let part = |i: usize| {
            qkv.narrow(1, i * heads * head_width, heads * head_width)?
                .reshape((batch, context, heads, head_width))?
                .transpose(1, 2)?
                .contiguous()
        };
        let turned = |x: Tensor| {
            let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
            let first = (a.broadcast_mul(&cosines)? - b.broadcast_mul(&sines)?)?;
            let second = (b.broadcast_mul(&cosines)? + a.broadcast_mul(&sines)?)?;
            Tensor::cat(&[first, second], D::Minus1)?.contiguous()
        };
        let (queries, keys, values) = (turned(part(0)?)?, turned(part(1)?)?, part(2)?);
        let scores = (queries.matmul(&keys.transpose(2, 3)?.contiguous()?)? / (head_width as f64).sqrt())?;
        let mask: Vec<f64> =
            (0..context * context).map(|i| if i % context <= i / context { 0.0 } else { -1e30 }).collect();
        let scores = scores.broadcast_add(&Tensor::from_vec(mask, (context, context), device)?)?;
        let weights = scores.exp()?;
        let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
        weights.matmul(&values)?.transpose(1, 2)?.contiguous()?.reshape((batch * context, heads * head_width))
    }

    #[test]
    fn agrees_with_autograd() {
        // Shorter than a block of queries, exactly two, and two and a bit.
        for context in [7, 2 * QUERY_ROWS, 2 * QUERY_ROWS + 9] {
            let shape = Shape { batch: 2, context, heads: 2, head_width: 6 };
            let n = shape.batch * context;
            let qkv: Vec<f32> = pseudo_random(1, n * 36).iter().map(|x| x * 2.0).collect();
            let dy = pseudo_random(2, n * 12);
            let oracle = Oracle::new(&[(&qkv, &[n, 36])]);
            let (y, gradients) = oracle.run(&dy, |v| textbook(&v[0], shape));
            let rotary = Rotary::new(context, 6, 10_000);
            let attended = forward(&qkv, shape, &rotary);
            oracle.assert_close("output", &attended.output, &y);
            oracle.assert_close("dqkv", &backward(&dy, &attended, shape, &rotary), &gradients[0]);
        }
    }

    #[test]
    fn the_future_is_invisible() {
        let shape = Shape { batch: 1, context: 70, heads: 1, head_width: 4 };
        let rotary = Rotary::new(70, 4, 10_000);
        let mut qkv = pseudo_random(3, 70 * 12);
        let before = forward(&qkv, shape, &rotary).output;
        qkv[69 * 12..].fill(9.0);
        let after = forward(&qkv, shape, &rotary).output;
        assert_eq!(before[..69 * 4], after[..69 * 4]);
        assert_ne!(before[69 * 4..], after[69 * 4..]);
    }
}
