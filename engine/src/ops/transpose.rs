//! Matrices turned over, block by block through registers: value by value, each of a block's values would cost what eight do.

use pulp::{Simd, WithSimd};

use crate::cpu::Cpu;

/// Rows and columns of a block.
const BLOCK: usize = 8;

/// `[rows, columns]`, in rows that are so far apart → `[columns, rows]` without gaps.
pub(crate) fn transpose(cpu: &Cpu, from: (&[f32], usize), size: (usize, usize), to: &mut [f32]) {
    cpu.dispatch(Transpose { size, from, to: (to, size.0) });
}

/// A matrix `[rows, columns]` in a buffer whose rows are so far apart, and where it goes.
pub(super) struct Transpose<'a> {
    pub(super) size: (usize, usize),
    pub(super) from: (&'a [f32], usize),
    pub(super) to: (&'a mut [f32], usize),
}

impl WithSimd for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { size: (rows, columns), from: (from, from_stride), to: (to, to_stride) } = self;
        if rows == 0 || columns == 0 {
            return;
        }
        assert!((rows - 1) * from_stride + columns <= from.len(), "a matrix leaves its buffer");
        assert!((columns - 1) * to_stride + rows <= to.len(), "a transposed matrix leaves its buffer");
        let whole = (rows / BLOCK * BLOCK, columns / BLOCK * BLOCK);
        for row in (0..whole.0).step_by(BLOCK) {
            for column in (0..whole.1).step_by(BLOCK) {
                let (from, to) = (&from[row * from_stride + column..], &mut to[column * to_stride + row..]);
                block::<S>(from, from_stride, to, to_stride);
            }
        }
        for row in 0..rows {
            let done = if row < whole.0 { whole.1 } else { 0 };
            for column in done..columns {
                to[column * to_stride + row] = from[row * from_stride + column];
            }
        }
    }
}

/// One block from the start of one slice to the start of the other, by instructions made for it where `S` has them.
#[inline(always)]
fn block<S: Simd>(from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) {
    assert!((BLOCK - 1) * from_stride + BLOCK <= from.len() && (BLOCK - 1) * to_stride + BLOCK <= to.len());
    #[cfg(target_arch = "x86_64")]
    if S::F32_LANES >= BLOCK {
        #[expect(
            unsafe_code,
            reason = "instructions that not every x86-64 has, and pointers in place of checked slices"
        )]
        // SAFETY: on x86-64 vectors of eight values are AVX's or AVX-512's, and `S` is only there where the processor has
        // them. All rows lie in their slices, as was just checked.
        unsafe {
            avx_block(from.as_ptr(), from_stride, to.as_mut_ptr(), to_stride);
        }
        return;
    }
    for row in 0..BLOCK {
        for column in 0..BLOCK {
            to[column * to_stride + row] = from[row * from_stride + column];
        }
    }
}

/// One block: pairs of rows, pairs of pairs, and then halves change places.
///
/// # Safety
/// The processor must have AVX, and `BLOCK` values must lie at each of `BLOCK` places, `from_stride` and `to_stride` values apart.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
#[expect(unsafe_code, reason = "as `block` says")]
unsafe fn avx_block(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    use std::arch::x86_64::*;
    // SAFETY: the caller vouches for the places.
    let row = |i: usize| unsafe { _mm256_loadu_ps(from.add(i * from_stride)) };
    // Of rows 2i and 2i + 1: columns 0, 1, 4, 5 side by side, and 2, 3, 6, 7.
    let pair = |i: usize| {
        let (a, b) = (row(2 * i), row(2 * i + 1));
        (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b))
    };
    // Of rows 4i to 4i + 3: columns 0 and 4, 1 and 5, 2 and 6, 3 and 7.
    let four = |i: usize| {
        let ((a_low, a_high), (b_low, b_high)) = (pair(2 * i), pair(2 * i + 1));
        [
            _mm256_shuffle_ps::<0x44>(a_low, b_low),
            _mm256_shuffle_ps::<0xee>(a_low, b_low),
            _mm256_shuffle_ps::<0x44>(a_high, b_high),
            _mm256_shuffle_ps::<0xee>(a_high, b_high),
        ]
    };
    let (first, second) = (four(0), four(1));
    for i in 0..4 {
        let low = _mm256_permute2f128_ps::<0x20>(first[i], second[i]);
        let high = _mm256_permute2f128_ps::<0x31>(first[i], second[i]);
        // SAFETY: the caller vouches for the places.
        unsafe {
            _mm256_storeu_ps(to.add(i * to_stride), low);
            _mm256_storeu_ps(to.add((i + 4) * to_stride), high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cpu::Instructions, ops::oracle::pseudo_random};

    #[test]
    fn every_value_finds_its_place_with_every_instruction_set_and_nothing_else_moves() {
        for (rows, columns) in [(0, 3), (3, 0), (1, 1), (7, 9), (8, 8), (16, 24), (17, 31), (32, 256), (70, 6)] {
            let (from_stride, to_stride) = (columns + 2, rows + 3);
            let from = pseudo_random(1, rows * from_stride);
            let before = pseudo_random(2, columns * to_stride);
            let mut expected = before.clone();
            for row in 0..rows {
                for column in 0..columns {
                    expected[column * to_stride + row] = from[row * from_stride + column];
                }
            }
            for instructions in Instructions::available() {
                let mut to = before.clone();
                let cpu = Cpu::default().with_instructions(instructions);
                let size = (rows, columns);
                cpu.dispatch(Transpose { size, from: (&from, from_stride), to: (&mut to, to_stride) });
                assert_eq!(to, expected, "{rows} × {columns}, {}", instructions.name());
            }
        }
    }
}
