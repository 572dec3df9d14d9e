//! Causal attention with rotary positions, fused: the scores of a head exist for a few rows at a time, and are computed
//! again on the way back rather than kept. Several heads of queries may share one of keys and values (grouped queries).
//!
//! Sequences do not see each other, so threads divide them.

use super::{
    kernel::kernels,
    lanes::{dot, exp, max, sum},
    matrix::{INNER_PIECE, Into, View, multiply},
    transpose::transpose,
};
use crate::{aligned::CACHE_LINE, buffer::Buffer, cpu::Cpu};

/// Queries whose scores are held at once. Smaller wastes less of the causal triangle, larger feeds the multipliers
/// better. Part of the bits of the gradients of keys and values.
pub(crate) const QUERY_ROWS: usize = 64;

/// The angle at place `i` of a table of `half` features a position: `position / base^(feature / half)`, in f64 (Su et al. 2021).
pub(crate) fn rotary_angle(i: usize, half: usize, base: u32) -> f64 {
    (i / half) as f64 / libm::pow(f64::from(base), (i % half) as f64 / half as f64)
}

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
        let table = |f: fn(f64) -> f64| (0..context * half).map(|i| f(rotary_angle(i, half, base)) as f32).collect();
        Self { cosines: table(libm::cos), sines: table(libm::sin), half }
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
    let ((from_a, from_b), (to_a, to_b)) = (from.split_at(half), to.split_at_mut(half));
    let pairs = from_a.iter().zip(from_b).zip(to_a.iter_mut().zip(to_b));
    for (((&a, &b), (to_a, to_b)), (&cosine, &sine)) in pairs.zip(cosines.iter().zip(sines)) {
        let sine = sine * direction;
        *to_a = (a * cosine - b * sine) * scale;
        *to_b = (b * cosine + a * sine) * scale;
    }
}

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
    /// Per sequence, head and query: its highest score, and 1 / Σ exp(score − highest). With both, the way back finds
    /// the same probabilities to the last bit.
    softmaxes: Vec<Softmax>,
}

impl Attended {
    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.output) + size_of_val(&*self.rotated) + size_of_val(&*self.softmaxes)
    }
}

#[derive(Clone, Copy, Default)]
struct Softmax {
    highest: f32,
    scale: f32,
}

/// qkv: [n, (heads + 2 · kv_heads) · head_width], queries, keys and values of all heads side by side.
pub(crate) fn forward(cpu: &Cpu, qkv: &[f32], shape: Shape, rotary: &Rotary) -> Attended {
    let Shape { batch, context, heads, .. } = shape;
    let mut rotated = cpu.buffer(batch * shape.sequence());
    let mut output = cpu.buffer(batch * context * shape.width());
    let mut softmaxes = vec![Softmax::default(); batch * heads * context];
    let sequences = qkv
        .chunks_exact(shape.sequence())
        .zip(rotated.chunks_exact_mut(shape.sequence()))
        .zip(output.chunks_exact_mut(context * shape.width()))
        .zip(softmaxes.chunks_exact_mut(heads * context));
    cpu.each(sequences, |(((qkv, rotated), output), softmaxes)| {
        turn(cpu, qkv, shape, rotary, rotated);
        attend(cpu, shape, rotated, output, softmaxes);
    });
    Attended { output, rotated, softmaxes }
}

/// One sequence's way from turned queries, keys and values to the result.
fn attend(cpu: &Cpu, shape: Shape, rotated: &[f32], output: &mut [f32], softmaxes: &mut [Softmax]) {
    let Shape { context, head_width, .. } = shape;
    let (queries, keys, values) = shape.parts(rotated);
    let mut scores = cpu.buffer(QUERY_ROWS.min(context) * context);
    let mut keys_across = cpu.buffer(shape.head());
    let heads = queries.chunks_exact(shape.head()).zip(softmaxes.chunks_exact_mut(context)).enumerate();
    for (head, (queries, softmaxes)) in heads {
        let shared = head / shape.group() * shape.head();
        if head.is_multiple_of(shape.group()) {
            transpose(cpu, &keys[shared..][..shape.head()], head_width, &mut keys_across);
        }
        for first in (0..context).step_by(QUERY_ROWS) {
            let rows = QUERY_ROWS.min(context - first);
            let visible = first + rows;
            raw_scores(cpu, queries, &keys_across, shape, first, &mut scores);
            softmax(cpu, &mut scores[..rows * visible], visible, first, &mut softmaxes[first..][..rows]);
            let to = View::rows(shape.width()).at(first * shape.width() + head * head_width);
            multiply(
                cpu,
                (rows, head_width, visible),
                INNER_PIECE,
                (output, to, Into::Replaced),
                (&scores, View::rows(visible)),
                (&values[shared..], View::rows(head_width)),
            );
        }
    }
}

