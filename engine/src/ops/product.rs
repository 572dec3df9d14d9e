//! Products in the order that `matrix` defines: which operands are copied together, how blocks follow each other, and what is asked for
//! from memory meanwhile.

use std::{cell::RefCell, ops::Range};

use pulp::{Simd, WithSimd};

use super::{
    ahead::{Ahead, Lines, Queue, Soon, share},
    matrix::{After, INNER_PIECE, Into, View},
    tile::{Columns, Left, Packed, Rows, sums},
    transpose::Transpose,
};
use crate::{
    aligned::{ALIGNMENT_VALUES, Aligned},
    cpu::Cpu,
};

/// Most values in a vector.
const MAX_LANES: usize = 16;
/// More rows than the last tile of a block may be short of.
const MAX_TILE_ROWS: usize = 8;
/// Rows of the left operand that are gone through for one panel of the right one.
const ROW_BLOCK: usize = 64;
/// Up to so many rows the right operand is read where it lies: copying it would take longer than it saves.
const FEW_ROWS: usize = 64;
/// Inner indices from which a tile takes so long that it asks for what its product needs next. (What others need soon is asked
/// for by the shortest.)
const ASK_INNER: usize = 128;

/// Most values that a thread keeps packed for products of an inner dimension of `inner` with `columns` columns.
pub(crate) fn packed_values(columns: usize, inner: usize) -> usize {
    let inner = inner.min(INNER_PIECE);
    inner * (columns.next_multiple_of(MAX_LANES) + ROW_BLOCK + MAX_TILE_ROWS) + 2 * ALIGNMENT_VALUES
}

thread_local! {
    static PACKED: RefCell<Packs> = RefCell::default();
}

/// Packed operands of the product under way. Their memory is kept between products.
struct Packs {
    right: Aligned,
    left: Aligned,
    soon: Soon,
}

impl Default for Packs {
    fn default() -> Self {
        Self { right: Aligned::default(), left: Aligned::default(), soon: Queue::empty() }
    }
}

/// While this thread's next products are computed, these are asked for from memory: they are needed soon after. What was said
/// before is forgotten.
pub(crate) fn soon(values: [&[f32]; 4]) {
    PACKED.with_borrow_mut(|packed| packed.soon = Queue::new(values.map(Lines::of)));
}

