//! Muon: momentum, orthogonalised (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024).
//!
//! A step goes along the matrix U·Vᵀ of the momentum's singular value decomposition U·S·Vᵀ, which a polynomial iteration
//! finds nearly: each singular value s is taken to a·s + b·s³ + c·s⁵ time and again, and ends between 0.7 and 1.2 unless it
//! was some hundred times smaller than the norm. A weight then moves by about 1/√(larger side); times
//! 0.2·√(larger side) it moves about as far as by AdamW (arXiv 2502.16982, eq. 4).
//!
//! All products are the engine's own, in f32, so the bits depend neither on the instruction set nor on threads.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    buffer::Buffer,
    cpu::Cpu,
    ops::{
        kernel::kernels,
        lanes::{is_finite, scale, square_sum},
        linear,
        matrix::{INNER_PIECE, Into, View, multiply},
    },
};

/// a, b, c: steepest at zero while values up to 1 stay within 0.7 to 1.2 (Jordan et al.).
pub(super) const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];
/// Rounds of the iteration. Part of every result's bits.
pub(super) const ROUNDS: usize = 5;
/// Added to the norm that a matrix is divided by: one of zeros stays one.
pub(super) const NORM_EPSILON: f64 = 1e-7;
/// How far a weight moves per unit of learning rate, in the root of the mean square.
pub(super) const UPDATE_RMS: f64 = 0.2;

/// The numbers of one step for one parameter.
pub(super) struct Muon {
    pub(super) momentum: f32,
    /// The learning rate.
    pub(super) rate: f64,
    /// What decay leaves of a weight.
    pub(super) keep: f32,
    /// What makes the mean of the gradient's values.
    pub(super) mean: f32,
    /// What clipping leaves of that.
    pub(super) clip: f32,
}

