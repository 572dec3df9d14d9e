//! y = x·Wᵀ, without bias. W is `[out, in]`, as checkpoints have it.

use super::{
    matrix::{INNER_PIECE, Into, View, multiply},
    product::soon,
};
use crate::{buffer::Buffer, cpu::Cpu};

/// y = x·Wᵀ. x: [n, in], w: [out, in] → [n, out].
pub(crate) fn forward(cpu: &Cpu, x: &[f32], w: &[f32], inputs: usize) -> Buffer {
    let mut y = cpu.buffer(x.len() / inputs * (w.len() / inputs));
    rows(cpu, Into::Replaced, x, (w, View::rows(inputs).transposed()), inputs, &mut y);
    y
}

/// base + x·Wᵀ: the product together with the residual.
pub(crate) fn forward_onto(cpu: &Cpu, x: &[f32], w: &[f32], inputs: usize, base: &[f32]) -> Buffer {
    let (mut y, outputs) = (cpu.buffer(base.len()), w.len() / inputs);
    let share = cpu.share(x.len() / inputs);
    let shares = y.chunks_mut(share * outputs).zip(base.chunks(share * outputs)).zip(x.chunks(share * inputs));
    cpu.each(shares, |((y, base), x)| {
        let shape = (x.len() / inputs, outputs, inputs);
        let (x, w) = ((x, View::rows(inputs)), (w, View::rows(inputs).transposed()));
        multiply(cpu, shape, INNER_PIECE, (y, View::rows(outputs), Into::AddedTo(base)), x, w);
    });
    y
}

/// y += x·Wᵀ.
pub(crate) fn forward_add(cpu: &Cpu, x: &[f32], w: &[f32], inputs: usize, y: &mut [f32]) {
    rows(cpu, Into::Added, x, (w, View::rows(inputs).transposed()), inputs, y);
}

/// dst = a·b or dst += a·b for row-major a [n, k] and dst [n, columns of b]; threads take rows.
pub(crate) fn rows(cpu: &Cpu, into: Into<'_>, a: &[f32], b: (&[f32], View), k: usize, dst: &mut [f32]) {
    let n = b.0.len() / k;
    let share = cpu.share(a.len() / k);
    cpu.each(dst.chunks_mut(share * n).zip(a.chunks(share * k)), |(dst, a)| {
        multiply(cpu, (a.len() / k, n, k), INNER_PIECE, (dst, View::rows(n), into), (a, View::rows(k)), b);
    });
}

/// Adds dyᵀ·x to dw and returns dx = dy·W. The rows are sequences of `context` tokens.
pub(crate) fn backward(
    cpu: &Cpu,
    context: usize,
    dy: &[f32],
    x: &[f32],
    w: &[f32],
    inputs: usize,
    dw: &mut [f32],
) -> Buffer {
    weight_gradient(cpu, context, dy, x, inputs, dw);
    let mut dx = cpu.buffer(x.len());
    rows(cpu, Into::Replaced, dy, (w, View::rows(inputs)), w.len() / inputs, &mut dx);
    dx
}

/// Adds dyᵀ·x to dw. Each sequence's part of dw is summed by itself, so that it does not matter to the bits how sequences
/// are divided into microbatches.
pub(crate) fn weight_gradient(cpu: &Cpu, context: usize, dy: &[f32], x: &[f32], inputs: usize, dw: &mut [f32]) {
    let outputs = dw.len() / inputs;
    let share = cpu.share(outputs);
    cpu.each(dw.chunks_mut(share * inputs).enumerate(), |(i, dw)| {
        let shape = (dw.len() / inputs, inputs, context);
        let x_of = |sequence: usize| x.chunks_exact(context * inputs).nth(sequence).unwrap_or(&[]);
        let sequences = dy.chunks_exact(context * outputs).zip(x.chunks_exact(context * inputs));
        for (next, (dy, x)) in (1..).zip(sequences) {
            soon([x_of(next), &[], &[], &[]]);
            let dy = (dy, View::rows(outputs).at(i * share).transposed());
            multiply(cpu, shape, INNER_PIECE, (dw, View::rows(inputs), Into::Added), dy, (x, View::rows(inputs)));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Oracle, pseudo_random};
    use crate::cpu::Cpu;

    #[test]
    fn agrees_with_autograd() {
        for (context, n, inputs, outputs) in [(2, 2, 3, 5), (35, 70, 64, 33), (600, 600, 16, 8), (1, 3, 1, 2)] {
            let (x, w) = (pseudo_random(1, n * inputs), pseudo_random(2, outputs * inputs));
            let dy = pseudo_random(3, n * outputs);
            let oracle = Oracle::new(&[(&x, &[n, inputs]), (&w, &[outputs, inputs])]);
            let (y, gradients) = oracle.run(&dy, |v| v[0].matmul(&v[1].t()?));
            let cpu = Cpu::default();
            let mut dw = vec![0.0; w.len()];
            oracle.assert_close("y", &super::forward(&cpu, &x, &w, inputs), &y);
            let dx = super::backward(&cpu, context, &dy, &x, &w, inputs, &mut dw);
            oracle.assert_close("dx", &dx, &gradients[0]);
            oracle.assert_close("dw", &dw, &gradients[1]);
        }
    }
}
