//! Causal attention with rotary positions, fused: the scores of a head exist for a few rows at a time, and are computed
//! again on the way back rather than kept. Several heads of queries may share one of keys and values (grouped queries).
//!
//! Sequences do not see each other, so threads divide them.

use std::ops::Range;

use super::{
    causal_softmax::{Softmax, score_stride, softmax, softmax_back},
    matrix::{INNER_PIECE, Into, View, multiply},
    product::soon,
    rotary::{Heads, Rotary, turn, turn_back},
    transpose::transpose,
};
use crate::{buffer::Buffer, cpu::Cpu};

/// Queries whose scores are held at once on the way back, where larger feeds the multipliers better. Part of the bits of the
/// gradients of keys and values.
pub(crate) const QUERY_ROWS: usize = 64;
/// Queries whose scores are computed at once, up to the last key that one of them may see: smaller wastes less of the causal
/// triangle.
const SCORE_ROWS: usize = 32;

/// Sizes of one attention.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) batch: usize,
    pub(crate) context: usize,
    pub(crate) heads: usize,
    /// Heads of keys and values; divides `heads`.
    pub(crate) kv_heads: usize,
    pub(crate) head_width: usize,
}

impl Shape {
    /// Features of all heads of queries.
    fn width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Features of queries, keys and values together.
    fn qkv_width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_width
    }

    /// Elements of one head's matrix.
    fn head(&self) -> usize {
        self.context * self.head_width
    }

    /// Elements of one sequence's queries, keys and values.
    fn sequence(&self) -> usize {
        self.context * self.qkv_width()
    }

    /// For the turn of a sequence.
    fn all_heads(&self) -> Heads {
        Heads { queries: self.heads, keys: self.kv_heads, width: self.head_width, context: self.context }
    }

    /// Heads of queries that share one of keys and values.
    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// A sequence's heads apart: of queries, of keys, of values.
    fn parts<'a>(&self, sequence: &'a [f32]) -> (&'a [f32], &'a [f32], &'a [f32]) {
        let (queries, rest) = sequence.split_at(self.heads * self.head());
        let (keys, values) = rest.split_at(self.kv_heads * self.head());
        (queries, keys, values)
    }
}

/// What the way back needs.
pub(crate) struct Attended {
    /// The result, [n, heads · head_width].
    pub(crate) output: Buffer,
    /// Per sequence, head after head: queries (turned and scaled), keys (turned), values; [context, head_width] each.
    rotated: Buffer,
    /// Per sequence, head and query.
    softmaxes: Vec<Softmax>,
}

impl Attended {
    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.output) + size_of_val(&*self.rotated) + size_of_val(&*self.softmaxes)
    }
}

/// qkv: [n, (heads + 2 · kv_heads) · head_width], queries, keys and values of all heads side by side.
pub(crate) fn forward(cpu: &Cpu, qkv: &[f32], shape: Shape, rotary: &Rotary) -> Attended {
    let Shape { batch, context, heads, .. } = shape;
    let mut rotated = cpu.buffer(batch * shape.sequence());
    let mut output = cpu.buffer(batch * context * shape.width());
    let mut softmaxes = vec![Softmax::default(); batch * heads * context];
    let share = cpu.share(batch);
    let (of_qkv, of_output, of_softmaxes) = (shape.sequence(), context * shape.width(), heads * context);
    let shares = qkv
        .chunks(share * of_qkv)
        .zip(rotated.chunks_mut(share * of_qkv))
        .zip(output.chunks_mut(share * of_output))
        .zip(softmaxes.chunks_mut(share * of_softmaxes));
    cpu.each(shares, |(((qkv, rotated), output), softmaxes)| {
        let of_sequence = |i: usize| qkv.chunks_exact(of_qkv).nth(i).unwrap_or(&[]);
        let outputs = output.chunks_exact_mut(of_output).zip(softmaxes.chunks_exact_mut(of_softmaxes));
        for (i, (rotated, (output, softmaxes))) in rotated.chunks_exact_mut(of_qkv).zip(outputs).enumerate() {
            turn(cpu, of_sequence(i), shape.all_heads(), rotary, rotated);
            soon([of_sequence(i + 1), &[], &[], &[]]);
            attend(cpu, shape, rotated, output, softmaxes);
        }
    });
    Attended { output, rotated, softmaxes }
}

