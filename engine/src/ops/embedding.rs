//! Rows of a table by token id.

use super::lanes::add_assign;
use crate::cpu::Cpu;

/// Adds each token's row to x: [n, width].
pub(crate) fn forward_add(cpu: &Cpu, table: &[f32], ids: impl Iterator<Item = u32>, width: usize, x: &mut [f32]) {
    for (x, id) in x.chunks_exact_mut(width).zip(ids) {
        add_assign(cpu, x, &table[id as usize * width..][..width]);
    }
}

/// Adds each token's gradient to its row, in the order of the tokens.
pub(crate) fn backward(cpu: &Cpu, dx: &[f32], ids: impl Iterator<Item = u32>, width: usize, dtable: &mut [f32]) {
    for (dx, id) in dx.chunks_exact(width).zip(ids) {
        add_assign(cpu, &mut dtable[id as usize * width..][..width], dx);
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::super::oracle::{Oracle, pseudo_random};

    #[test]
    fn agrees_with_autograd() {
        let (vocab, width, ids) = (7, 5, [3, 0, 6, 3, 3, 1]);
        let (table, x) = (pseudo_random(1, vocab * width), pseudo_random(2, ids.len() * width));
        let dy = pseudo_random(3, x.len());
        let rows = Tensor::new(ids.as_slice(), &Device::Cpu).unwrap();
        let oracle = Oracle::new(&[(&table, &[vocab, width]), (&x, &[ids.len(), width])]);
        let (y, gradients) = oracle.run(&dy, |v| &v[1] + v[0].index_select(&rows, 0)?);
        let (cpu, mut found, mut d_table) = (crate::cpu::Cpu::default(), x, vec![0.0; table.len()]);
        super::forward_add(&cpu, &table, ids.into_iter(), width, &mut found);
        super::backward(&cpu, &dy, ids.into_iter(), width, &mut d_table);
        oracle.assert_close("y", &found, &y);
        oracle.assert_close("dtable", &d_table, &gradients[0]);
        oracle.assert_close("dx", &dy, &gradients[1]);
    }

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
