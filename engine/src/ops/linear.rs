//! y = x·Wᵀ, without bias. W is `[out, in]`, as checkpoints have it.

use super::matrix::{View, multiply};

/// y = x·Wᵀ. x: [n, in], w: [out, in] → [n, out].
pub(crate) fn forward(x: &[f32], w: &[f32], inputs: usize) -> Vec<f32> {
    let (n, outputs) = (x.len() / inputs, w.len() / inputs);
    let mut y = vec![0.0; n * outputs];
    multiply(
        (n, outputs, inputs),
        (&mut y, View::rows(outputs)),
        false,
        (x, View::rows(inputs)),
        (w, View::rows(inputs).transposed()),
    );
    y
}

/// y += x·Wᵀ: the product together with the residual.
pub(crate) fn forward_add(x: &[f32], w: &[f32], inputs: usize, y: &mut [f32]) {
    let (n, outputs) = (x.len() / inputs, w.len() / inputs);
    multiply(
        (n, outputs, inputs),
        (y, View::rows(outputs)),
        true,
        (x, View::rows(inputs)),
        (w, View::rows(inputs).transposed()),
    );
}

/// Adds dyᵀ·x to dw and returns dx = dy·W.
pub(crate) fn backward(dy: &[f32], x: &[f32], w: &[f32], inputs: usize, dw: &mut [f32]) -> Vec<f32> {
    let (n, outputs) = (x.len() / inputs, w.len() / inputs);
    multiply(
        (outputs, inputs, n),
        (dw, View::rows(inputs)),
        true,
        (dy, View::rows(outputs).transposed()),
        (x, View::rows(inputs)),
    );
    let mut dx = vec![0.0; n * inputs];
    multiply(
        (n, inputs, outputs),
        (&mut dx, View::rows(inputs)),
        false,
        (dy, View::rows(outputs)),
        (w, View::rows(inputs)),
    );
    dx
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{Oracle, pseudo_random};

    #[test]
    fn agrees_with_autograd() {
        for (n, inputs, outputs) in [(2, 3, 5), (70, 64, 33), (600, 16, 8)] {
            let (x, w) = (pseudo_random(1, n * inputs), pseudo_random(2, outputs * inputs));
            let dy = pseudo_random(3, n * outputs);
            let oracle = Oracle::new(&[(&x, &[n, inputs]), (&w, &[outputs, inputs])]);
            let (y, gradients) = oracle.run(&dy, |v| v[0].matmul(&v[1].t()?));
            let mut dw = vec![0.0; w.len()];
            oracle.assert_close("y", &super::forward(&x, &w, inputs), &y);
            let dx = super::backward(&dy, &x, &w, inputs, &mut dw);
            oracle.assert_close("dx", &dx, &gradients[0]);
            oracle.assert_close("dw", &dw, &gradients[1]);
        }
    }
}
