//! Matrix products over flat buffers, in an order of sums that no machine changes.
//!
//! **The order.** The inner dimension is cut in pieces. Within a piece a sum starts at zero and takes one fused multiply-add
//! after the other; the sums of the pieces are added to each other, or to what the destination held, in order. Blocks and
//! packing only decide when a sum is computed and where its operands lie, so every instruction set, every number of threads
//! and every cache gives the same bits, and a row does not depend on how many others there are.

use std::{cell::RefCell, ops::Range};

use pulp::{Simd, WithSimd};

use super::{
    tile::{Columns, Left, Packed, Rows, sums},
    transpose::Transpose,
};
use crate::{
    aligned::{ALIGNMENT_VALUES, Aligned, CACHE_LINE},
    cpu::Cpu,
};

/// Longest piece of the inner dimension: bounds what a block of operands takes of the caches. Part of every result's bits.
pub(crate) const INNER_PIECE: usize = 512;
/// Most values in a vector.
const MAX_LANES: usize = 16;
/// Rows of the left operand that are gone through for one panel of the right one.
const ROW_BLOCK: usize = 64;
/// Up to so many rows the right operand is read where it lies: copying it would take longer than it saves.
const FEW_ROWS: usize = 64;
/// Inner indices from which a tile takes so long that it pays to ask for what it will be added to beforehand.
const FETCH_INNER: usize = 128;

/// Most values that a thread keeps packed for products of an inner dimension of `inner` with `columns` columns.
pub(crate) fn packed_values(columns: usize, inner: usize) -> usize {
    let inner = inner.min(INNER_PIECE);
    inner * (columns.next_multiple_of(MAX_LANES) + ROW_BLOCK) + 2 * ALIGNMENT_VALUES
}

thread_local! {
    static PACKED: RefCell<Packs> = RefCell::default();
}

/// Packed operands of the product under way. Their memory is kept between products.
#[derive(Default)]
struct Packs {
    right: Aligned,
    left: Aligned,
}

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

    fn place(self, row: usize, column: usize) -> usize {
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

/// What follows on some rows of a product when they are complete, as long as they are near: which, and the destination. It must
/// not multiply itself: the thread's packed operands are in use.
pub(crate) type After<'a> = &'a mut dyn FnMut(Range<usize>, &mut [f32]);

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
    multiply_then(cpu, (m, n, k), piece, (dst, dst_view, into), a, b, &mut |_, _| {});
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
        return after(0..m, dst);
    }
    assert!(a_view.end(m, k) <= a.len(), "product leaves the left operand");
    assert!(b_view.end(k, n) <= b.len(), "product leaves the right operand");
    #[cfg(feature = "any-order")]
    {
        let _ = (cpu, piece);
        any_order((m, n, k), (&mut *dst, dst_view, into), (a, a_view), (b, b_view));
        after(0..m, dst);
    }
    #[cfg(not(feature = "any-order"))]
    in_order(cpu, (m, n, k), piece, (dst, dst_view, into), (a, a_view), (b, b_view), after);
}

