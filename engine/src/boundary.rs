//! What crosses a boundary between two stages: a matrix of one row per token.

use candle_core::{Device, Tensor};
use thiserror::Error;

/// Most values one boundary tensor may hold: 256 MiB of f32.
pub const MAX_BOUNDARY_VALUES: usize = 1 << 26;

/// `[rows, width]`, f32: z on its way forward, or the gradient of z on its way back. One row per token, the tokens of
/// a sequence after each other. Width 0 (the first stage's input, or a model whose bottleneck is `Cut`) holds nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundaryTensor {
    rows: usize,
    width: usize,
    values: Vec<f32>,
}

/// Why values were refused as a boundary tensor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BoundaryError {
    /// Too large to be one.
    #[error("a boundary tensor of {rows} × {width} exceeds {MAX_BOUNDARY_VALUES} values")]
    TooLarge {
        /// Rows asked for.
        rows: usize,
        /// Width asked for.
        width: usize,
    },
    /// Values and shape disagree.
    #[error("a boundary tensor of {rows} × {width} needs {} values, got {found}", rows * width)]
    Length {
        /// Rows.
        rows: usize,
        /// Width.
        width: usize,
        /// Values found.
        found: usize,
    },
    /// A value is infinite or not a number.
    #[error("a boundary tensor holds a value that is not finite, in row {row}")]
    NotFinite {
        /// The first such row.
        row: usize,
    },
}

impl BoundaryTensor {
    /// Values of a tensor, row by row; refuses a wrong number of them and any that is not finite.
    pub fn new(rows: usize, width: usize, values: Vec<f32>) -> Result<Self, BoundaryError> {
        Self::check_size(rows, width)?;
        if values.len() != rows * width {
            return Err(BoundaryError::Length { rows, width, found: values.len() });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(position) => Err(BoundaryError::NotFinite { row: position / width }),
            None => Ok(Self { rows, width, values }),
        }
    }

    /// Whether a tensor of that shape may exist; ask before allocating for one.
    pub fn check_size(rows: usize, width: usize) -> Result<(), BoundaryError> {
        match rows.checked_mul(width) {
            Some(values) if values <= MAX_BOUNDARY_VALUES => Ok(()),
            _ => Err(BoundaryError::TooLarge { rows, width }),
        }
    }

    /// What crosses a boundary of width 0.
    pub(crate) fn empty(rows: usize) -> Self {
        Self { rows, width: 0, values: Vec::new() }
    }

    /// Tokens.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Features per token.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn to_tensor(&self) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.values, (self.rows, self.width), &Device::Cpu)
    }

    /// What the engine computed itself is not checked again: values that are not finite are a fact about the weights,
    /// and the receiver refuses them.
    pub(crate) fn from_tensor(tensor: &Tensor) -> candle_core::Result<Self> {
        let (rows, width) = tensor.dims2()?;
        Ok(Self { rows, width, values: tensor.flatten_all()?.to_vec1()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_and_finiteness_are_checked() {
        assert!(BoundaryTensor::new(2, 3, vec![0.0; 6]).is_ok());
        assert!(matches!(BoundaryTensor::new(2, 3, vec![0.0; 5]), Err(BoundaryError::Length { found: 5, .. })));
        assert!(matches!(BoundaryTensor::new(usize::MAX, 3, vec![]), Err(BoundaryError::TooLarge { .. })));
        let values = vec![0.0, 0.0, 0.0, f32::INFINITY];
        assert_eq!(BoundaryTensor::new(2, 2, values), Err(BoundaryError::NotFinite { row: 1 }));
        assert_eq!(BoundaryTensor::new(7, 0, vec![]).unwrap().values(), &[] as &[f32]);
    }
}
