//! Matrix products over flat buffers: the one place that calls `gemm`.

/// Longest inner product handed to `gemm` in one piece. Up to here it sums in order on every processor; beyond,
/// its blocking depends on the cache, and with it the rounding.
const EXACT_INNER: usize = 512;

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

    /// One past the last element of an `m × n` matrix.
    fn end(self, m: usize, n: usize) -> usize {
        self.start + (m - 1) * self.row_stride + (n - 1) * self.column_stride + 1
    }
}

/// dst = a·b or dst += a·b, for `[m, k]·[k, n]`. On the calling thread.
pub(crate) fn multiply(
    (m, n, k): (usize, usize, usize),
    (dst, dst_view): (&mut [f32], View),
    accumulate: bool,
    (a, a_view): (&[f32], View),
    (b, b_view): (&[f32], View),
) {
    if m == 0 || n == 0 || k == 0 {
        if !accumulate {
            for row in 0..m {
                for column in 0..n {
                    dst[dst_view.start + row * dst_view.row_stride + column * dst_view.column_stride] = 0.0;
                }
            }
        }
        return;
    }
    assert!(dst_view.end(m, n) <= dst.len(), "product leaves the destination");
    assert!(a_view.end(m, k) <= a.len(), "product leaves the left operand");
    assert!(b_view.end(k, n) <= b.len(), "product leaves the right operand");
    for from in (0..k).step_by(EXACT_INNER) {
        let inner = EXACT_INNER.min(k - from);
        let add = accumulate || from > 0;
        #[expect(unsafe_code, reason = "gemm takes pointers; the asserts above keep every element inside its slice")]
        // SAFETY: all elements of the three matrices lie in their slices, as asserted, and dst is borrowed mutably, so
        // it overlaps neither operand.
        unsafe {
            gemm::gemm(
                m,
                n,
                inner,
                dst.as_mut_ptr().add(dst_view.start),
                dst_view.column_stride as isize,
                dst_view.row_stride as isize,
                add,
                a.as_ptr().add(a_view.start + from * a_view.column_stride),
                a_view.column_stride as isize,
                a_view.row_stride as isize,
                b.as_ptr().add(b_view.start + from * b_view.row_stride),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_match_the_definition_beyond_one_inner_block() {
        let (m, n, k) = (5, 7, 1100);
        let a: Vec<f32> = (0..m * k).map(|i| ((i * 37) % 101) as f32 / 101.0 - 0.5).collect();
        let b: Vec<f32> = (0..k * n).map(|i| ((i * 53) % 103) as f32 / 103.0 - 0.5).collect();
        let mut dst = vec![1.0f32; m * n];
        multiply((m, n, k), (&mut dst, View::rows(n)), true, (&a, View::rows(k)), (&b, View::rows(n)));
        for row in 0..m {
            for column in 0..n {
                let exact: f64 =
                    1.0 + (0..k).map(|i| f64::from(a[row * k + i]) * f64::from(b[i * n + column])).sum::<f64>();
                assert!((f64::from(dst[row * n + column]) - exact).abs() < 1e-4);
            }
        }
    }

    #[test]
    #[should_panic(expected = "product leaves the right operand")]
    fn a_product_outside_its_buffer_is_stopped() {
        let mut dst = vec![0.0; 4];
        multiply((2, 2, 2), (&mut dst, View::rows(2)), false, (&[0.0; 4], View::rows(2)), (&[0.0; 3], View::rows(2)));
    }
}
