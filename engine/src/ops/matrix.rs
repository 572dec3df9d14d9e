//! Matrix products over flat buffers, in an order of sums that no machine changes.
//!
//! **The order.** The inner dimension is cut in pieces. Within a piece a sum starts at zero and takes one fused multiply-add
//! after the other; the sums of the pieces are added to each other, or to what the destination held, in order. Blocks and
//! packing only decide when a sum is computed and where its operands lie, so every instruction set, every number of threads
//! and every cache gives the same bits, and a row does not depend on how many others there are.

use std::ops::Range;

use crate::cpu::Cpu;

#[cfg(feature = "any-order")]
use super::any_order::any_order;
#[cfg(not(feature = "any-order"))]
use super::product::in_order;

/// Longest piece of the inner dimension: bounds what a block of operands takes of the caches. Part of every result's bits.
pub(crate) const INNER_PIECE: usize = 512;

/// A matrix inside a buffer: where it starts and how far its rows and columns are apart.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub(crate) start: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl View {
    /// Row-major, from the buffer's start.
    pub(crate) fn rows(columns: usize) -> Self {
        Self { start: 0, row_stride: columns, column_stride: 1 }
    }

    pub(crate) fn at(self, start: usize) -> Self {
        Self { start, ..self }
    }

    pub(crate) fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    pub(super) fn place(self, row: usize, column: usize) -> usize {
        self.start + row * self.row_stride + column * self.column_stride
    }

    /// One past the last element of an `m × n` matrix.
    fn end(self, m: usize, n: usize) -> usize {
        self.place(m - 1, n - 1) + 1
    }
}

/// What a product does to what the destination holds.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Into<'a> {
    Replaced,
    Added,
    /// Replaced, with this beside the product: a buffer that is laid out like the destination's.
    AddedTo(&'a [f32]),
}

/// What follows on some rows of a product when they are complete, as long as they are near.
pub(crate) struct After<'a> {
    /// Which rows, and the destination. It must not multiply itself: the thread's packed operands are in use.
    pub(crate) work: &'a mut dyn FnMut(Range<usize>, &mut [f32]),
    /// Of what it reads beside, a buffer whose rows lie like the destination's: it is asked for during the product.
    pub(crate) reads: &'a [f32],
}

