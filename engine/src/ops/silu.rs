//! SiLU, x·σ(x), alone, as it is in the bottleneck.

use super::{kernel::kernels, lanes::sigmoid};
use crate::{buffer::Buffer, cpu::Cpu};

/// x·σ(x).
pub(crate) fn forward(cpu: &Cpu, x: &[f32]) -> Buffer {
    let mut y = cpu.buffer(x.len());
    let share = cpu.share(x.len());
    cpu.each(y.chunks_mut(share).zip(x.chunks(share)), |(y, x)| silu(cpu, x, y));
    y
}

/// Turns dy into dx, in place.
pub(crate) fn backward(cpu: &Cpu, dy: &mut [f32], x: &[f32]) {
    let share = cpu.share(x.len());
    cpu.each(dy.chunks_mut(share).zip(x.chunks(share)), |(dy, x)| silu_back(cpu, x, dy));
}

kernels! {
    fn silu(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * sigmoid(x);
        }
    }

    fn silu_back(x: &[f32], dy: &mut [f32]) {
        for (dy, &x) in dy.iter_mut().zip(x) {
            let s = sigmoid(x);
            *dy *= s * (1.0 + x * (1.0 - s));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Oracle, pseudo_random, silu};
    use super::*;

    #[test]
    fn agrees_with_autograd() {
        let (cpu, n) = (Cpu::default(), 9 * 42);
        let x: Vec<f32> = pseudo_random(1, n).iter().map(|x| x * 6.0).collect();
        let dy = pseudo_random(2, n);
        let oracle = Oracle::new(&[(&x, &[9, 42])]);
        let (y, gradients) = oracle.run(&dy, |v| silu(&v[0]));
        let mut dx = dy.clone();
        backward(&cpu, &mut dx, &x);
        oracle.assert_close("silu", &forward(&cpu, &x), &y);
        oracle.assert_close("dx", &dx, &gradients[0]);
    }
}
