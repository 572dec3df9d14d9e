//! Products by a library that sums as it likes: what a step costs without exactness. Only for the benchmark.

use super::matrix::{Into, View};

/// dst = a·b or dst += a·b, for views that were checked.
pub(super) fn any_order(
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
