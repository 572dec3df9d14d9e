//! Values with the way back from them: reverse differentiation of which every step is written out.
//!
//! Candle's own fills a tensor with zeros for every gradient and adds to it, and has no way back through its fused kernels. On
//! a card, where a stage's time goes into moving tensors, that was half of it.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};

/// From the gradient of what came out to that of what went in. Gradients of parameters go into the sums.
pub(super) type Back = Box<dyn FnOnce(Tensor, &mut Sums) -> Result<Tensor> + Send>;

/// A stage's parameter, on its device.
#[derive(Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) values: Tensor,
}

/// Sums of gradients on their device, by the parameters' names.
#[derive(Default)]
pub(super) struct Sums(BTreeMap<String, Tensor>);

impl Sums {
    /// Of the parameter's shape.
    pub(super) fn add(&mut self, name: &str, gradient: Tensor) -> Result<()> {
        let sum = match self.0.remove(name) {
            Some(before) => (before + gradient)?,
            None => gradient,
        };
        self.0.insert(name.to_owned(), sum);
        Ok(())
    }

    /// Adds what a pass found: all of it or, where the device fails, nothing.
    pub(super) fn absorb(&mut self, pass: Self) -> Result<()> {
        let mut sums = self.0.clone();
        for (name, gradient) in pass.0 {
            let sum = match sums.get(&name) {
                Some(before) => (before + gradient)?,
                None => gradient,
            };
            sums.insert(name, sum);
        }
        self.0 = sums;
        Ok(())
    }

    /// The sum, which starts anew; none of a parameter that had no gradient.
    pub(super) fn take(&mut self, name: &str) -> Option<Tensor> {
        self.0.remove(name)
    }
}

/// A value, and the steps that led to it.
pub(super) struct Way {
    pub(super) value: Tensor,
    steps: Vec<Back>,
}

impl Way {
    pub(super) fn start(value: Tensor) -> Self {
        Self { value, steps: Vec::new() }
    }

    /// One step on.
    pub(super) fn through(mut self, step: impl FnOnce(&Tensor) -> Result<(Tensor, Back)>) -> Result<Self> {
        let (value, back) = step(&self.value)?;
        self.value = value;
        self.steps.push(back);
        Ok(self)
    }

    /// x + branch(x).
    pub(super) fn plus(self, branch: impl FnOnce(Self) -> Result<Self>) -> Result<Self> {
        self.through(|x| {
            let branch = branch(Self::start(x.clone()))?;
            let sum = (x + &branch.value)?;
            let back = branch.into_back();
            Ok((sum, Box::new(move |dy, sums| &dy + back(dy.clone(), sums)?)))
        })
    }

    /// The way back, from the value to the start.
    pub(super) fn into_back(self) -> Back {
        Box::new(move |gradient, sums| self.steps.into_iter().rev().try_fold(gradient, |dy, back| back(dy, sums)))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn sums(values: &[(&str, &[f32])]) -> Sums {
        let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
        Sums(values.iter().map(|(name, values)| ((*name).to_owned(), tensor(values))).collect())
    }

    #[test]
    fn a_pass_that_fails_leaves_the_sums_as_they_were() {
        let mut kept = sums(&[("a", &[1.0, 2.0]), ("b", &[3.0])]);
        assert!(kept.absorb(sums(&[("a", &[1.0, 1.0]), ("b", &[1.0, 1.0])])).is_err(), "of another shape");
        kept.absorb(sums(&[("b", &[4.0]), ("c", &[5.0])])).unwrap();
        let found = ["a", "b", "c"].map(|name| kept.take(name).unwrap().to_vec1::<f32>().unwrap());
        assert_eq!(found, [vec![1.0, 2.0], vec![7.0], vec![5.0]]);
        assert!(kept.take("a").is_none(), "the sum starts anew");
    }
}
