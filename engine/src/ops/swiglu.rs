//! SwiGLU, silu(gate)·up, each with the product that it comes after, a few rows at a time: what a product has just left in the
//! caches would else be read again from afar.

use std::ops::Range;

use super::{
    kernel::kernels,
    lanes::sigmoid,
    matrix::{After, INNER_PIECE, Into, View, multiply_then},
};
use crate::{buffer::Buffer, cpu::Cpu};

/// gate_up = x·Wᵀ, whose rows hold `width` gates and then as many values, and silu(gate)·up. x: [n, in], w: [2·width, in] →
/// [n, 2·width] and [n, width].
pub(crate) fn forward(cpu: &Cpu, x: &[f32], w: &[f32], inputs: usize, width: usize) -> (Buffer, Buffer) {
    let n = x.len() / inputs;
    let (mut gate_up, mut gated) = (cpu.buffer(n * 2 * width), cpu.buffer(n * width));
    let share = cpu.share(n);
    let outputs = gate_up.chunks_mut(share * 2 * width).zip(gated.chunks_mut(share * width));
    cpu.each(outputs.zip(x.chunks(share * inputs)), |((gate_up, gated), x)| {
        let shape = (x.len() / inputs, 2 * width, inputs);
        let (x, w) = ((x, View::rows(inputs)), (w, View::rows(inputs).transposed()));
        multiply_then(
            cpu,
            shape,
            INNER_PIECE,
            (gate_up, View::rows(2 * width), Into::Replaced),
            x,
            w,
            After {
                work: &mut |rows, all| {
                    let of = |values: usize| rows.start * values..rows.end * values;
                    gate(cpu, &all[of(2 * width)], width, &mut gated[of(width)]);
                },
                reads: &[],
            },
        );
    });
    (gate_up, gated)
}

/// The gradient of `gate_up` from dy, that of y = gated·Wᵀ. dy: [n, out], w: [out, width], gate_up: [n, 2·width] →
/// [n, 2·width]. The gradient of `gated` exists only where that of the gates takes its place.
pub(crate) fn backward(cpu: &Cpu, dy: &[f32], w: &[f32], gate_up: &[f32], width: usize) -> Buffer {
    let mut d = cpu.buffer(gate_up.len());
    let outputs = w.len() / width;
    let share = cpu.share(dy.len() / outputs);
    let chunks = d.chunks_mut(share * 2 * width).zip(gate_up.chunks(share * 2 * width));
    cpu.each(chunks.zip(dy.chunks(share * outputs)), |((d, gate_up), dy)| {
        let shape = (dy.len() / outputs, width, outputs);
        let (dy, w) = ((dy, View::rows(outputs)), (w, View::rows(width)));
        let mut gates_back = |rows: Range<usize>, all: &mut [f32]| {
            let rows = rows.start * 2 * width..rows.end * 2 * width;
            gate_back(cpu, &gate_up[rows.clone()], width, &mut all[rows]);
        };
        let after = After { work: &mut gates_back, reads: gate_up };
        multiply_then(cpu, shape, INNER_PIECE, (d, View::rows(2 * width), Into::Replaced), dy, w, after);
    });
    d
}

kernels! {
    fn gate(gate_up: &[f32], width: usize, y: &mut [f32]) {
        for (y, row) in y.chunks_exact_mut(width).zip(gate_up.chunks_exact(2 * width)) {
            let (gate, up) = row.split_at(width);
            for i in 0..width {
                y[i] = gate[i] * sigmoid(gate[i]) * up[i];
            }
        }
    }

    /// Rows of d hold the gradient of the result where that of the gates will be.
    fn gate_back(gate_up: &[f32], width: usize, d: &mut [f32]) {
        for (d, row) in d.chunks_exact_mut(2 * width).zip(gate_up.chunks_exact(2 * width)) {
            let ((d_gate, d_up), (gate, up)) = (d.split_at_mut(width), row.split_at(width));
            for i in 0..width {
                let (s, dy) = (sigmoid(gate[i]), d_gate[i]);
                let silu = gate[i] * s;
                d_gate[i] = dy * up[i] * (s + silu * (1.0 - s));
                d_up[i] = dy * silu;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Oracle, pseudo_random, silu};
    use super::*;

    #[test]
    fn agrees_with_autograd() {
        let cpu = Cpu::default();
        // More rows than a product completes at once.
        for (n, inputs, width) in [(9, 5, 21), (1, 1, 1), (200, 16, 24)] {
            let (x, w) = (pseudo_random(1, n * inputs), pseudo_random(2, 2 * width * inputs));
            let x: Vec<f32> = x.iter().map(|x| x * 6.0).collect();
            let oracle = Oracle::new(&[(&x, &[n, inputs]), (&w, &[2 * width, inputs])]);
            let gate_up_of = |v: &[candle_core::Tensor]| v[0].matmul(&v[1].t()?);
            let (expected, _) = oracle.run(&pseudo_random(3, n * 2 * width), |v| gate_up_of(v));
            let (gate_up, gated) = forward(&cpu, &x, &w, inputs, width);
            oracle.assert_close("gate_up", &gate_up, &expected);
            let apart = |gate_up: &candle_core::Tensor| {
                silu(&gate_up.narrow(1, 0, width)?)? * gate_up.narrow(1, width, width)?
            };
            let (expected, _) = oracle.run(&pseudo_random(3, n * width), |v| apart(&gate_up_of(v)?));
            oracle.assert_close("gated", &gated, &expected);

            let (outputs, dy) = (7, pseudo_random(4, n * 7));
            let down = pseudo_random(5, outputs * width);
            let oracle = Oracle::new(&[(&gate_up, &[n, 2 * width]), (&down, &[outputs, width])]);
            let (_, gradients) = oracle.run(&dy, |v| apart(&v[0])?.matmul(&v[1].t()?));
            oracle.assert_close("d gate_up", &backward(&cpu, &dy, &down, &gate_up, width), &gradients[0]);
        }
    }
}