kernels! {
    /// Sorts a sequence's qkv by head and turns queries and keys; queries also take the scale of the scores.
    fn turn(qkv: &[f32], shape: Shape, rotary: &Rotary, rotated: &mut [f32]) {
        let Shape { heads, kv_heads, head_width, .. } = shape;
        let scale = 1.0 / (head_width as f32).sqrt();
        for (position, row) in qkv.chunks_exact(shape.qkv_width()).enumerate() {
            let (cosines, sines) = rotary.at(position);
            for (head, from) in row.chunks_exact(head_width).enumerate() {
                let to = &mut rotated[head * shape.head() + position * head_width..][..head_width];
                if head < heads {
                    rotate(from, to, cosines, sines, 1.0, scale);
                } else if head < heads + kv_heads {
                    rotate(from, to, cosines, sines, 1.0, 1.0);
                } else {
                    to.copy_from_slice(from);
                }
            }
        }
    }
}

/// scores = Q·Kᵀ for a block of queries from `first` and the keys they may see at most; [rows, first + rows].
/// `keys_across`: [head_width, context].
fn raw_scores(cpu: &Cpu, queries: &[f32], keys_across: &[f32], shape: Shape, first: usize, scores: &mut [f32]) {
    let Shape { context, head_width, .. } = shape;
    let rows = QUERY_ROWS.min(context - first);
    let visible = first + rows;
    multiply(
        cpu,
        (rows, visible, head_width),
        INNER_PIECE,
        (scores, View::rows(visible), Into::Replaced),
        (queries, View::rows(head_width).at(first * head_width)),
        (keys_across, View::rows(context)),
    );
}

/// How far a row is gone through where the first `seen` of its `visible` values count: what is left of a vector would be
/// gone through value by value, and costs more than the rest of a row.
#[inline(always)]
fn whole_vectors(seen: usize, visible: usize) -> usize {
    seen.next_multiple_of(CACHE_LINE).min(visible)
}

/// Puts a value in place of what is in a row from `seen` up to `whole`, the end of the last vector that is gone through: as
/// a choice within that vector, for filling some few values would be a call.
#[inline(always)]
fn mask(row: &mut [f32], seen: usize, whole: usize, value: f32) {
    let start = (seen - 1) / CACHE_LINE * CACHE_LINE;
    match row[start..whole].first_chunk_mut::<CACHE_LINE>() {
        Some(last) => {
            for (i, last) in last.iter_mut().enumerate() {
                *last = if start + i < seen { *last } else { value };
            }
        }
        None => row[seen..whole].fill(value),
    }
}

kernels! {
    /// Row by row over the keys up to the query's own position; zero beyond.
    fn softmax(scores: &mut [f32], visible: usize, first: usize, softmaxes: &mut [Softmax]) {
        for (i, (row, softmax)) in scores.chunks_exact_mut(visible).zip(softmaxes).enumerate() {
            let seen = first + i + 1;
            let whole = whole_vectors(seen, visible);
            mask(row, seen, whole, f32::NEG_INFINITY);
            let highest = max(&row[..whole]);
            for value in row[..whole].iter_mut() {
                *value = exp(*value - highest);
            }
            mask(row, seen, whole, 0.0);
            row[whole..].fill(0.0);
            let scale = 1.0 / sum(&row[..whole]);
            for value in row[..whole].iter_mut() {
                *value *= scale;
            }
            *softmax = Softmax { highest, scale };
        }
    }
}

/// The gradient of qkv from that of the output.
pub(crate) fn backward(cpu: &Cpu, d_output: &[f32], attended: &Attended, shape: Shape, rotary: &Rotary) -> Buffer {
    let Shape { batch, context, heads, .. } = shape;
    let mut d_qkv = cpu.buffer(batch * shape.sequence());
    let sequences = d_qkv
        .chunks_exact_mut(shape.sequence())
        .zip(attended.rotated.chunks_exact(shape.sequence()))
        .zip(attended.output.chunks_exact(context * shape.width()))
        .zip(d_output.chunks_exact(context * shape.width()))
        .zip(attended.softmaxes.chunks_exact(heads * context));
    cpu.each(sequences, |((((d_qkv, rotated), output), d_output), softmaxes)| {
        let mut d_rotated = cpu.zeros(shape.sequence());
        attend_back(cpu, shape, rotated, (output, d_output), softmaxes, &mut d_rotated);
        turn_back(cpu, &d_rotated, shape, rotary, d_qkv);
    });
    d_qkv
}

