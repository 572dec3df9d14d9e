//! Large pages for large vectors: where every page has 4 KiB, a pass through weights and intermediate results looks up more
//! places than the processor remembers.

/// A page of the larger kind, in bytes, on the processors that matter.
const LARGE: usize = 2 << 20;

/// Zeros, in large pages where the system has some to give.
pub(crate) fn zeros(len: usize) -> Vec<f32> {
    let values = vec![0.0; len];
    advise(&values);
    values
}

/// Asks for large pages. Nothing depends on the answer but time. (Vectors that share no memory with others are given back with
/// it; where an allocator hands the same memory out again in small pieces, the advice stays.)
fn advise(values: &[f32]) {
    #[cfg(target_os = "linux")]
    {
        let (start, bytes) = (values.as_ptr() as usize, size_of_val(values));
        let first = start.next_multiple_of(LARGE);
        let whole = (start + bytes).saturating_sub(first) / LARGE * LARGE;
        if whole > 0 {
            let place = values.as_ptr().cast_mut().wrapping_byte_add(first - start).cast();
            #[expect(unsafe_code, reason = "advice by address")]
            // SAFETY: the pages lie within the vector, and the advice changes neither what they hold nor who may read it.
            let _ = unsafe { rustix::mm::madvise(place, whole, rustix::mm::Advice::LinuxHugepage) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (values, LARGE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_vector_is_zero_and_to_be_written_whatever_its_length() {
        for len in [0, 1, 1000, LARGE / 4 - 1, LARGE / 4, 3 * LARGE / 4 + 17] {
            let mut values = zeros(len);
            assert_eq!(values, vec![0.0; len]);
            values.fill(1.0);
            assert!(values.iter().all(|&value| value == 1.0), "{len} values");
        }
    }
}
