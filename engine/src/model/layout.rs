//! Where each named parameter lies in a stage's flat vector.
//!
//! Weights, gradients and optimizer moments of a stage are one flat `Vec<f32>` each: adding, merging, hashing and
//! sending them are loops over a slice. The layout gives names and shapes back.

use std::ops::Range;

/// What a parameter is, as far as initialisation and optimizer care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParameterKind {
    /// A table of one row per token id.
    Embedding,
    /// A matrix `[out, in]` inside the model.
    Matrix,
    /// The matrix from the last hidden state to the logits, `[vocab, d_model]`.
    Head,
    /// A normalisation's gain.
    Gain,
}

/// One named parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Unique in the whole model, not only in the stage.
    pub name: String,
    /// Dimensions, row-major.
    pub shape: Vec<usize>,
    /// What it is.
    pub kind: ParameterKind,
    /// Where it lies in the stage's flat vector.
    pub range: Range<usize>,
    /// Standard deviation of its initial values; `None`: ones.
    pub(crate) initial_deviation: Option<f32>,
}

/// All parameters of a stage, in the order of the flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    parameters: Vec<Parameter>,
    len: usize,
}

impl Layout {
    pub(crate) fn new() -> Self {
        Self { parameters: Vec::new(), len: 0 }
    }

    /// Appends a parameter and returns where it lies.
    pub(crate) fn push(
        &mut self,
        name: String,
        shape: &[usize],
        kind: ParameterKind,
        initial_deviation: Option<f32>,
    ) -> Range<usize> {
        let range = self.len..self.len + shape.iter().product::<usize>();
        self.len = range.end;
        self.parameters.push(Parameter { name, shape: shape.to_vec(), kind, range: range.clone(), initial_deviation });
        range
    }

    /// The parameters in the order of the flat vector.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Number of values in the flat vector.
    #[expect(clippy::len_without_is_empty, reason = "a stage always has parameters")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The parameter of that name.
    pub fn find(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}
