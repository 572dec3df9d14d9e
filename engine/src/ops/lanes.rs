//! Elementwise arithmetic for all operations: sums in fixed lanes, exp.

use super::kernel::kernels;
use crate::cpu::Cpu;

/// Partial sums kept side by side; fixed, so that a sum does not depend on the register width.
const LANES: usize = 16;

/// Σ of the lanes, halves onto halves.
#[inline(always)]
pub(crate) fn reduce(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Σ a·b.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_blocks.remainder(), b_blocks.remainder());
    for (a, b) in a_blocks.zip(b_blocks) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    for i in 0..a_rest.len().min(b_rest.len()) {
        lanes[i] += a_rest[i] * b_rest[i];
    }
    reduce(lanes)
}

/// Σ a·b·c.
#[inline(always)]
pub(crate) fn dot3(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a_blocks, b_blocks, c_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES), c.chunks_exact(LANES));
    let (a_rest, b_rest, c_rest) = (a_blocks.remainder(), b_blocks.remainder(), c_blocks.remainder());
    for ((a, b), c) in a_blocks.zip(b_blocks).zip(c_blocks) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i] * c[i];
        }
    }
    for i in 0..a_rest.len().min(b_rest.len()).min(c_rest.len()) {
        lanes[i] += a_rest[i] * b_rest[i] * c_rest[i];
    }
    reduce(lanes)
}

/// Σ a.
#[inline(always)]
pub(crate) fn sum(a: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let blocks = a.chunks_exact(LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for i in 0..LANES {
            lanes[i] += block[i];
        }
    }
    for i in 0..rest.len() {
        lanes[i] += rest[i];
    }
    reduce(lanes)
}

/// The largest value, −∞ for none.
#[inline(always)]
pub(crate) fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let blocks = a.chunks_exact(LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for i in 0..LANES {
            lanes[i] = if block[i] > lanes[i] { block[i] } else { lanes[i] };
        }
    }
    for i in 0..rest.len() {
        lanes[i] = if rest[i] > lanes[i] { rest[i] } else { lanes[i] };
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = if lanes[i + width] > lanes[i] { lanes[i + width] } else { lanes[i] };
        }
        width /= 2;
    }
    lanes[0]
}

/// e^x to two units in the last place: x = n·ln 2 + r, a polynomial in r, then n into the exponent. Beyond ±87 it
/// saturates (to 1.6e-38 and 6e37). Fused multiply-adds are asked for by name, so every machine agrees.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5·2^23 rounds to an integer and leaves that integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2_LOW, n.mul_add(-LN_2_HIGH, x));
    let mut p = 1.987_569_1e-4;
    p = r.mul_add(p, 1.398_2e-3);
    p = r.mul_add(p, 8.333_452e-3);
    p = r.mul_add(p, 4.166_579_6e-2);
    p = r.mul_add(p, 1.666_666_5e-1);
    p = r.mul_add(p, 0.5);
    let value = (r * r).mul_add(p, r) + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    value * f32::from_bits(exponent)
}

/// 1 / x to about one unit in the last place, for x from 1 to 6e37: a guess from the bits, off by a twentieth, whose error Newton's
/// step squares three times. A division takes a vector unit three times as long.
#[inline(always)]
fn reciprocal(x: f32) -> f32 {
    // Twice the bits of 1.0, less what evens out the error of taking the logarithm for a straight line.
    const GUESS: u32 = 0x7ef3_11c7;
    let mut y = f32::from_bits(GUESS.wrapping_sub(x.to_bits()));
    for _ in 0..3 {
        y = y.mul_add((-x).mul_add(y, 1.0), y);
    }
    y
}

/// 1 / (1 + e^−x).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    reciprocal(1.0 + exp(-x))
}

/// Whether a value is neither infinite nor not a number: by bits, for loops over many.
#[inline(always)]
pub(crate) fn is_finite(value: f32) -> bool {
    // The exponent's bits are all ones only there.
    const EXPONENT: u32 = 0x7f80_0000;
    value.to_bits() & EXPONENT != EXPONENT
}

