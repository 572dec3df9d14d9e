//! SiLU, x·σ(x), alone (in the bottleneck) and gating (SwiGLU in the feed-forward layer).

use super::lanes::sigmoid;
use crate::cpu::Cpu;

/// x·σ(x).
pub(crate) fn forward(cpu: &Cpu, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let share = cpu.share(x.len());
    cpu.each(y.chunks_mut(share).zip(x.chunks(share)), |(y, x)| {
        cpu.vectorized(|| {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x * sigmoid(x);
            }
        });
    });
    y
}

#[inline(always)]
fn derivative(x: f32) -> f32 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

/// Turns dy into dx, in place.
pub(crate) fn backward(cpu: &Cpu, dy: &mut [f32], x: &[f32]) {
    let share = cpu.share(x.len());
    cpu.each(dy.chunks_mut(share).zip(x.chunks(share)), |(dy, x)| {
        cpu.vectorized(|| {
            for (dy, &x) in dy.iter_mut().zip(x) {
                *dy *= derivative(x);
            }
        });
    });
}

/// silu(gate)·up, where each row of `gate_up` [n, 2·width] holds the gate and then the values. → [n, width].
pub(crate) fn gated_forward(cpu: &Cpu, gate_up: &[f32], width: usize) -> Vec<f32> {
    let mut y = vec![0.0; gate_up.len() / 2];
    let share = width * cpu.share(y.len() / width);
    cpu.each(y.chunks_mut(share).zip(gate_up.chunks(2 * share)), |(y, gate_up)| {
        cpu.vectorized(|| {
            for (y, row) in y.chunks_exact_mut(width).zip(gate_up.chunks_exact(2 * width)) {
                let (gate, up) = row.split_at(width);
                for i in 0..width {
                    y[i] = gate[i] * sigmoid(gate[i]) * up[i];
                }
            }
        });
    });
    y
}

/// The gradient of `gate_up` from that of the result.
pub(crate) fn gated_backward(cpu: &Cpu, dy: &[f32], gate_up: &[f32], width: usize) -> Vec<f32> {
    let mut d = vec![0.0; gate_up.len()];
    let share = width * cpu.share(dy.len() / width);
    cpu.each(d.chunks_mut(2 * share).zip(dy.chunks(share)).zip(gate_up.chunks(2 * share)), |((d, dy), gate_up)| {
        cpu.vectorized(|| {
            let rows = d.chunks_exact_mut(2 * width).zip(dy.chunks_exact(width)).zip(gate_up.chunks_exact(2 * width));
            for ((d, dy), row) in rows {
                let ((d_gate, d_up), (gate, up)) = (d.split_at_mut(width), row.split_at(width));
                for i in 0..width {
                    let s = sigmoid(gate[i]);
                    let silu = gate[i] * s;
                    d_gate[i] = dy[i] * up[i] * (s + silu * (1.0 - s));
                    d_up[i] = dy[i] * silu;
                }
            }
        });
    });
    d
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Oracle, pseudo_random};
    use super::*;
    use candle_core::{Result, Tensor};

    fn silu(x: &Tensor) -> Result<Tensor> {
        x / (x.neg()?.exp()? + 1.0)?
    }

    #[test]
    fn plain_and_gated_agree_with_autograd() {
        let cpu = Cpu::default();
        let (n, width) = (9, 21);
        let x: Vec<f32> = pseudo_random(1, n * 2 * width).iter().map(|x| x * 6.0).collect();
        let dy = pseudo_random(2, n * 2 * width);
        let oracle = Oracle::new(&[(&x, &[n, 2 * width])]);
        let (y, gradients) = oracle.run(&dy, |v| silu(&v[0]));
        let mut dx = dy.clone();
        backward(&cpu, &mut dx, &x);
        oracle.assert_close("silu", &forward(&cpu, &x), &y);
        oracle.assert_close("dx", &dx, &gradients[0]);

        let dy = &dy[..n * width];
        let (y, gradients) = oracle.run(dy, |v| silu(&v[0].narrow(1, 0, width)?)? * v[0].narrow(1, width, width)?);
        oracle.assert_close("gated", &gated_forward(&cpu, &x, width), &y);
        oracle.assert_close("d gated", &gated_backward(&cpu, dy, &x, width), &gradients[0]);
    }
}