/// One sequence's way from turned queries, keys and values to the result.
fn attend(cpu: &Cpu, shape: Shape, rotated: &[f32], output: &mut [f32], softmaxes: &mut [Softmax]) {
    let Shape { context, head_width, .. } = shape;
    let (queries, keys, values) = shape.parts(rotated);
    let mut scores = cpu.buffer(SCORE_ROWS.min(context) * score_stride(context));
    let mut keys_across = cpu.buffer(shape.head());
    let heads = queries.chunks_exact(shape.head()).zip(softmaxes.chunks_exact_mut(context)).enumerate();
    for (head, (queries, softmaxes)) in heads {
        let shared = head / shape.group() * shape.head();
        if head.is_multiple_of(shape.group()) {
            transpose(cpu, (&keys[shared..], head_width), (context, head_width), &mut keys_across);
        }
        for first in (0..context).step_by(SCORE_ROWS) {
            let rows = SCORE_ROWS.min(context - first);
            let visible = first + rows;
            let lie = View::rows(score_stride(visible));
            raw_scores(cpu, (queries, &keys_across), shape, first..visible, (&mut scores, lie));
            let softmaxes = &mut softmaxes[first..visible];
            softmax(cpu, &mut scores[..rows * lie.row_stride], lie.row_stride, first, softmaxes);
            let to = View::rows(shape.width()).at(first * shape.width() + head * head_width);
            multiply(
                cpu,
                (rows, head_width, visible),
                INNER_PIECE,
                (output, to, Into::Replaced),
                (&scores, lie),
                (&values[shared..], View::rows(head_width)),
            );
        }
    }
}

/// scores = Q·Kᵀ for some queries and the keys they may see at most. `across`: their keys, [head_width, context].
fn raw_scores(
    cpu: &Cpu,
    (queries, across): (&[f32], &[f32]),
    shape: Shape,
    rows: Range<usize>,
    (scores, lie): (&mut [f32], View),
) {
    let Shape { context, head_width, .. } = shape;
    multiply(
        cpu,
        (rows.len(), rows.end, head_width),
        INNER_PIECE,
        (scores, lie, Into::Replaced),
        (queries, View::rows(head_width).at(rows.start * head_width)),
        (across, View::rows(context)),
    );
}

/// The gradient of qkv from that of the output.
pub(crate) fn backward(cpu: &Cpu, d_output: &[f32], attended: &Attended, shape: Shape, rotary: &Rotary) -> Buffer {
    let Shape { batch, context, heads, .. } = shape;
    let mut d_qkv = cpu.buffer(batch * shape.sequence());
    let share = cpu.share(batch);
    let (of_qkv, of_output, of_softmaxes) = (shape.sequence(), context * shape.width(), heads * context);
    let shares = d_qkv
        .chunks_mut(share * of_qkv)
        .zip(attended.rotated.chunks(share * of_qkv))
        .zip(attended.output.chunks(share * of_output))
        .zip(d_output.chunks(share * of_output))
        .zip(attended.softmaxes.chunks(share * of_softmaxes));
    cpu.each(shares, |((((d_qkv, rotated), output), d_output), softmaxes)| {
        let mut d_rotated = cpu.buffer(of_qkv);
        // What the way back of a sequence reads; of the one after the last, nothing.
        let of_sequence = |i: usize| {
            let lies = [(rotated, of_qkv), (output, of_output), (d_output, of_output)];
            lies.map(|(values, of_one)| values.chunks_exact(of_one).nth(i).unwrap_or(&[]))
        };
        let sequences = d_qkv.chunks_exact_mut(of_qkv).zip(softmaxes.chunks_exact(of_softmaxes));
        for (i, (d_qkv, softmaxes)) in sequences.enumerate() {
            let [next_rotated, next_output, next_d_output] = of_sequence(i + 1);
            soon([next_output, next_d_output, next_rotated, d_qkv]);
            let [rotated, output, d_output] = of_sequence(i);
            attend_back(cpu, shape, rotated, (output, d_output), softmaxes, &mut d_rotated);
            turn_back(cpu, &d_rotated, shape.all_heads(), rotary, d_qkv);
        }
    });
    d_qkv
}

