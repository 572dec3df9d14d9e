//! Values in memory that begins with a line of the caches: a load or store of a long vector that lies across two lines is two.

use std::ops::{Deref, DerefMut, Range};

/// Values in a line of the caches.
pub(crate) const CACHE_LINE: usize = 16;
/// Most values that an aligned vector takes beside its own.
pub(crate) const ALIGNMENT_VALUES: usize = CACHE_LINE - 1;

/// A vector of fixed length that begins with a line.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    /// With room for the start anywhere in a line.
    values: Box<[f32]>,
    start: usize,
}

impl Aligned {
    /// Zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let values = crate::pages::zeros(len + ALIGNMENT_VALUES).into_boxed_slice();
        // Where alignment cannot be found out, values begin somewhere; nothing depends on it but time.
        let start = values.as_ptr().align_offset(CACHE_LINE * size_of::<f32>()).min(ALIGNMENT_VALUES);
        Self { values, start }
    }

    /// Takes care that at least `len` values are there; what they were is lost where there were fewer.
    pub(crate) fn ensure(&mut self, len: usize) {
        if self.len() < len {
            // The old memory goes before the new comes: both together would be more than was counted on.
            *self = Self::default();
            *self = Self::zeros(len);
        }
    }

    fn range(&self) -> Range<usize> {
        self.start..self.start + self.values.len().saturating_sub(ALIGNMENT_VALUES)
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.range()]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        let range = self.range();
        &mut self.values[range]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_begin_with_a_line_and_keep_their_length() {
        for len in [0, 1, 15, 16, 1000, 100_000] {
            let values = Aligned::zeros(len);
            assert_eq!(*values, vec![0.0; len]);
            assert_eq!(values.as_ptr() as usize % 64, 0, "{len} values");
        }
        assert_eq!(*Aligned::default(), [0.0; 0]);
        let mut values = Aligned::zeros(10);
        values[9] = 1.0;
        values.ensure(5);
        assert_eq!((values.len(), values[9]), (10, 1.0), "enough is left alone");
        values.ensure(2000);
        assert_eq!(*values, [0.0; 2000]);
    }
}