/// The reverse of [`attend`]; `d_rotated` starts at zero.
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
    let scratch = QUERY_ROWS.min(context) * context;
    let (mut probabilities, mut d_scores) = (cpu.buffer(scratch), cpu.buffer(scratch));
    let (mut keys_across, mut values_across) = (cpu.buffer(shape.head()), cpu.buffer(shape.head()));
    for head in 0..heads {
        let shared = head / shape.group() * shape.head();
        let (keys, values) = (&keys[shared..][..shape.head()], &values[shared..][..shape.head()]);
        if head.is_multiple_of(shape.group()) {
            transpose(cpu, keys, head_width, &mut keys_across);
            transpose(cpu, values, head_width, &mut values_across);
        }
        let (d_keys, d_values) = (&mut d_keys[shared..][..shape.head()], &mut d_values[shared..][..shape.head()]);
        let (queries, d_queries) = (&queries[head * shape.head()..], &mut d_queries[head * shape.head()..]);
        for first in (0..context).step_by(QUERY_ROWS) {
            let rows = QUERY_ROWS.min(context - first);
            let visible = first + rows;
            let block = View::rows(width).at(first * width + head * head_width);
            let across = View::rows(context);
            raw_scores(cpu, queries, &keys_across, shape, first, &mut probabilities);
            multiply(
                cpu,
                (rows, visible, head_width),
                INNER_PIECE,
                (&mut d_scores, View::rows(visible), Into::Replaced),
                (d_output, block),
                (&values_across, across),
            );
            let softmaxes = &softmaxes[head * context + first..][..rows];
            for (i, softmax) in softmaxes.iter().enumerate() {
                let at = block.start + i * width;
                let row = i * visible..(i + 1) * visible;
                let (d_output, output) = (&d_output[at..][..head_width], &output[at..][..head_width]);
                softmax_back(
                    cpu,
                    first + i + 1,
                    *softmax,
                    (d_output, output),
                    &mut probabilities[row.clone()],
                    &mut d_scores[row],
                );
            }
            let of_block = View::rows(head_width).at(first * head_width);
            multiply(
                cpu,
                (rows, head_width, visible),
                INNER_PIECE,
                (d_queries, of_block, Into::Replaced),
                (&d_scores, View::rows(visible)),
                (keys, View::rows(head_width)),
            );
            multiply(
                cpu,
                (visible, head_width, rows),
                INNER_PIECE,
                (d_keys, View::rows(head_width), Into::Added),
                (&d_scores, View::rows(visible).transposed()),
                (queries, of_block),
            );
            multiply(
                cpu,
                (visible, head_width, rows),
                INNER_PIECE,
                (d_values, View::rows(head_width), Into::Added),
                (&probabilities, View::rows(visible).transposed()),
                (d_output, block),
            );
        }
    }
}

kernels! {
    /// A query's scores to probabilities, and the gradient of these to that of the scores; zero beyond what it has `seen`.
    fn softmax_back(
        seen: usize,
        softmax: Softmax,
        outputs: (&[f32], &[f32]),
        probabilities: &mut [f32],
        d_scores: &mut [f32],
    ) {
        let along = dot(outputs.0, outputs.1);
        let whole = whole_vectors(seen, probabilities.len());
        for (p, ds) in probabilities[..whole].iter_mut().zip(&mut d_scores[..whole]) {
            *p = exp(*p - softmax.highest) * softmax.scale;
            *ds = *p * (*ds - along);
        }
        mask(probabilities, seen, whole, 0.0);
        mask(d_scores, seen, whole, 0.0);
        probabilities[whole..].fill(0.0);
        d_scores[whole..].fill(0.0);
    }
}

kernels! {
    /// The reverse of [`turn`].
    fn turn_back(d_rotated: &[f32], shape: Shape, rotary: &Rotary, d_qkv: &mut [f32]) {
        let Shape { heads, kv_heads, head_width, .. } = shape;
        let scale = 1.0 / (head_width as f32).sqrt();
        for (position, row) in d_qkv.chunks_exact_mut(shape.qkv_width()).enumerate() {
            let (cosines, sines) = rotary.at(position);
            for (head, to) in row.chunks_exact_mut(head_width).enumerate() {
                let from = &d_rotated[head * shape.head() + position * head_width..][..head_width];
                if head < heads {
                    rotate(from, to, cosines, sines, -1.0, scale);
                } else if head < heads + kv_heads {
                    rotate(from, to, cosines, sines, -1.0, 1.0);
                } else {
                    to.copy_from_slice(from);
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
        let shapes =
            [(2, 7, 2, 2), (2, 2 * QUERY_ROWS, 2, 2), (2, 2 * QUERY_ROWS + 9, 2, 2), (1, 37, 6, 2), (3, 70, 3, 1)];
        for (batch, context, heads, kv_heads) in shapes {
            let shape = Shape { batch, context, heads, kv_heads, head_width: 6 };
            let (n, width) = (batch * context, shape.qkv_width());
            let qkv: Vec<f32> = pseudo_random(1, n * width).iter().map(|x| x * 2.0).collect();
            let dy = pseudo_random(2, n * shape.width());
            let oracle = Oracle::new(&[(&qkv, &[n, width])]);
            let (y, gradients) = oracle.run(&dy, |v| textbook(&v[0], shape));
            let (cpu, rotary) = (Cpu::default(), Rotary::new(context, 6, 10_000));
            let attended = forward(&cpu, &qkv, shape, &rotary);
            oracle.assert_close("output", &attended.output, &y);
            oracle.assert_close("dqkv", &backward(&cpu, &dy, &attended, shape, &rotary), &gradients[0]);
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