/// The reverse of [`attend`].
fn attend_back(
    cpu: &Cpu,
    shape: Shape,
    rotated: &[f32],
    (output, d_output): (&[f32], &[f32]),
    softmaxes: &[Softmax],
    d_rotated: &mut [f32],
) {
    let Shape { context, heads, kv_heads, head_width, .. } = shape;
    let width = shape.width();
    let (queries, keys, values) = shape.parts(rotated);
    let (d_queries, rest) = d_rotated.split_at_mut(heads * shape.head());
    let (d_keys, d_values) = rest.split_at_mut(kv_heads * shape.head());
    let scratch = QUERY_ROWS.min(context) * score_stride(context);
    let (mut probabilities, mut d_scores) = (cpu.buffer(scratch), cpu.buffer(scratch));
    let (mut keys_across, mut values_across) = (cpu.buffer(shape.head()), cpu.buffer(shape.head()));
    for head in 0..heads {
        let shared = head / shape.group() * shape.head();
        let (keys, values) = (&keys[shared..][..shape.head()], &values[shared..][..shape.head()]);
        if head.is_multiple_of(shape.group()) {
            transpose(cpu, (keys, head_width), (context, head_width), &mut keys_across);
            transpose(cpu, (values, head_width), (context, head_width), &mut values_across);
        }
        let (d_keys, d_values) = (&mut d_keys[shared..][..shape.head()], &mut d_values[shared..][..shape.head()]);
        let (queries, d_queries) = (&queries[head * shape.head()..], &mut d_queries[head * shape.head()..]);
        let of_head = View::rows(head_width);
        let outside = View::rows(width).at(head * head_width);
        for first in (0..context).step_by(QUERY_ROWS) {
            let end = context.min(first + QUERY_ROWS);
            let lie = View::rows(score_stride(end));
            for start in (first..end).step_by(SCORE_ROWS) {
                let visible = end.min(start + SCORE_ROWS);
                let rows = visible - start;
                let lie = lie.at((start - first) * lie.row_stride);
                raw_scores(cpu, (queries, &keys_across), shape, start..visible, (&mut probabilities, lie));
                multiply(
                    cpu,
                    (rows, visible, head_width),
                    INNER_PIECE,
                    (&mut d_scores, lie, Into::Replaced),
                    (d_output, outside.at(outside.start + start * width)),
                    (&values_across, View::rows(context)),
                );
                let of_rows = lie.start..lie.start + rows * lie.row_stride;
                softmax_back(
                    cpu,
                    (&mut probabilities[of_rows.clone()], &mut d_scores[of_rows]),
                    lie.row_stride,
                    start,
                    &softmaxes[head * context + start..][..rows],
                    (&d_output[outside.start + start * width..], &output[outside.start + start * width..]),
                    (width, head_width),
                );
                multiply(
                    cpu,
                    (rows, head_width, visible),
                    INNER_PIECE,
                    (d_queries, of_head.at(start * head_width), Into::Replaced),
                    (&d_scores, lie),
                    (keys, of_head),
                );
            }
            // All queries of the block see the keys before it, whose gradients have begun. Of its own keys, some are hidden from
            // its first queries, and their gradients begin here, unless with another head.
            let begin = if head.is_multiple_of(shape.group()) { Into::Replaced } else { Into::Added };
            let own = (first..end).step_by(SCORE_ROWS).map(|start| (start..end.min(start + SCORE_ROWS), start, begin));
            for (keys, from, into) in std::iter::once((0..first, first, Into::Added)).chain(own) {
                let sums = [
                    (&mut *d_keys, &d_scores, (queries, of_head)),
                    (&mut *d_values, &probabilities, (d_output, outside)),
                ];
                for (to, scores, (of_queries, view)) in sums {
                    let at = (from - first) * lie.row_stride + keys.start;
                    multiply(
                        cpu,
                        (keys.len(), head_width, end - from),
                        INNER_PIECE,
                        (to, of_head.at(keys.start * head_width), into),
                        (scores, lie.at(at).transposed()),
                        (of_queries, view.at(view.start + from * view.row_stride)),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{D, Device, Result, Tensor};

    use super::super::oracle::{Oracle, pseudo_random};
    use super::*;

    /// Attention as textbooks write it.
    fn textbook(qkv: &Tensor, shape: Shape) -> Result<Tensor> {
        let Shape { batch, context, heads, kv_heads, head_width } = shape;
        let (half, device) = (head_width / 2, &Device::Cpu);
        let angles: Vec<f64> =
            (0..context * half).map(|i| (i / half) as f64 / 10_000f64.powf((i % half) as f64 / half as f64)).collect();
        let angles = Tensor::from_vec(angles, (context, half), device)?;
        let (cosines, sines) = (angles.cos()?, angles.sin()?);
        let part = |first: usize, heads: usize| {
            qkv.narrow(1, first * head_width, heads * head_width)?
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
        // Each head of keys and values once for every head of queries that reads it.
        let ids: Vec<u32> = (0..heads).map(|head| (head / (heads / kv_heads)) as u32).collect();
        let repeated = |x: Tensor| x.index_select(&Tensor::new(ids.as_slice(), device)?, 1);
        let (queries, keys) = (turned(part(0, heads)?)?, repeated(turned(part(heads, kv_heads)?)?)?);
        let values = repeated(part(heads + kv_heads, kv_heads)?)?;
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
        // Shorter than a block of queries, exactly two, two and a bit; heads that share keys and heads that do not.
        let shapes = [
            (2, 7, 2, 2),
            (2, 2 * QUERY_ROWS, 2, 2),
            (2, 2 * QUERY_ROWS + 9, 2, 2),
            (1, 37, 6, 2),
            (3, 70, 3, 1),
            (2, 1, 1, 1),
        ];
        let narrow = shapes.map(|shape| (shape, 6));
        // Halves of a vector and a rest, of whole vectors.
        let wide = [((2, 35, 2, 1), 44), ((1, 17, 2, 2), 64)];
        for ((batch, context, heads, kv_heads), head_width) in narrow.into_iter().chain(wide) {
            let shape = Shape { batch, context, heads, kv_heads, head_width };
            let (n, width) = (batch * context, shape.qkv_width());
            let qkv: Vec<f32> = pseudo_random(1, n * width).iter().map(|x| x * 2.0).collect();
            let dy = pseudo_random(2, n * shape.width());
            let oracle = Oracle::new(&[(&qkv, &[n, width])]);
            let (y, gradients) = oracle.run(&dy, |v| textbook(&v[0], shape));
            let (cpu, rotary) = (Cpu::default(), Rotary::new(context, head_width, 10_000));
            let attended = forward(&cpu, &qkv, shape, &rotary);
            oracle.assert_close("output", &attended.output, &y);
            oracle.assert_close("dqkv", &backward(&cpu, &dy, &attended, shape, &rotary), &gradients[0]);
        }
    }

    #[test]
    fn what_memory_held_before_is_not_in_the_result() {
        for (batch, context, heads, kv_heads) in [(1, 1, 1, 1), (2, 37, 2, 1), (3, 70, 2, 2)] {
            let shape = Shape { batch, context, heads, kv_heads, head_width: 6 };
            let (qkv, rotary) = (pseudo_random(1, batch * shape.sequence()), Rotary::new(context, 6, 10_000));
            let d_output = pseudo_random(2, batch * context * shape.width());
            let attend = |cpu: &Cpu| {
                let attended = forward(cpu, &qkv, shape, &rotary);
                let d_qkv = backward(cpu, &d_output, &attended, shape, &rotary);
                [attended.output.to_vec(), d_qkv.to_vec()]
            };
            let cpu = Cpu::default();
            let scores = [SCORE_ROWS, QUERY_ROWS].map(|rows| rows.min(context) * score_stride(context));
            let others = [shape.head(), shape.sequence(), batch * shape.sequence(), d_output.len()];
            let lengths = scores.into_iter().chain(others);
            let spoilt: Vec<_> = lengths.flat_map(|len| [cpu.buffer(len), cpu.buffer(len), cpu.buffer(len)]).collect();
            spoilt.into_iter().for_each(|mut buffer| buffer.fill(f32::NAN));
            assert_eq!(attend(&cpu), attend(&Cpu::default()), "{context} tokens");
        }
    }

    #[test]
    fn the_future_is_invisible() {
        let shape = Shape { batch: 1, context: 70, heads: 1, kv_heads: 1, head_width: 4 };
        let (cpu, rotary) = (Cpu::default(), Rotary::new(70, 4, 10_000));
        let mut qkv = pseudo_random(3, 70 * 12);
        let before = forward(&cpu, &qkv, shape, &rotary).output.to_vec();
        qkv[69 * 12..].fill(9.0);
        let after = forward(&cpu, &qkv, shape, &rotary).output.to_vec();
        assert_eq!(before[..69 * 4], after[..69 * 4]);
        assert_ne!(before[69 * 4..], after[69 * 4..]);
    }
}
