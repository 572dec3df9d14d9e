//! The judge of every operation's test: the same formula in Candle's primitive operations, in f64, differentiated by
//! Candle. The judge is judged too: its gradient is held against central finite differences of its value, so that no
//! operation is taken for right because Candle and the engine are wrong together.

use candle_core::{DType, Device, Result, Tensor, Var};

pub(crate) struct Oracle {
    variables: Vec<Var>,
}

impl Oracle {
    pub(crate) fn new(inputs: &[(&[f32], &[usize])]) -> Self {
        let variable = |(values, shape): &(&[f32], &[usize])| {
            let tensor = Tensor::from_slice(values, *shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
            Var::from_tensor(&tensor).unwrap()
        };
        Self { variables: inputs.iter().map(variable).collect() }
    }

    /// The formula's value and the gradient of Σ value·seed for every input, which finite differences confirm.
    pub(crate) fn run(&self, seed: &[f32], formula: impl Fn(&[Tensor]) -> Result<Tensor>) -> (Vec<f64>, Vec<Vec<f64>>) {
        let inputs: Vec<Tensor> = self.variables.iter().map(|variable| variable.as_tensor().clone()).collect();
        let y = formula(&inputs).unwrap();
        let seed = Tensor::from_slice(seed, y.shape(), &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        let gradients = (&y * &seed).unwrap().sum_all().unwrap().backward().unwrap();
        let flat = |tensor: &Tensor| -> Vec<f64> { tensor.flatten_all().unwrap().to_vec1().unwrap() };
        let gradients: Vec<_> = self.variables.iter().map(|variable| flat(gradients.get(variable).unwrap())).collect();
        let scalar = |inputs: &[Tensor]| {
            let sum = (formula(inputs).unwrap() * &seed).unwrap().sum_all().unwrap();
            sum.to_scalar::<f64>().unwrap()
        };
        for (i, gradient) in gradients.iter().enumerate() {
            let shape = inputs[i].dims();
            assert_differences(&format!("input {i}"), &flat(&inputs[i]), gradient, |values| {
                let mut inputs = inputs.clone();
                inputs[i] = Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
                scalar(&inputs)
            });
        }
        (flat(&y), gradients)
    }

    /// Largest error against the largest value: the formula is right or it is not.
    pub(crate) fn assert_close(&self, what: &str, found: &[f32], exact: &[f64]) {
        assert_close(what, found, exact, 5e-6);
    }
}

pub(crate) fn assert_close(what: &str, found: &[f32], exact: &[f64], tolerance: f64) {
    assert_eq!(found.len(), exact.len(), "{what}");
    let scale = exact.iter().fold(1e-12, |scale: f64, value| scale.max(value.abs()));
    for (i, (&found, &exact)) in found.iter().zip(exact).enumerate() {
        let error = (f64::from(found) - exact).abs() / scale;
        assert!(error < tolerance, "{what}[{i}] is {found}, exactly {exact}; off by {error} of the largest");
    }
}

/// Half the distance of a central difference: its error is of the square, and a rounded value's share of it small.
const DIFFERENCE: f64 = 1e-5;
/// Values up to which every one is tried; of more, so many evenly spread ones, and directions through all of them.
const TRIED_ALONE: usize = 32;
const DIRECTIONS: u64 = 3;

/// Holds a gradient at `at` against central finite differences of the function itself.
pub(crate) fn assert_differences(what: &str, at: &[f64], gradient: &[f64], f: impl Fn(&[f64]) -> f64) {
    assert_eq!(at.len(), gradient.len(), "{what}");
    let along = |direction: &[f64]| {
        let moved = |by: f64| at.iter().zip(direction).map(|(x, d)| x + by * d).collect::<Vec<_>>();
        (f(&moved(DIFFERENCE)) - f(&moved(-DIFFERENCE))) / (2.0 * DIFFERENCE)
    };
    let check = |name: &str, direction: &[f64], scale: f64| {
        let exact: f64 = gradient.iter().zip(direction).map(|(g, d)| g * d).sum();
        let found = along(direction);
        let error = (found - exact).abs() / scale.max(1e-3);
        assert!(error < 1e-6, "{what}, {name}: differences say {found}, the gradient {exact}");
    };
    let largest = gradient.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    let tried = at.len().min(TRIED_ALONE);
    for i in (0..tried).map(|i| i * at.len() / tried) {
        let mut direction = vec![0.0; at.len()];
        direction[i] = 1.0;
        check(&format!("value {i}"), &direction, largest);
    }
    let norm = gradient.iter().map(|value| value * value).sum::<f64>().sqrt();
    for seed in 0..DIRECTIONS {
        let direction: Vec<f64> = pseudo_random(900 + seed, at.len()).iter().map(|&d| f64::from(d)).collect();
        let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
        check(&format!("direction {seed}"), &direction.iter().map(|d| d / length).collect::<Vec<_>>(), norm);
    }
}

/// Values in −1..1 that are the same in every run.
pub(crate) fn pseudo_random(seed: u64, length: usize) -> Vec<f32> {
    use rand_chacha::{
        ChaCha8Rng,
        rand_core::{RngCore, SeedableRng},
    };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..length).map(|_| random.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0).collect()
}

#[test]
fn differences_find_a_wrong_gradient_and_pass_a_right_one() {
    let f = |x: &[f64]| x.iter().map(|x| x * x * x).sum::<f64>();
    let at: Vec<f64> = pseudo_random(5, 100).iter().map(|&x| f64::from(x)).collect();
    let right: Vec<f64> = at.iter().map(|x| 3.0 * x * x).collect();
    assert_differences("cubes", &at, &right, f);
    // Also where no value is tried alone.
    for wrong in [0, 1, 99] {
        let mut gradient = right.clone();
        gradient[wrong] += 0.1;
        assert!(std::panic::catch_unwind(|| assert_differences("cubes", &at, &gradient, f)).is_err(), "value {wrong}");
    }
}

/// x·σ(x).
pub(crate) fn silu(x: &Tensor) -> candle_core::Result<Tensor> {
    x / (x.neg()?.exp()? + 1.0)?
}
