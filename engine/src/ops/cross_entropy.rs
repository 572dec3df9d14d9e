//! Softmax cross-entropy against the next token.

use super::{
    kernel::kernels,
    lanes::{exp, max, sum},
};
use crate::cpu::Cpu;

/// Turns logits [n, vocab] into the gradient of the loss *sum* in place (probabilities, one less at the target) and
/// returns that sum in nats.
pub(crate) fn forward(cpu: &Cpu, logits: &mut [f32], targets: impl Iterator<Item = u32>, vocab: usize) -> f64 {
    let targets: Vec<u32> = targets.collect();
    let mut losses = vec![0.0; targets.len()];
    let share = cpu.share(targets.len());
    let shares = logits.chunks_mut(share * vocab).zip(targets.chunks(share)).zip(losses.chunks_mut(share));
    cpu.each(shares, |((logits, targets), losses)| {
        for ((row, &target), loss) in logits.chunks_exact_mut(vocab).zip(targets).zip(losses) {
            let target = target as usize;
            let target_logit = f64::from(row[target]);
            let (highest, total) = softmax(cpu, row);
            row[target] -= 1.0;
            *loss = libm::log(f64::from(total)) - (target_logit - f64::from(highest));
        }
    });
    losses.iter().sum()
}

kernels! {
    /// Turns logits into probabilities; returns the highest, and Σ exp(logit − highest).
    fn softmax(row: &mut [f32]) -> (f32, f32) {
        let highest = max(row);
        for value in row.iter_mut() {
            *value = exp(*value - highest);
        }
        let total = sum(row);
        let scale = 1.0 / total;
        for value in row.iter_mut() {
            *value *= scale;
        }
        (highest, total)
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Oracle, pseudo_random};
    use crate::cpu::Cpu;
    use candle_core::{Device, Tensor};

    #[test]
    fn agrees_with_autograd() {
        for (n, vocab) in [(11, 256), (5, 65_537)] {
            compare(n, vocab);
        }
    }

    fn compare(n: usize, vocab: usize) {
        let logits: Vec<f32> = pseudo_random(1, n * vocab).iter().map(|x| x * 9.0).collect();
        let targets: Vec<u32> = (0..n as u32).map(|i| i * 7919 % vocab as u32).collect();
        let ids = Tensor::new(targets.clone(), &Device::Cpu).unwrap();
        let oracle = Oracle::new(&[(&logits, &[n, vocab])]);
        let (losses, gradients) = oracle.run(&vec![1.0; n], |v| {
            let log_sum = v[0].exp()?.sum(1)?.log()?;
            log_sum - v[0].gather(&ids.unsqueeze(1)?, 1)?.squeeze(1)?
        });
        let mut d = logits.clone();
        let loss = super::forward(&Cpu::default(), &mut d, targets.into_iter(), vocab);
        assert!((loss - losses.iter().sum::<f64>()).abs() < 1e-4);
        oracle.assert_close("dlogits", &d, &gradients[0]);
    }
}
