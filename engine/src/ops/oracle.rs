//! The judge of every operation's test: the same formula in Candle's primitive operations, in f64, differentiated by
//! Candle.

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

    /// The formula's value and the gradient of Σ value·seed for every input.
    pub(crate) fn run(&self, seed: &[f32], formula: impl Fn(&[Tensor]) -> Result<Tensor>) -> (Vec<f64>, Vec<Vec<f64>>) {
        let inputs: Vec<Tensor> = self.variables.iter().map(|variable| variable.as_tensor().clone()).collect();
        let y = formula(&inputs).unwrap();
        let seed = Tensor::from_slice(seed, y.shape(), &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        let gradients = (&y * seed).unwrap().sum_all().unwrap().backward().unwrap();
        let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
        (flat(&y), self.variables.iter().map(|variable| flat(gradients.get(variable).unwrap())).collect())
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

/// Values in −1..1 that are the same in every run.
pub(crate) fn pseudo_random(seed: u64, length: usize) -> Vec<f32> {
    use rand_chacha::{
        ChaCha8Rng,
        rand_core::{RngCore, SeedableRng},
    };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..length).map(|_| random.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0).collect()
}
