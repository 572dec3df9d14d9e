//! Rotary positions (Su et al. 2021): features turned in pairs by angles that grow with the position.

use super::kernel::kernels;
use crate::aligned::CACHE_LINE;

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

#[inline(always)]
fn turn_pair((a, b): (f32, f32), (cosine, sine): (f32, f32), scale: f32) -> (f32, f32) {
    ((a * cosine - b * sine) * scale, (b * cosine + a * sine) * scale)
}

/// Turns a head's features by the angles of a position, forward or `back`, and scales them.
#[inline(always)]
fn turn_head(from: &[f32], to: &mut [f32], (cosines, sines): (&[f32], &[f32]), back: bool, scale: f32) {
    let direction = if back { -1.0 } else { 1.0 };
    let ((from_a, from_b), (to_a, to_b)) = (from.split_at(cosines.len()), to.split_at_mut(cosines.len()));
    // Vector by vector first: heads are so narrow that loops of unknown length would be all beginning and end.
    let (from_a, from_b) = (from_a.as_chunks::<CACHE_LINE>(), from_b.as_chunks::<CACHE_LINE>());
    let (to_a, to_b) = (to_a.as_chunks_mut::<CACHE_LINE>(), to_b.as_chunks_mut::<CACHE_LINE>());
    let (cosines, sines) = (cosines.as_chunks::<CACHE_LINE>(), sines.as_chunks::<CACHE_LINE>());
    let vectors = from_a.0.iter().zip(from_b.0).zip(to_a.0.iter_mut().zip(to_b.0)).zip(cosines.0.iter().zip(sines.0));
    for (((a, b), (to_a, to_b)), (cosine, sine)) in vectors {
        for i in 0..CACHE_LINE {
            (to_a[i], to_b[i]) = turn_pair((a[i], b[i]), (cosine[i], sine[i] * direction), scale);
        }
    }
    let rest = from_a.1.iter().zip(from_b.1).zip(to_a.1.iter_mut().zip(to_b.1)).zip(cosines.1.iter().zip(sines.1));
    for (((&a, &b), (to_a, to_b)), (&cosine, &sine)) in rest {
        (*to_a, *to_b) = turn_pair((a, b), (cosine, sine * direction), scale);
    }
}

/// A head's features as they are: a copy of unknown length would be a call.
#[inline(always)]
fn copy_head(from: &[f32], to: &mut [f32]) {
    let (from, to) = (from.as_chunks::<CACHE_LINE>(), to.as_chunks_mut::<CACHE_LINE>());
    for (from, to) in from.0.iter().zip(to.0) {
        *to = *from;
    }
    for (from, to) in from.1.iter().zip(to.1) {
        *to = *from;
    }
}

/// How a sequence's tokens divide into heads of queries, and of as many keys as values.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// Features of each.
    pub(super) width: usize,
    /// Tokens.
    pub(super) context: usize,
}

impl Heads {
    /// Features of a token.
    #[inline(always)]
    fn all(self) -> usize {
        (self.queries + 2 * self.keys) * self.width
    }

    /// Scores are scaled by it, and queries take the scale.
    #[inline(always)]
    fn scale(self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }
}

kernels! {
    /// Sorts a sequence by head, from `[context, heads · width]` to `[heads, context, width]`, and turns queries and keys; queries also
    /// take the scale of the scores.
    pub(super) fn turn(tokens: &[f32], heads: Heads, rotary: &Rotary, turned: &mut [f32]) {
        let Heads { queries, keys, width, context } = heads;
        for (position, token) in tokens.chunks_exact(heads.all()).enumerate() {
            let angles = rotary.at(position);
            for (head, from) in token.chunks_exact(width).enumerate() {
                let to = &mut turned[(head * context + position) * width..][..width];
                if head < queries {
                    turn_head(from, to, angles, false, heads.scale());
                } else if head < queries + keys {
                    turn_head(from, to, angles, false, 1.0);
                } else {
                    copy_head(from, to);
                }
            }
        }
    }

    /// The reverse of [`turn`], for gradients.
    pub(super) fn turn_back(turned: &[f32], heads: Heads, rotary: &Rotary, tokens: &mut [f32]) {
        let Heads { queries, keys, width, context } = heads;
        for (position, token) in tokens.chunks_exact_mut(heads.all()).enumerate() {
            let angles = rotary.at(position);
            for (head, to) in token.chunks_exact_mut(width).enumerate() {
                let from = &turned[(head * context + position) * width..][..width];
                if head < queries {
                    turn_head(from, to, angles, true, heads.scale());
                } else if head < queries + keys {
                    turn_head(from, to, angles, true, 1.0);
                } else {
                    copy_head(from, to);
                }
            }
        }
    }
}