impl Muon {
    /// One step of a matrix [rows, columns], Nesterov's way: along what the momentum would be after the same gradient
    /// once more. Says whether all weights are finite after it.
    pub(super) fn apply(
        &self,
        cpu: &Cpu,
        columns: usize,
        weights: &mut [f32],
        first: &mut [f32],
        gradient: &[f32],
    ) -> bool {
        let mut update = cpu.buffer(gradient.len());
        let share = cpu.share(update.len());
        let shares = update.chunks_mut(share).zip(first.chunks_mut(share)).zip(gradient.chunks(share));
        cpu.each(shares, |((update, first), gradient)| {
            nesterov(cpu, self, first, gradient, update);
        });
        let update = orthogonalise(cpu, columns, update);
        let longer = columns.max(update.len() / columns);
        let rate = (self.rate * UPDATE_RMS * (longer as f64).sqrt()) as f32;
        let finite = AtomicBool::new(true);
        cpu.each(weights.chunks_mut(share).zip(update.chunks(share)), |(weights, update)| {
            if !step(cpu, self.keep, rate, update, weights) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }
}

/// The nearest matrix with singular values of about 1, for x: [rows, columns].
pub(super) fn orthogonalise(cpu: &Cpu, columns: usize, mut x: Buffer) -> Buffer {
    let rows = x.len() / columns;
    let by = (1.0 / (square_sum(cpu, &x).sqrt() + NORM_EPSILON)) as f32;
    let share = cpu.share(x.len());
    cpu.each(x.chunks_mut(share), |part| scale(cpu, part, by));

    let [a, b, c] = COEFFICIENTS;
    // Of the two products of x with itself, the smaller.
    let side = rows.min(columns);
    let (mut gram, mut square) = (cpu.buffer(side * side), cpu.buffer(side * side));
    let mut next = cpu.buffer(x.len());
    for _ in 0..ROUNDS {
        if side == rows {
            linear::rows(cpu, Into::Replaced, &x, (&x, View::rows(columns).transposed()), columns, &mut gram);
        } else {
            gram_of_columns(cpu, &x, columns, &mut gram);
        }
        linear::rows(cpu, Into::Replaced, &gram, (&gram, View::rows(side)), side, &mut square);
        let of_gram = cpu.share(gram.len());
        cpu.each(gram.chunks_mut(of_gram).zip(square.chunks(of_gram)), |(gram, square)| {
            combine(cpu, b, c, square, gram);
        });
        cpu.each(next.chunks_mut(share).zip(x.chunks(share)), |(next, x)| times(cpu, a, x, next));
        if side == rows {
            linear::rows(cpu, Into::Added, &gram, (&x, View::rows(columns)), side, &mut next);
        } else {
            linear::rows(cpu, Into::Added, &x, (&gram, View::rows(side)), side, &mut next);
        }
        std::mem::swap(&mut x, &mut next);
    }
    x
}

/// xᵀ·x, [columns, columns]; threads take its rows.
fn gram_of_columns(cpu: &Cpu, x: &[f32], columns: usize, gram: &mut [f32]) {
    let (rows, share) = (x.len() / columns, cpu.share(columns));
    cpu.each(gram.chunks_mut(share * columns).enumerate(), |(i, gram)| {
        let shape = (gram.len() / columns, columns, rows);
        let across = (x, View::rows(columns).at(i * share).transposed());
        let into = (gram, View::rows(columns), Into::Replaced);
        multiply(cpu, shape, INNER_PIECE, into, across, (x, View::rows(columns)));
    });
}

kernels! {
    /// Moves the momentum along the gradient, and looks once further.
    fn nesterov(muon: &Muon, first: &mut [f32], gradient: &[f32], update: &mut [f32]) {
        let Muon { momentum, mean, clip, .. } = *muon;
        for ((m, &g), u) in first.iter_mut().zip(gradient).zip(update) {
            let g = g * mean * clip;
            *m = momentum * *m + (1.0 - momentum) * g;
            *u = momentum * *m + (1.0 - momentum) * g;
        }
    }

    /// gram = b·gram + c·square.
    fn combine(b: f32, c: f32, square: &[f32], gram: &mut [f32]) {
        for (gram, square) in gram.iter_mut().zip(square) {
            *gram = b * *gram + c * square;
        }
    }

    /// y = factor·x.
    fn times(factor: f32, x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = factor * x;
        }
    }

    fn step(keep: f32, rate: f32, update: &[f32], weights: &mut [f32]) -> bool {
        let mut finite = true;
        for (w, u) in weights.iter_mut().zip(update) {
            *w = keep * *w - rate * u;
            finite &= is_finite(*w);
        }
        finite
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cpu::Instructions, ops::oracle::pseudo_random};

    /// Row-major, in f64: nothing shared with the engine.
    #[derive(Clone)]
    struct Matrix {
        columns: usize,
        values: Vec<f64>,
    }

    impl Matrix {
        fn new(columns: usize, values: &[f32]) -> Self {
            Self { columns, values: values.iter().map(|&value| f64::from(value)).collect() }
        }

        fn rows(&self) -> usize {
            self.values.len() / self.columns
        }

        fn transposed(&self) -> Self {
            let at = |i: usize| self.values[i % self.rows() * self.columns + i / self.rows()];
            Self { columns: self.rows(), values: (0..self.values.len()).map(at).collect() }
        }

        fn times(&self, other: &Self) -> Self {
            let entry = |i: usize| -> f64 {
                let (row, column) = (i / other.columns, i % other.columns);
                let inner = 0..self.columns;
                inner.map(|k| self.values[row * self.columns + k] * other.values[k * other.columns + column]).sum()
            };
            Self { columns: other.columns, values: (0..self.rows() * other.columns).map(entry).collect() }
        }

        fn combined(&self, own: f64, other: &Self, factor: f64) -> Self {
            let values = self.values.iter().zip(&other.values).map(|(a, b)| own * a + factor * b);
            Self { columns: self.columns, values: values.collect() }
        }

        fn norm(&self) -> f64 {
            self.values.iter().map(|value| value * value).sum::<f64>().sqrt()
        }

        /// The iteration as the paper writes it.
        fn orthogonalised(&self) -> Self {
            if self.rows() > self.columns {
                return self.transposed().orthogonalised().transposed();
            }
            let [a, b, c] = COEFFICIENTS.map(f64::from);
            let mut x = self.combined(1.0 / (self.norm() + NORM_EPSILON), self, 0.0);
            for _ in 0..ROUNDS {
                let gram = x.times(&x.transposed());
                let polynomial = gram.combined(b, &gram.times(&gram), c);
                x = x.combined(a, &polynomial.times(&x), 1.0);
            }
            x
        }

        /// Roots of the eigenvalues of x·xᵀ, by Jacobi's rotations.
        fn singular_values(&self) -> Vec<f64> {
            if self.rows() > self.columns {
                return self.transposed().singular_values();
            }
            let (n, mut gram) = (self.rows(), self.times(&self.transposed()).values);
            for _ in 0..30 {
                for p in 0..n {
                    for q in p + 1..n {
                        if gram[p * n + q].abs() < 1e-300 {
                            continue;
                        }
                        let theta = (gram[q * n + q] - gram[p * n + p]) / (2.0 * gram[p * n + q]);
                        let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                        let c = 1.0 / (t * t + 1.0).sqrt();
                        let s = t * c;
                        for k in 0..n {
                            let (a, b) = (gram[k * n + p], gram[k * n + q]);
                            (gram[k * n + p], gram[k * n + q]) = (c * a - s * b, s * a + c * b);
                        }
                        for k in 0..n {
                            let (a, b) = (gram[p * n + k], gram[q * n + k]);
                            (gram[p * n + k], gram[q * n + k]) = (c * a - s * b, s * a + c * b);
                        }
                    }
                }
            }
            (0..n).map(|i| gram[i * n + i].max(0.0).sqrt()).collect()
        }
    }

    const SHAPES: [(usize, usize); 7] = [(12, 12), (24, 40), (40, 24), (1, 9), (9, 1), (7, 600), (600, 7)];

    #[test]
    fn an_updates_singular_values_are_near_one_and_the_references() {
        for (rows, columns) in SHAPES {
            let values = pseudo_random(rows as u64, rows * columns);
            let cpu = Cpu::default();
            let found = Matrix::new(columns, &orthogonalise(&cpu, columns, cpu.copy(&values)));
            let exact = Matrix::new(columns, &values).orthogonalised();
            let error = found.combined(1.0, &exact, -1.0).norm() / exact.norm();
            assert!(error < 1e-5, "{rows} × {columns}: off by {error}");
            let singular = found.singular_values();
            assert_eq!(singular.len(), rows.min(columns));
            assert!(singular.iter().all(|s| (0.6..1.25).contains(s)), "{rows} × {columns}: {singular:?}");
        }
    }

    #[test]
    fn the_reference_finds_known_singular_values() {
        // diag(3, 2) turned on both sides by 3-4-5 and 5-12-13 triangles.
        let turned = |a: f32, b: f32| Matrix::new(2, &[a, -b, b, a]);
        let x = turned(0.6, 0.8).times(&Matrix::new(2, &[3.0, 0.0, 0.0, 2.0])).times(&turned(5.0 / 13.0, 12.0 / 13.0));
        let mut found = x.singular_values();
        found.sort_by(f64::total_cmp);
        assert!((found[0] - 2.0).abs() < 1e-6 && (found[1] - 3.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn steps_are_the_textbooks() {
        for (rows, columns) in [(6, 10), (10, 6)] {
            let muon = Muon { momentum: 0.9, rate: 0.02, keep: 0.998, mean: 1.0, clip: 1.0 };
            let mut weights = pseudo_random(1, rows * columns);
            let mut first = vec![0.0; rows * columns];
            let (mut w, mut m) = (Matrix::new(columns, &weights), Matrix::new(columns, &first));
            for step in 0..3 {
                let gradient: Vec<f32> = pseudo_random(2 + step, rows * columns).iter().map(|g| g * 0.01).collect();
                assert!(muon.apply(&Cpu::default(), columns, &mut weights, &mut first, &gradient));
                let (momentum, g) = (f64::from(muon.momentum), Matrix::new(columns, &gradient));
                m = m.combined(momentum, &g, 1.0 - momentum);
                let update = m.combined(momentum, &g, 1.0 - momentum).orthogonalised();
                let rate = muon.rate * 0.2 * (rows.max(columns) as f64).sqrt();
                w = w.combined(f64::from(muon.keep), &update, -rate);
            }
            let error = Matrix::new(columns, &weights).combined(1.0, &w, -1.0).norm() / w.norm();
            assert!(error < 1e-6, "{rows} × {columns}: off by {error}");
        }
    }

    #[test]
    fn no_instruction_set_and_no_thread_changes_a_bit() {
        let pool = std::sync::Arc::new(rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap());
        for (rows, columns) in SHAPES {
            let values = pseudo_random(7, rows * columns);
            let bits = |cpu: Cpu| {
                let x = orthogonalise(&cpu, columns, cpu.copy(&values));
                x.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
            };
            let baseline = bits(Cpu::default().with_instructions(Instructions::available()[0]));
            for instructions in Instructions::available() {
                let cpu = Cpu::default().with_instructions(instructions);
                assert_eq!(bits(cpu.clone()), baseline, "{}, {rows} × {columns}", instructions.name());
                assert_eq!(bits(cpu.with_pool(pool.clone())), baseline, "threads, {rows} × {columns}");
            }
        }
    }

    #[test]
    fn nothing_stays_nothing() {
        let cpu = Cpu::default();
        assert_eq!(*orthogonalise(&cpu, 4, cpu.zeros(12)), [0.0; 12]);
    }
}