/// A product whose views were checked, on the calling thread, in the order above.
#[cfg_attr(feature = "any-order", expect(dead_code, reason = "what its absence saves is measured"))]
fn in_order(
    cpu: &Cpu,
    (m, n, k): (usize, usize, usize),
    piece: usize,
    (dst, dst_view, into): (&mut [f32], View, Into<'_>),
    (a, a_view): (&[f32], View),
    (b, b_view): (&[f32], View),
    after: After<'_>,
) {
    let piece = piece.clamp(1, INNER_PIECE);
    // Borrowed out here: what is to be compiled for the instructions must not go through a function of the library's.
    PACKED.with_borrow_mut(|packed| {
        cpu.dispatch(Product { m, n, k, piece, dst, dst_view, into, a, a_view, b, b_view, packed, after });
    });
}

/// The same by a library that sums as it likes: what a step costs without exactness. Only for the benchmark.
#[cfg(feature = "any-order")]
fn any_order(
    (m, n, k): (usize, usize, usize),
    (dst, dst_view, into): (&mut [f32], View, Into<'_>),
    (a, a_view): (&[f32], View),
    (b, b_view): (&[f32], View),
) {
    if let Into::AddedTo(base) = into {
        for at in (0..m).map(|row| dst_view.place(row, 0)) {
            dst[at..][..n].copy_from_slice(&base[at..][..n]);
        }
    }
    let (dst, a, b) = (&mut dst[dst_view.start..], &a[a_view.start..], &b[b_view.start..]);
    #[expect(unsafe_code, reason = "gemm takes pointers")]
    // SAFETY: the caller has checked that all three matrices lie in their buffers, and dst is borrowed alone.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            dst_view.column_stride as isize,
            dst_view.row_stride as isize,
            into != Into::Replaced,
            a.as_ptr(),
            a_view.column_stride as isize,
            a_view.row_stride as isize,
            b.as_ptr(),
            b_view.column_stride as isize,
            b_view.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Asks for values that are needed soon, so that they come from memory while something else is computed; where stable Rust
/// has no way to ask, nothing.
#[inline(always)]
fn fetch(values: &[f32]) {
    for line in values.chunks(CACHE_LINE) {
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "an intrinsic that takes a pointer")]
        // SAFETY: it changes nothing but what the caches hold, and every x86-64 has it.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}

/// A product whose views were checked.
struct Product<'a> {
    m: usize,
    n: usize,
    k: usize,
    piece: usize,
    dst: &'a mut [f32],
    dst_view: View,
    into: Into<'a>,
    a: &'a [f32],
    a_view: View,
    b: &'a [f32],
    b_view: View,
    packed: &'a mut Packs,
    after: After<'a>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // A tile's sums, a vector of each column and a broadcast value have to fit the registers: 32 of 16 lanes, and 16 of 8
        // lanes, of which one is left over, or a compiler that orders loads to its taste keeps sums in memory.
        if S::F32_LANES == 8 { self.run::<S, 6, 2>(simd) } else { self.run::<S, 8, 3>(simd) }
    }
}

/// Columns of a product that are computed together.
struct Panel {
    columns: Range<usize>,
    vectors: usize,
    /// Where it lies in the packed right operand; `None`: it is read where it is.
    packed: Option<usize>,
}

impl Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const WIDEST: usize>(mut self, simd: S) {
        for from in (0..self.k).step_by(self.piece) {
            let inner = from..self.k.min(from + self.piece);
            let panels = self.panels(simd, WIDEST, &inner);
            for first in (0..self.m).step_by(ROW_BLOCK) {
                let rows = first..self.m.min(first + ROW_BLOCK);
                self.block::<S, ROWS>(simd, rows.clone(), &inner, &panels);
                if inner.end == self.k {
                    (self.after)(rows, self.dst);
                }
            }
            self.into = Into::Added;
        }
    }

    /// Cuts the right operand's columns in panels of at most `widest` vectors, and packs those that are not read in place.
    #[inline(always)]
    fn panels<S: Simd>(&mut self, simd: S, widest: usize, inner: &Range<usize>) -> Vec<Panel> {
        let lanes = S::F32_LANES;
        let vectors = self.n.div_ceil(lanes);
        let count = vectors.div_ceil(widest);
        let in_place =
            self.b_view.column_stride == 1 && (self.m <= FEW_ROWS || self.b_view.row_stride <= widest * lanes);
        let mut used = 0;
        let mut panels = Vec::with_capacity(count);
        for i in 0..count {
            // As even as can be: a panel of one vector keeps the multipliers less busy than one of two.
            let (first, end) = (vectors * i / count, vectors * (i + 1) / count);
            let (vectors, width) = (end - first, (end - first) * lanes);
            let columns = first * lanes..self.n.min(end * lanes);
            let packed = (!in_place || columns.len() < width).then_some(used);
            used += if packed.is_some() { inner.len() * width } else { 0 };
            panels.push(Panel { columns, vectors, packed });
        }
        if used == 0 {
            return panels;
        }
        let mut packed = std::mem::take(&mut self.packed.right);
        packed.ensure(used);
        for panel in &panels {
            if let Some(at) = panel.packed {
                let width = panel.vectors * lanes;
                self.pack_right(simd, inner, &panel.columns, width, &mut packed[at..][..inner.len() * width]);
            }
        }
        self.packed.right = packed;
        panels
    }

    /// Rows of `width` values, zeros after the last column.
    #[inline(always)]
    fn pack_right<S: Simd>(&self, simd: S, inner: &Range<usize>, columns: &Range<usize>, width: usize, to: &mut [f32]) {
        let used = columns.len();
        if used < width {
            to.fill(0.0);
        }
        if self.b_view.column_stride == 1 {
            // Of known width: a copy of unknown length would be a call for every few values.
            match width {
                _ if used < width => self.copy_right(inner, columns, width, to),
                48 => self.copy_right_of::<48>(inner, columns.start, to),
                32 => self.copy_right_of::<32>(inner, columns.start, to),
                16 => self.copy_right_of::<16>(inner, columns.start, to),
                _ => self.copy_right(inner, columns, width, to),
            }
            return;
        }
        if self.b_view.row_stride == 1 {
            let from = &self.b[self.b_view.place(inner.start, columns.start)..];
            let (size, from) = ((used, inner.len()), (from, self.b_view.column_stride));
            Transpose { size, from, to: (to, width) }.with_simd(simd);
            return;
        }
        for (column, at) in columns.clone().enumerate() {
            let mut place = self.b_view.place(inner.start, at);
            for to in to.chunks_exact_mut(width) {
                to[column] = self.b[place];
                place += self.b_view.row_stride;
            }
        }
    }

    #[inline(always)]
    fn copy_right(&self, inner: &Range<usize>, columns: &Range<usize>, width: usize, to: &mut [f32]) {
        for (to, i) in to.chunks_exact_mut(width).zip(inner.clone()) {
            to[..columns.len()].copy_from_slice(&self.b[self.b_view.place(i, columns.start)..][..columns.len()]);
        }
    }

    #[inline(always)]
    fn copy_right_of<const WIDTH: usize>(&self, inner: &Range<usize>, column: usize, to: &mut [f32]) {
        for (to, i) in to.as_chunks_mut::<WIDTH>().0.iter_mut().zip(inner.clone()) {
            if let Some(from) = self.b[self.b_view.place(i, column)..].first_chunk::<WIDTH>() {
                *to = *from;
            }
        }
    }

    /// Some rows of dst, with all panels.
    #[inline(always)]
    fn block<S: Simd, const ROWS: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        inner: &Range<usize>,
        panels: &[Panel],
    ) {
        let in_rows = self.a_view.column_stride == 1;
        // Gone through once or twice only: copying would take longer than it saves.
        let in_columns = self.a_view.row_stride == 1 && panels.len() <= 2 && rows.len().is_multiple_of(ROWS);
        if !in_rows && !in_columns {
            self.pack_left::<ROWS>(&rows, inner);
        }
        // What the next rows will be packed from lies a line here and a line there: it is asked for tile by tile.
        let next = rows.end..self.m.min(rows.end + ROW_BLOCK);
        let tiles = panels.len() * rows.len().div_ceil(ROWS);
        let far = !in_rows && !in_columns && self.a_view.row_stride == 1 && !next.is_empty();
        let mut ahead = if far { inner.clone() } else { 0..0 };
        for panel in panels {
            let (right, step) = match panel.packed {
                Some(at) => (self.packed.right[at..].as_ptr(), panel.vectors * S::F32_LANES),
                None => {
                    let at = self.b_view.place(inner.start, panel.columns.start);
                    (self.b[at..].as_ptr(), self.b_view.row_stride)
                }
            };
            for (tile, first) in rows.clone().step_by(ROWS).enumerate() {
                let rows = first..rows.end.min(first + ROWS);
                for i in ahead.by_ref().take(inner.len().div_ceil(tiles)) {
                    fetch(&self.a[self.a_view.place(next.start, i)..][..next.len()]);
                }
                if inner.len() >= FETCH_INNER {
                    for row in rows.clone() {
                        let from = self.dst_view.place(row, panel.columns.start);
                        fetch(&self.dst[from..][..panel.columns.len()]);
                        if let Into::AddedTo(base) = self.into {
                            fetch(&base[from..][..panel.columns.len()]);
                        }
                    }
                }
                if in_rows {
                    // A tile that is not full repeats its last row, and forgets the repetitions.
                    let mut starts = [self.a.as_ptr(); ROWS];
                    for (row, start) in starts.iter_mut().enumerate() {
                        *start = self.a[self.a_view.place((first + row).min(rows.end - 1), inner.start)..].as_ptr();
                    }
                    let left = Rows(starts);
                    self.tile::<S, _, ROWS>(simd, rows, inner.len(), panel, left, right, step);
                } else if in_columns {
                    let at = self.a_view.place(first, inner.start);
                    let left = Columns(self.a[at..].as_ptr(), self.a_view.column_stride);
                    self.tile::<S, _, ROWS>(simd, rows, inner.len(), panel, left, right, step);
                } else {
                    let left = Packed(self.packed.left[tile * ROWS * inner.len()..].as_ptr());
                    self.tile::<S, _, ROWS>(simd, rows, inner.len(), panel, left, right, step);
                }
            }
        }
    }

    /// Tile after tile, the rows' values of one inner index beside each other, zeros after the last row.
    #[inline(always)]
    fn pack_left<const ROWS: usize>(&mut self, rows: &Range<usize>, inner: &Range<usize>) {
        let to = &mut self.packed.left;
        let needed = rows.len().next_multiple_of(ROWS) * inner.len();
        to.ensure(needed);
        for (to, first) in to[..needed].chunks_exact_mut(ROWS * inner.len()).zip(rows.clone().step_by(ROWS)) {
            let used = ROWS.min(rows.end - first);
            let (places, _) = to.as_chunks_mut::<ROWS>();
            for (to, i) in places.iter_mut().zip(inner.clone()) {
                let from = &self.a[self.a_view.place(first, i)..];
                match from.first_chunk::<ROWS>() {
                    Some(from) if used == ROWS && self.a_view.row_stride == 1 => *to = *from,
                    _ => {
                        for (row, to) in to.iter_mut().enumerate() {
                            *to = if row < used { from[row * self.a_view.row_stride] } else { 0.0 };
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "the innermost loop's operands, in registers")]
    fn tile<S: Simd, L: Left<ROWS>, const ROWS: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        inner: usize,
        panel: &Panel,
        left: L,
        right: *const f32,
        step: usize,
    ) {
        #[expect(unsafe_code, reason = "bounds are checked once for a product, not once for every value")]
        // SAFETY: `multiply` has checked that all of both operands lies in their slices; packed ones were made for
        // `inner` places of `ROWS` values and of the panel's vectors.
        unsafe {
            match panel.vectors {
                1 => self.store(simd, rows, panel, sums::<S, L, ROWS, 1>(simd, inner, left, right, step)),
                2 => self.store(simd, rows, panel, sums::<S, L, ROWS, 2>(simd, inner, left, right, step)),
                _ => self.store(simd, rows, panel, sums::<S, L, ROWS, 3>(simd, inner, left, right, step)),
            }
        }
    }

    #[inline(always)]
    fn store<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        panel: &Panel,
        sums: [[S::f32s; VECTORS]; ROWS],
    ) {
        let lanes = S::F32_LANES;
        if rows.len() == ROWS && panel.columns.len() == VECTORS * lanes {
            // Loops of known length, so that the sums go from their registers straight to where they belong.
            #[expect(clippy::needless_range_loop, clippy::manual_memcpy, reason = "as the comment says")]
            for row in 0..ROWS {
                let at = self.dst_view.place(rows.start + row, panel.columns.start);
                let dst = S::as_mut_simd_f32s(&mut self.dst[at..][..VECTORS * lanes]).0;
                match self.into {
                    Into::Replaced => {
                        for vector in 0..VECTORS {
                            dst[vector] = sums[row][vector];
                        }
                    }
                    Into::Added => {
                        for vector in 0..VECTORS {
                            dst[vector] = simd.add_f32s(dst[vector], sums[row][vector]);
                        }
                    }
                    Into::AddedTo(base) => {
                        let base = S::as_simd_f32s(&base[at..][..VECTORS * lanes]).0;
                        for vector in 0..VECTORS {
                            dst[vector] = simd.add_f32s(base[vector], sums[row][vector]);
                        }
                    }
                }
            }
            return;
        }
        for (row, sums) in rows.zip(sums) {
            let at = self.dst_view.place(row, panel.columns.start);
            let dst = &mut self.dst[at..][..panel.columns.len()];
            if let Into::AddedTo(base) = self.into {
                dst.copy_from_slice(&base[at..][..panel.columns.len()]);
            }
            let (full, rest) = S::as_mut_simd_f32s(dst);
            let (in_full, in_rest) = sums.split_at(full.len());
            for (dst, &sum) in full.iter_mut().zip(in_full) {
                *dst = if self.into == Into::Replaced { sum } else { simd.add_f32s(*dst, sum) };
            }
            if let Some(&sum) = in_rest.first() {
                let mut values = [0.0; MAX_LANES];
                simd.partial_store_f32s(&mut values[..S::F32_LANES], sum);
                for (dst, sum) in rest.iter_mut().zip(values) {
                    *dst = if self.into == Into::Replaced { sum } else { *dst + sum };
                }
            }
        }
    }
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
                            &mut |rows, found| {
                                let rows = rows.map(|row| (row, dst_view.place(row, 0)));
                                after.extend(rows.map(|(row, at)| (row, found[at..][..n].to_vec())));
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
