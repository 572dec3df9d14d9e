//! y = x / rms(x) · gain, per row.

use super::lanes::{dot, dot3};
use crate::cpu::Cpu;

/// Keeps the root away from zero.
const EPSILON: f32 = 1e-5;

/// A normalised matrix, and 1/rms of each row for the way back.
pub(crate) struct Normed {
    pub(crate) y: Vec<f32>,
    inverse_rms: Vec<f32>,
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
    let mut y = vec![0.0; x.len()];
    let mut inverse_rms = vec![0.0; x.len() / width];
    let share = cpu.share(inverse_rms.len());
    let shares = x.chunks(share * width).zip(y.chunks_mut(share * width)).zip(inverse_rms.chunks_mut(share));
    cpu.each(shares, |((x, y), inverse_rms)| {
        cpu.vectorized(|| {
            let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(inverse_rms);
            for ((x, y), inverse_rms) in rows {
                *inverse_rms = 1.0 / (dot(x, x) / width as f32 + EPSILON).sqrt();
                for i in 0..width {
                    y[i] = x[i] * *inverse_rms * gain[i];
                }
            }
        });
    });
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
    let share = cpu.share(normed.inverse_rms.len());
    let shares = dy.chunks(share * width).zip(x.chunks(share * width)).zip(dx.chunks_mut(share * width));
    cpu.each(shares.zip(normed.inverse_rms.chunks(share)), |(((dy, x), dx), inverse_rms)| {
        cpu.vectorized(|| {
            let rows = dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
            for (((dy, x), dx), &inverse_rms) in rows.zip(inverse_rms) {
                let along = dot3(dy, gain, x) * inverse_rms * inverse_rms / width as f32;
                for i in 0..width {
                    dx[i] += (dy[i] * gain[i] - x[i] * along) * inverse_rms;
                }
            }
        });
    });
    // Threads take columns here: what is summed over the tokens keeps their order.
    let share = cpu.share(width);
    cpu.each(dgain.chunks_mut(share).enumerate(), |(i, dgain)| {
        let columns = i * share..i * share + dgain.len();
        cpu.vectorized(|| {
            let rows = dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(&normed.inverse_rms);
            for ((dy, x), &inverse_rms) in rows {
                for ((dgain, dy), x) in dgain.iter_mut().zip(&dy[columns.clone()]).zip(&x[columns.clone()]) {
                    *dgain += dy * x * inverse_rms;
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Oracle, pseudo_random};
    use super::*;

    #[test]
    fn agrees_with_autograd() {
        for (n, d) in [(3, 5), (40, 64)] {
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
