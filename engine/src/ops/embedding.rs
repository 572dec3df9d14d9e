//! Rows of a table by token id.

use super::lanes::add_assign;
use crate::cpu::Cpu;

/// Adds each token's row to x: [n, width].
pub(crate) fn forward_add(cpu: &Cpu, table: &[f32], ids: impl Iterator<Item = u8>, width: usize, x: &mut [f32]) {
    for (x, id) in x.chunks_exact_mut(width).zip(ids) {
        add_assign(cpu, x, &table[usize::from(id) * width..][..width]);
    }
}

/// Adds each token's gradient to its row, in the order of the tokens.
pub(crate) fn backward(cpu: &Cpu, dx: &[f32], ids: impl Iterator<Item = u8>, width: usize, dtable: &mut [f32]) {
    for (dx, id) in dx.chunks_exact(width).zip(ids) {
        add_assign(cpu, &mut dtable[usize::from(id) * width..][..width], dx);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn repeated_tokens_add_up() {
        let cpu = crate::cpu::Cpu::default();
        let table = [1.0, 2.0, 3.0, 4.0];
        let mut x = [0.5; 6];
        super::forward_add(&cpu, &table, [1, 0, 1].into_iter(), 2, &mut x);
        assert_eq!(x, [3.5, 4.5, 1.5, 2.5, 3.5, 4.5]);
        let mut dtable = [0.0; 4];
        super::backward(&cpu, &[1.0, 2.0, 10.0, 20.0, 100.0, 200.0], [1, 0, 1].into_iter(), 2, &mut dtable);
        assert_eq!(dtable, [10.0, 20.0, 101.0, 202.0]);
    }
}
