//! What a neuron says that it made of given inputs, against what the exact engine makes of the same.

use crate::{
    audit::{AuditError, recompute_hop},
    boundary::BoundaryTensor,
    model::{Gradients, ModelConfig, Weights},
    stage::StageOutput,
    tokens::TokenBatch,
};

/// ‖found − exact‖ / ‖exact‖, in f64, by the Euclidean norm; of two empty or two zero vectors 0. Infinite where the lengths
/// differ, a value is not finite, or something is found where exactly nothing is.
pub fn relative_error(found: &[f32], exact: &[f32]) -> f64 {
    if found.len() != exact.len() {
        return f64::INFINITY;
    }
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let pairs = found.iter().zip(exact);
    let error = squares(&mut pairs.map(|(found, exact)| f64::from(*found) - f64::from(*exact)));
    let size = squares(&mut exact.iter().map(|value| f64::from(*value)));
    if error == 0.0 {
        return 0.0;
    }
    let relative = (error / size).sqrt();
    if relative.is_finite() { relative } else { f64::INFINITY }
}

/// What a stage is said to have made of a microbatch, and of what. The same fields as a leaf's transfers.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// z as it came in; none in the first stage.
    pub incoming: Option<&'a BoundaryTensor>,
    /// The gradient as it came back; none in the last stage, and where none came.
    pub outgoing_gradient: Option<&'a BoundaryTensor>,
    /// z or loss as it was passed on, where that is said.
    pub output: Option<&'a StageOutput>,
    /// The gradient as it was passed back; none in the first stage, and where no pass went back.
    pub incoming_gradient: Option<&'a BoundaryTensor>,
    /// The parameters' gradients of this microbatch alone, where they are opened.
    pub gradients: Option<&'a Gradients>,
}

/// [`relative_error`] of each part of a claim; `None` where the claim says nothing of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HopErrors {
    /// Of z, or of the loss.
    pub output: Option<f64>,
    /// Of the gradient that was passed back.
    pub incoming_gradient: Option<f64>,
    /// Of the parameters' gradients, all in one vector.
    pub gradients: Option<f64>,
}

impl HopErrors {
    /// The largest; 0 of a claim that says nothing.
    pub fn worst(&self) -> f64 {
        [self.output, self.incoming_gradient, self.gradients].into_iter().flatten().fold(0.0, f64::max)
    }
}

/// Computes a hop again, exactly, from the inputs of the claim, and says how far the claim is off.
///
/// # Errors
/// When the inputs do not fit the stage.
pub fn compare_hop(
    config: &ModelConfig,
    weights: &Weights,
    tokens: &TokenBatch,
    claim: &Claim<'_>,
) -> Result<HopErrors, AuditError> {
    let exact = recompute_hop(config, weights, tokens, claim.incoming, claim.outgoing_gradient)?;
    let output = claim.output.map(|found| match (found, &exact.output) {
        (StageOutput::Boundary(found), StageOutput::Boundary(exact)) => tensor_error(found, exact),
        (StageOutput::Loss { loss_sum, tokens }, StageOutput::Loss { loss_sum: exact, tokens: exact_tokens }) => {
            let error = ((loss_sum - exact) / exact).abs();
            if tokens == exact_tokens && error.is_finite() { error } else { f64::INFINITY }
        }
        _ => f64::INFINITY,
    });
    let incoming_gradient = claim.incoming_gradient.map(|found| match &exact.incoming_gradient {
        Some(exact) => tensor_error(found, exact),
        None => f64::INFINITY,
    });
    let gradients = claim.gradients.map(|found| relative_error(found.values(), exact.gradients.values()));
    Ok(HopErrors { output, incoming_gradient, gradients })
}

fn tensor_error(found: &BoundaryTensor, exact: &BoundaryTensor) -> f64 {
    match (found.rows(), found.width()) == (exact.rows(), exact.width()) {
        true => relative_error(found.values(), exact.values()),
        false => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_relative_and_nothing_hostile_is_near() {
        assert_eq!(relative_error(&[3.0, 4.5], &[3.0, 4.0]), 0.1);
        assert_eq!(relative_error(&[], &[]), 0.0);
        assert_eq!(relative_error(&[0.0], &[0.0]), 0.0);
        assert_eq!(relative_error(&[1e-30], &[0.0]), f64::INFINITY);
        assert_eq!(relative_error(&[1.0], &[1.0, 0.0]), f64::INFINITY);
        for value in [f32::NAN, f32::INFINITY] {
            assert_eq!(relative_error(&[value], &[1.0]), f64::INFINITY);
            assert_eq!(relative_error(&[1.0], &[value]), f64::INFINITY);
        }
    }
}
