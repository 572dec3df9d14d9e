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

/// A matrix that is one parameter with others for the engine's sake only: one above the other, they take one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) rows: usize,
}

/// A tensor as models without fused parameters have it: a whole parameter, or one of its parts.
pub(crate) struct Piece {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// Where it lies in the stage's flat vector.
    pub(crate) range: Range<usize>,
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
    /// What it is fused from, in the order of its rows; none: it is one matrix.
    parts: Vec<Part>,
}

impl Parameter {
    /// The tensors that it consists of, in the order of its rows.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        if self.parts.is_empty() {
            return vec![Piece { name: self.name.clone(), shape: self.shape.clone(), range: self.range.clone() }];
        }
        let path = self.name.trim_end_matches(".weight");
        let prefix = path.rsplit_once('.').map_or("", |(prefix, _)| prefix);
        let (columns, mut start) = (self.shape[1], self.range.start);
        let piece = |part: &Part| {
            let range = start..start + part.rows * columns;
            start = range.end;
            Piece { name: format!("{prefix}.{}.weight", part.name), shape: vec![part.rows, columns], range }
        };
        self.parts.iter().map(piece).collect()
    }
}

/// All parameters of a stage, in the order of the flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    parameters: Vec<Parameter>,
    len: usize,
    model_parameters: u64,
}

impl Layout {
    /// Of a stage of a model with so many parameters in all its stages.
    pub(crate) fn new(model_parameters: u64) -> Self {
        Self { parameters: Vec::new(), len: 0, model_parameters }
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
        let (shape, parts) = (shape.to_vec(), Vec::new());
        self.parameters.push(Parameter { name, shape, kind, range: range.clone(), initial_deviation, parts });
        range
    }

    /// Appends matrices of equally many columns as one parameter.
    pub(crate) fn push_fused(
        &mut self,
        name: String,
        parts: &[Part],
        columns: usize,
        initial_deviation: f32,
    ) -> Range<usize> {
        let rows = parts.iter().map(|part| part.rows).sum();
        let range = self.push(name, &[rows, columns], ParameterKind::Matrix, Some(initial_deviation));
        if let Some(parameter) = self.parameters.last_mut() {
            parameter.parts = parts.to_vec();
        }
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

    /// How much of the whole model's parameters these are, from above 0 to 1.
    pub fn share_of_model(&self) -> f64 {
        self.len as f64 / self.model_parameters as f64
    }

    /// The parameter of that name.
    pub fn find(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}
