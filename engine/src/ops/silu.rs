//! SiLU, x·σ(x), alone (in the bottleneck) and gating (SwiGLU in the feed-forward layer).

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

/// silu(gate)·up, where each row of `gate_up` [n, 2·width] holds the gate and then the values. → [n, width].
pub(crate) fn gated_forward(cpu: &Cpu, gate_up: &[f32], width: usize) -> Buffer {
    let mut y = cpu.buffer(gate_up.len() / 2);
    let share = width * cpu.share(y.len() / width);
    cpu.each(y.chunks_mut(share).zip(gate_up.chunks(2 * share)), |(y, gate_up)| gate(cpu, gate_up, width, y));
    y
}

/// The gradient of `gate_up` from that of the result.
pub(crate) fn gated_backward(cpu: &Cpu, dy: &[f32], gate_up: &[f32], width: usize) -> Buffer {
    let mut d = cpu.buffer(gate_up.len());
    let share = width * cpu.share(dy.len() / width);
    cpu.each(d.chunks_mut(2 * share).zip(dy.chunks(share)).zip(gate_up.chunks(2 * share)), |((d, dy), gate_up)| {
        gate_back(cpu, dy, gate_up, width, d);
    });
    d
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

    fn gate(gate_up: &[f32], width: usize, y: &mut [f32]) {
        for (y, row) in y.chunks_exact_mut(width).zip(gate_up.chunks_exact(2 * width)) {
            let (gate, up) = row.split_at(width);
            for i in 0..width {
                y[i] = gate[i] * sigmoid(gate[i]) * up[i];
            }
        }
    }

    fn gate_back(dy: &[f32], gate_up: &[f32], width: usize, d: &mut [f32]) {
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
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Oracle, pseudo_random};
    use super::*;
    use candle_core::{Result, Tensor};

    fn silu_formula(x: &Tensor) -> Result<Tensor> {
        x / (x.neg()?.exp()? + 1.0)?
    }

    #[test]
    fn plain_and_gated_agree_with_autograd() {
        let cpu = Cpu::default();
        let (n, width) = (9, 21);
        let x: Vec<f32> = pseudo_random(1, n * 2 * width).iter().map(|x| x * 6.0).collect();
        let dy = pseudo_random(2, n * 2 * width);
        let oracle = Oracle::new(&[(&x, &[n, 2 * width])]);
        let (y, gradients) = oracle.run(&dy, |v| silu_formula(&v[0]));
        let mut dx = dy.clone();
        backward(&cpu, &mut dx, &x);
        oracle.assert_close("silu", &forward(&cpu, &x), &y);
        oracle.assert_close("dx", &dx, &gradients[0]);

        let dy = &dy[..n * width];
        let (y, gradients) =
            oracle.run(dy, |v| silu_formula(&v[0].narrow(1, 0, width)?)? * v[0].narrow(1, width, width)?);
        oracle.assert_close("gated", &gated_forward(&cpu, &x, width), &y);
        oracle.assert_close("d gated", &gated_backward(&cpu, dy, &x, width), &gradients[0]);
    }
}