kernels! {
    /// y += x.
    pub(crate) fn add_assign(y: &mut [f32], x: &[f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }

    /// y = factor·x.
    pub(crate) fn scaled(y: &mut [f32], x: &[f32], factor: f32) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = factor * x;
        }
    }

    /// y += factor·x, product and sum rounded apart.
    pub(crate) fn add_scaled(y: &mut [f32], x: &[f32], factor: f32) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += x * factor;
        }
    }

    /// y *= factor.
    pub(crate) fn scale(y: &mut [f32], factor: f32) {
        for y in y {
            *y *= factor;
        }
    }

    fn square_sum_of_block(values: &[f32]) -> f64 {
        let mut lanes = [0.0f64; LANES];
        let chunks = values.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for i in 0..LANES {
                lanes[i] += f64::from(chunk[i]) * f64::from(chunk[i]);
            }
        }
        for i in 0..rest.len() {
            lanes[i] += f64::from(rest[i]) * f64::from(rest[i]);
        }
        let mut sum = 0.0;
        for lane in lanes {
            sum += lane;
        }
        sum
    }
}

/// Values whose squares are summed in one go; part of the sum's bits.
const SQUARE_BLOCK: usize = 1 << 16;

/// Σ x² in f64: in lanes within a block, block after block.
pub(crate) fn square_sum(cpu: &Cpu, values: &[f32]) -> f64 {
    let mut blocks = vec![0.0; values.len().div_ceil(SQUARE_BLOCK)];
    let share = cpu.share(blocks.len());
    cpu.each(blocks.chunks_mut(share).zip(values.chunks(share * SQUARE_BLOCK)), |(sums, values)| {
        for (sum, values) in sums.iter_mut().zip(values.chunks(SQUARE_BLOCK)) {
            *sum = square_sum_of_block(cpu, values);
        }
    });
    blocks.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Instructions;

    #[test]
    fn exp_is_exact_to_two_units_in_the_last_place() {
        for i in -8700..=8700 {
            let x = i as f32 * 0.01;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.5e-7, "exp({x}) is off by {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e30) < 2e-38 && exp(1e30).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_is_exact_to_three_units_in_the_last_place() {
        for i in -8700..=8700 {
            let x = i as f32 * 0.01;
            let exact = 1.0 / (1.0 + f64::from(-x).exp());
            let error = (f64::from(sigmoid(x)) - exact).abs() / exact;
            assert!(error < 3.5e-7, "sigmoid({x}) is off by {error}");
        }
        assert!(sigmoid(-1e30) > 0.0 && (sigmoid(1e30) - 1.0).abs() < 2e-7);
        assert!(sigmoid(f32::NAN).is_nan());
        // Alone, all over a power of two and at both ends.
        for x in (0..1000).map(|i| 1.0 + i as f32 * 1e-3).chain([6e37, 1e19]) {
            let error = (f64::from(reciprocal(x)) * f64::from(x) - 1.0).abs();
            assert!(error < 1.8e-7, "1 / {x} is off by {error}");
        }
    }

    kernels! {
        fn all_of(a: &[f32], b: &[f32]) -> Vec<u32> {
            let sums = [dot(a, b), dot3(a, b, a), sum(a), max(a)];
            let mut bits: Vec<u32> = sums.iter().map(|value| value.to_bits()).collect();
            for &value in a {
                bits.push(exp(value).to_bits());
                bits.push(sigmoid(value).to_bits());
            }
            bits
        }
    }

    #[test]
    fn sums_do_not_depend_on_the_instruction_set() {
        let a: Vec<f32> = (0..1003).map(|i| ((i * 7919) % 1000) as f32 * 0.001 - 0.5).collect();
        let b: Vec<f32> = a.iter().rev().copied().collect();
        let baseline = Cpu::default().with_instructions(Instructions::available()[0]);
        for instructions in Instructions::available() {
            let cpu = Cpu::default().with_instructions(instructions);
            assert_eq!(all_of(&cpu, &a, &b), all_of(&baseline, &a, &b), "{}", instructions.name());
            assert_eq!(square_sum(&cpu, &a).to_bits(), square_sum(&baseline, &a).to_bits());
        }
        assert_eq!(max(&a), a.iter().copied().fold(f32::MIN, f32::max));
    }

    #[test]
    fn square_sums_are_right_across_blocks() {
        let values = vec![0.5; SQUARE_BLOCK + 13];
        assert_eq!(square_sum(&Cpu::default(), &values), values.len() as f64 * 0.25);
        assert_eq!(square_sum(&Cpu::default(), &[]), 0.0);
    }
}
