//! The innermost loop of matrix products: a few rows times a few vectors of columns, summed in registers.

use pulp::Simd;

use super::ahead::Ahead;

/// Inner indices between two looks at the loop's end.
const UNROLLED: usize = 4;

/// Where the rows of the left operand lie, for a tile's first inner index.
pub(super) trait Left<const ROWS: usize>: Copy {
    /// The value of a row at an inner index.
    ///
    /// # Safety
    /// The place must be readable.
    #[expect(unsafe_code, reason = "bounds are checked once for a product, not once for every value")]
    unsafe fn value(self, row: usize, i: usize) -> f32;
}

/// Row after row, each in one piece.
#[derive(Clone, Copy)]
pub(super) struct Rows<const ROWS: usize>(pub(super) [*const f32; ROWS]);

/// The rows' values of one inner index beside each other.
#[derive(Clone, Copy)]
pub(super) struct Packed(pub(super) *const f32);

/// Column after column, each in one piece, this far apart.
#[derive(Clone, Copy)]
pub(super) struct Columns(pub(super) *const f32, pub(super) usize);

#[expect(unsafe_code, reason = "bounds are checked once for a product, not once for every value")]
impl<const ROWS: usize> Left<ROWS> for Columns {
    #[inline(always)]
    unsafe fn value(self, row: usize, i: usize) -> f32 {
        // SAFETY: the caller vouches for the place.
        unsafe { *self.0.add(i * self.1 + row) }
    }
}

#[expect(unsafe_code, reason = "bounds are checked once for a product, not once for every value")]
impl<const ROWS: usize> Left<ROWS> for Rows<ROWS> {
    #[inline(always)]
    unsafe fn value(self, row: usize, i: usize) -> f32 {
        // SAFETY: the caller vouches for the place.
        unsafe { *self.0[row].add(i) }
    }
}

#[expect(unsafe_code, reason = "bounds are checked once for a product, not once for every value")]
impl<const ROWS: usize> Left<ROWS> for Packed {
    #[inline(always)]
    unsafe fn value(self, row: usize, i: usize) -> f32 {
        // SAFETY: the caller vouches for the place.
        unsafe { *self.0.add(i * ROWS + row) }
    }
}

/// Σ left[row][i]·right[i][column] for `i` from 0 to `inner`, in this order; each product is added before it is rounded.
///
/// # Safety
/// `left` must be readable for `inner` values of each row, `right` for `VECTORS` vectors at each of `inner` places that are
/// `step` values apart.
#[inline(always)]
#[expect(unsafe_code, reason = "bounds are checked once for a product, not once for every value")]
pub(super) unsafe fn sums<S: Simd, L: Left<ROWS>, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    inner: usize,
    left: L,
    right: *const f32,
    step: usize,
    ahead: &mut Ahead<'_>,
) -> [[S::f32s; VECTORS]; ROWS] {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    let mut i = 0;
    // SAFETY: the caller vouches for all places below `inner`.
    unsafe {
        while i + UNROLLED <= inner {
            ahead.ask();
            for next in i..i + UNROLLED {
                add(simd, next, left, right, step, &mut sums);
            }
            i += UNROLLED;
        }
        while i < inner {
            add(simd, i, left, right, step, &mut sums);
            i += 1;
        }
    }
    sums
}

/// Adds one inner index's products.
///
/// # Safety
/// As for [`sums`], at inner index `i`.
#[inline(always)]
#[expect(unsafe_code, reason = "bounds are checked once for a product, not once for every value")]
#[expect(clippy::needless_range_loop, reason = "loops of known length, which the compiler unrolls into registers")]
unsafe fn add<S: Simd, L: Left<ROWS>, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    i: usize,
    left: L,
    right: *const f32,
    step: usize,
    sums: &mut [[S::f32s; VECTORS]; ROWS],
) {
    let mut columns = [simd.splat_f32s(0.0); VECTORS];
    for vector in 0..VECTORS {
        // SAFETY: the caller vouches for the place; f32s may lie anywhere.
        columns[vector] = unsafe { right.add(i * step + vector * S::F32_LANES).cast::<S::f32s>().read_unaligned() };
    }
    for row in 0..ROWS {
        // SAFETY: the caller vouches for the place.
        let value = simd.splat_f32s(unsafe { left.value(row, i) });
        for vector in 0..VECTORS {
            sums[row][vector] = simd.mul_add_f32s(value, columns[vector], sums[row][vector]);
        }
    }
}