/// dst = a·b or dst += a·b, for `[m, k]·[k, n]`, on the calling thread. The rows of dst lie in one piece each. The inner
/// dimension is cut at every multiple of `piece`, at most [`INNER_PIECE`].
pub(crate) fn multiply(
    cpu: &Cpu,
    (m, n, k): (usize, usize, usize),
    piece: usize,
    (dst, dst_view, into): (&mut [f32], View, Into<'_>),
    a: (&[f32], View),
    b: (&[f32], View),
) {
    multiply_then(cpu, (m, n, k), piece, (dst, dst_view, into), a, b, After { work: &mut |_, _| {}, reads: &[] });
}

/// [`multiply`], and then something with every row, some rows at a time.
pub(crate) fn multiply_then(
    cpu: &Cpu,
    (m, n, k): (usize, usize, usize),
    piece: usize,
    (dst, dst_view, into): (&mut [f32], View, Into<'_>),
    (a, a_view): (&[f32], View),
    (b, b_view): (&[f32], View),
    after: After<'_>,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(dst_view.column_stride == 1 && dst_view.end(m, n) <= dst.len(), "product leaves the destination");
    if let Into::AddedTo(base) = into {
        assert!(dst_view.end(m, n) <= base.len(), "product leaves what it is added to");
    }
    if k == 0 {
        for at in (0..m).map(|row| dst_view.place(row, 0)) {
            match into {
                Into::Replaced => dst[at..][..n].fill(0.0),
                Into::Added => {}
                Into::AddedTo(base) => dst[at..][..n].copy_from_slice(&base[at..][..n]),
            }
        }
        return (after.work)(0..m, dst);
    }
    assert!(a_view.end(m, k) <= a.len(), "product leaves the left operand");
    assert!(b_view.end(k, n) <= b.len(), "product leaves the right operand");
    #[cfg(feature = "any-order")]
    {
        let _ = (cpu, piece);
        any_order((m, n, k), (&mut *dst, dst_view, into), (a, a_view), (b, b_view));
        (after.work)(0..m, dst);
    }
    #[cfg(not(feature = "any-order"))]
    in_order(cpu, (m, n, k), piece, (dst, dst_view, into), (a, a_view), (b, b_view), after);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cpu::Instructions, ops::oracle::pseudo_random};

    /// The definition: one number after the other.
    fn by_definition(
        (m, n, k): (usize, usize, usize),
        piece: usize,
        (dst, dst_view, into): (&mut [f32], View, Into<'_>),
        (a, a_view): (&[f32], View),
        (b, b_view): (&[f32], View),
    ) {
        for row in 0..m {
            for column in 0..n {
                let to = &mut dst[dst_view.place(row, column)];
                let mut total = match into {
                    Into::Replaced => None,
                    Into::Added => Some(*to),
                    Into::AddedTo(base) => Some(base[dst_view.place(row, column)]),
                };
                for from in (0..k).step_by(piece) {
                    let mut sum = 0.0f32;
                    for i in from..k.min(from + piece) {
                        sum = a[a_view.place(row, i)].mul_add(b[b_view.place(i, column)], sum);
                    }
                    total = Some(total.map_or(sum, |total| total + sum));
                }
                *to = total.unwrap_or(0.0);
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_bits_of_the_definition() {
        let shapes = [
            (1, 1, 1),
            (1, 256, 700),
            (2, 3, 5),
            (7, 17, 33),
            (8, 48, 512),
            (9, 49, 513),
            (65, 31, 40),
            (97, 100, 1100),
            (3, 0, 4),
            (0, 3, 4),
            (4, 5, 0),
            (64, 64, 32),
            (130, 32, 64),
            (33, 1, 257),
            (16, 80, 1024),
        ];
        for (case, &(m, n, k)) in shapes.iter().enumerate() {
            let (a, b) = (pseudo_random(1, m * k + 3), pseudo_random(2, k * n + 5));
            // The destination's rows are further apart than they are wide, and start in the middle.
            let (dst_view, before) = (View::rows(n + 2).at(7), pseudo_random(3, 7 + m * (n + 2)));
            for transposed in [(false, false), (true, false), (false, true), (true, true)] {
                let a_view = if transposed.0 { View::rows(m).transposed() } else { View::rows(k) }.at(3);
                let b_view = if transposed.1 { View::rows(k).transposed() } else { View::rows(n) }.at(5);
                let base = pseudo_random(4, before.len());
                let added_to = Into::AddedTo(&base);
                for (into, piece) in [(Into::Replaced, 512), (Into::Added, 512), (added_to, 512), (Into::Added, 24)] {
                    let mut exact = before.clone();
                    by_definition((m, n, k), piece, (&mut exact, dst_view, into), (&a, a_view), (&b, b_view));
                    for instructions in Instructions::available() {
                        let cpu = Cpu::default().with_instructions(instructions);
                        let mut found = before.clone();
                        let mut after = Vec::new();
                        multiply_then(
                            &cpu,
                            (m, n, k),
                            piece,
                            (&mut found, dst_view, into),
                            (&a, a_view),
                            (&b, b_view),
                            After {
                                work: &mut |rows, found| {
                                    let rows = rows.map(|row| (row, dst_view.place(row, 0)));
                                    after.extend(rows.map(|(row, at)| (row, found[at..][..n].to_vec())));
                                },
                                reads: &base,
                            },
                        );
                        let complete = if n == 0 { 0 } else { m };
                        let rows = (0..complete).map(|row| (row, exact[dst_view.place(row, 0)..][..n].to_vec()));
                        assert!(after == rows.collect::<Vec<_>>(), "{}: after rows of {case}", instructions.name());
                        let same = found.iter().zip(&exact).all(|(a, b)| a.to_bits() == b.to_bits());
                        assert!(same, "{}: case {case}, {transposed:?}, piece {piece}", instructions.name());
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "product leaves the right operand")]
    fn a_product_outside_its_buffer_is_stopped() {
        let mut dst = [0.0; 4];
        let into = (&mut dst[..], View::rows(2), Into::Replaced);
        multiply(&Cpu::default(), (2, 2, 2), 512, into, (&[0.0; 4], View::rows(2)), (&[0.0; 3], View::rows(2)));
    }
}
