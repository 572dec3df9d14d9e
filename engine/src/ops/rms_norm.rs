//! y = x / rms(x) · gain, per row.

use super::{
    kernel::kernels,
    lanes::{dot, dot3},
};
use crate::{buffer::Buffer, cpu::Cpu};

/// Keeps the root away from zero.
pub(crate) const EPSILON: f32 = 1e-5;

/// Rows after which what was read of them is read once more, as long as it is near.
const BACKWARD_ROWS: usize = 512;

/// A normalised matrix, and 1/rms of each row for the way back.
pub(crate) struct Normed {
    pub(crate) y: Buffer,
    inverse_rms: Buffer,
}

impl Normed {
    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.y) + size_of_val(&*self.inverse_rms)
    }
}

/// x: [n, d], gain: [d].
pub(crate) fn forward(cpu: &Cpu, x: &[f32], gain: &[f32]) -> Normed {
    let width = gain.len();
    let mut y = cpu.buffer(x.len());
    let mut inverse_rms = cpu.buffer(x.len() / width);
    let share = cpu.share(inverse_rms.len());
    let shares = x.chunks(share * width).zip(y.chunks_mut(share * width)).zip(inverse_rms.chunks_mut(share));
    cpu.each(shares, |((x, y), inverse_rms)| forward_rows(cpu, x, gain, y, inverse_rms));
    Normed { y, inverse_rms }
}

/// Adds the gradient of x to dx and that of the gain, token after token, to dgain.
pub(crate) fn backward(
    cpu: &Cpu,
    dy: &[f32],
    x: &[f32],
    normed: &Normed,
    gain: &[f32],
    dx: &mut [f32],
    dgain: &mut [f32],
) {
    let width = gain.len();
    let block = BACKWARD_ROWS * width;
    let blocks = dy.chunks(block).zip(x.chunks(block)).zip(dx.chunks_mut(block));
    for (((dy, x), dx), inverse_rms) in blocks.zip(normed.inverse_rms.chunks(BACKWARD_ROWS)) {
        let share = cpu.share(inverse_rms.len());
        let shares = dy.chunks(share * width).zip(x.chunks(share * width)).zip(dx.chunks_mut(share * width));
        cpu.each(shares.zip(inverse_rms.chunks(share)), |(((dy, x), dx), inverse_rms)| {
            backward_rows(cpu, dy, x, inverse_rms, gain, dx);
        });
        // Threads take columns here: what is summed over the tokens keeps their order.
        let share = cpu.share(width);
        cpu.each(dgain.chunks_mut(share).enumerate(), |(i, dgain)| {
            backward_columns(cpu, dy, x, inverse_rms, (width, i * share), dgain);
        });
    }
}

kernels! {
    fn forward_rows(x: &[f32], gain: &[f32], y: &mut [f32], inverse_rms: &mut [f32]) {
        let width = gain.len();
        for ((x, y), inverse_rms) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(inverse_rms) {
            *inverse_rms = 1.0 / (dot(x, x) / width as f32 + EPSILON).sqrt();
            for i in 0..width {
                y[i] = x[i] * *inverse_rms * gain[i];
            }
        }
    }

    fn backward_rows(dy: &[f32], x: &[f32], inverse_rms: &[f32], gain: &[f32], dx: &mut [f32]) {
        let width = gain.len();
        let rows = dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
        for (((dy, x), dx), &inverse_rms) in rows.zip(inverse_rms) {
            let along = dot3(dy, gain, x) * inverse_rms * inverse_rms / width as f32;
            for i in 0..width {
                dx[i] += (dy[i] * gain[i] - x[i] * along) * inverse_rms;
            }
        }
    }

    /// `at`: how wide a row is, and the first of the columns that `dgain` stands for.
    fn backward_columns(dy: &[f32], x: &[f32], inverse_rms: &[f32], at: (usize, usize), dgain: &mut [f32]) {
        let (width, first) = at;
        for ((dy, x), &inverse_rms) in dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(inverse_rms) {
            let (dy, x) = (&dy[first..][..dgain.len()], &x[first..][..dgain.len()]);
            for i in 0..dgain.len() {
                dgain[i] += dy[i] * x[i] * inverse_rms;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Oracle, pseudo_random};
    use super::*;

    #[test]
    fn agrees_with_autograd() {
        // More rows than go through both passes at once.
        for (n, d) in [(3, 5), (40, 64), (2 * BACKWARD_ROWS + 6, 5)] {
            let (x, gain, dy) = (pseudo_random(1, n * d), pseudo_random(2, d), pseudo_random(3, n * d));
            let oracle = Oracle::new(&[(&x, &[n, d]), (&gain, &[d])]);
            let (y, gradients) = oracle.run(&dy, |v| {
                let rms = (v[0].sqr()?.mean_keepdim(1)? + f64::from(EPSILON))?.sqrt()?;
                v[0].broadcast_div(&rms)?.broadcast_mul(&v[1])
            });
            let cpu = Cpu::default();
            let normed = forward(&cpu, &x, &gain);
            let (mut dx, mut dgain) = (vec![0.0; x.len()], vec![0.0; d]);
            backward(&cpu, &dy, &x, &normed, &gain, &mut dx, &mut dgain);
            oracle.assert_close("y", &normed.y, &y);
            oracle.assert_close("dx", &dx, &gradients[0]);
            oracle.assert_close("dgain", &dgain, &gradients[1]);
        }
    }
}