/// A product whose views were checked, on the calling thread.
#[cfg_attr(feature = "any-order", expect(dead_code, reason = "what its absence saves is measured"))]
pub(super) fn in_order(
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
    let After { work, reads } = after;
    PACKED.with_borrow_mut(|packed| {
        let after = After { work: &mut *work, reads };
        cpu.dispatch(Product { m, n, k, piece, dst, dst_view, into, a, a_view, b, b_view, packed, after });
    });
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
                    (self.after.work)(rows, self.dst);
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
        let tiles_of_panel = rows.len().div_ceil(ROWS);
        for (place, panel) in panels.iter().enumerate() {
            let (right, step) = match panel.packed {
                Some(at) => (self.packed.right[at..].as_ptr(), panel.vectors * S::F32_LANES),
                None => {
                    let at = self.b_view.place(inner.start, panel.columns.start);
                    (self.b[at..].as_ptr(), self.b_view.row_stride)
                }
            };
            for (tile, first) in rows.clone().step_by(ROWS).enumerate() {
                let next = match panels.get(place + 1) {
                    _ if first + ROWS < rows.end => (first + ROWS, panel),
                    Some(panel) => (rows.start, panel),
                    None => (rows.end, &panels[0]),
                };
                let packs = !in_rows && !in_columns;
                let of_block = (place * tiles_of_panel + tile, panels.len() * tiles_of_panel);
                let ahead = self.ahead::<ROWS>(&rows, inner, of_block, next, packs);
                let rows = first..rows.end.min(first + ROWS);
                if in_rows {
                    // A tile that is not full repeats its last row, and forgets the repetitions.
                    let mut starts = [self.a.as_ptr(); ROWS];
                    for (row, start) in starts.iter_mut().enumerate() {
                        let row = (first + row).min(rows.end - 1);
                        *start = start.wrapping_add(self.a_view.place(row, inner.start));
                    }
                    let left = Rows(starts);
                    self.tile::<S, _, ROWS>(simd, rows, inner.len(), panel, left, right, step, ahead);
                } else if in_columns {
                    let at = self.a_view.place(first, inner.start);
                    let left = Columns(self.a[at..].as_ptr(), self.a_view.column_stride);
                    self.tile::<S, _, ROWS>(simd, rows, inner.len(), panel, left, right, step, ahead);
                } else {
                    let left = Packed(self.packed.left[tile * ROWS * inner.len()..].as_ptr());
                    self.tile::<S, _, ROWS>(simd, rows, inner.len(), panel, left, right, step, ahead);
                }
            }
        }
    }

    /// What is asked for during a tile, of so many: what the `next` one is added to, and a share of what the next rows are packed from
    /// or of what will be read when these are complete.
    #[inline(always)]
    fn ahead<const ROWS: usize>(
        &self,
        rows: &Range<usize>,
        inner: &Range<usize>,
        (tile, tiles): (usize, usize),
        next: (usize, &Panel),
        packs: bool,
    ) -> Queue<3> {
        if inner.len() < ASK_INNER {
            return Queue::empty();
        }
        let (row, panel) = next;
        let (at, columns) = (self.dst_view.place(row, panel.columns.start), panel.columns.len());
        let tile_of =
            |values: &[f32]| Lines::of_rows(values, at, self.dst_view.row_stride, ROWS.min(self.m - row), columns);
        let base = if let Into::AddedTo(base) = self.into { tile_of(base) } else { Lines::none() };
        let later = if packs && self.a_view.row_stride == 1 {
            let inner = share(inner, tile, tiles);
            let at = self.a_view.place(rows.end, inner.start);
            let rows = ROW_BLOCK.min(self.m - rows.end);
            Lines::of_rows(self.a, at, self.a_view.column_stride, inner.len(), rows)
        } else if inner.end == self.k {
            let read = self.dst_view.place(rows.start, 0)..self.dst_view.place(rows.end, 0);
            Lines::of(self.after.reads.get(share(&read, tile, tiles)).unwrap_or(&[]))
        } else {
            Lines::none()
        };
        Queue::new([tile_of(self.dst), base, later])
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
        own: Queue<3>,
    ) {
        #[expect(unsafe_code, reason = "bounds are checked once for a product, not once for every value")]
        // SAFETY: `multiply` has checked that all of both operands lies in their slices; packed ones were made for
        // `inner` places of `ROWS` values and of the panel's vectors.
        unsafe {
            let ahead = &mut Ahead { own, soon: &mut self.packed.soon };
            match panel.vectors {
                1 => {
                    let sums = sums::<S, L, ROWS, 1>(simd, inner, left, right, step, ahead);
                    self.store(simd, rows, panel, sums);
                }
                2 => {
                    let sums = sums::<S, L, ROWS, 2>(simd, inner, left, right, step, ahead);
                    self.store(simd, rows, panel, sums);
                }
                _ => {
                    let sums = sums::<S, L, ROWS, 3>(simd, inner, left, right, step, ahead);
                    self.store(simd, rows, panel, sums);
                }
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
            let stride = self.dst_view.row_stride;
            let start = self.dst_view.place(rows.start, panel.columns.start);
            let all = start..start + (ROWS - 1) * stride + VECTORS * lanes;
            let base = if let Into::AddedTo(base) = self.into { base[all.clone()].as_ptr() } else { std::ptr::null() };
            let dst = self.dst[all].as_mut_ptr();
            // Checked once, and loops of known length that cannot end early: so the sums go from their registers straight to
            // where they belong. Else they would be laid down first, a tenth of the time of a product with few inner indices.
            let to = |row: usize, vector: usize| dst.wrapping_add(row * stride + vector * lanes).cast::<S::f32s>();
            let of = |row: usize, vector: usize| base.wrapping_add(row * stride + vector * lanes).cast::<S::f32s>();
            #[expect(unsafe_code, reason = "bounds are checked once for a tile, not once for every row")]
            #[expect(clippy::needless_range_loop, reason = "as the comment above says")]
            // SAFETY: all of the tile lies in the destination, and in what is added, as was just checked; f32s may lie anywhere.
            unsafe {
                match self.into {
                    Into::Replaced => {
                        for row in 0..ROWS {
                            for vector in 0..VECTORS {
                                to(row, vector).write_unaligned(sums[row][vector]);
                            }
                        }
                    }
                    Into::Added => {
                        for row in 0..ROWS {
                            for vector in 0..VECTORS {
                                let before = to(row, vector).read_unaligned();
                                to(row, vector).write_unaligned(simd.add_f32s(before, sums[row][vector]));
                            }
                        }
                    }
                    Into::AddedTo(_) => {
                        for row in 0..ROWS {
                            for vector in 0..VECTORS {
                                let before = of(row, vector).read_unaligned();
                                to(row, vector).write_unaligned(simd.add_f32s(before, sums[row][vector]));
                            }
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
