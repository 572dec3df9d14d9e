//! A stage's operations in Candle's kernels, each with its way back. The fused kernels among them have none of their own, which
//! is why they are banned elsewhere. Tensors lie as [n, width] where not said otherwise, n = batch · context.

#![expect(clippy::disallowed_methods, reason = "their ways back are written out here")]

use candle_core::{D, Device, Result, Tensor};
use candle_nn::{
    ops::{rms_norm, sigmoid, softmax_last_dim},
    rotary_emb::rope,
};

use super::way::{Back, Parameter, Way};
use crate::{
    model::ModelConfig,
    ops::{rms_norm::EPSILON, rotary::rotary_angle},
    tokens::TokenBatch,
};

/// Up to so many rows of an embedding its gradient is a product with what was read, one-hot: Candle's kernel adds a row after the
/// other, which leaves a card idle.
const ONE_HOT_VOCAB: usize = 4096;
/// Columns by which a product is widened to subtract something from each row, so that rows stay aligned.
const SUBTRACTED: usize = 4;

/// y = x·Wᵀ: dx = dy·W, dW = dyᵀ·x.
pub(super) fn linear(x: &Tensor, w: Parameter) -> Result<(Tensor, Back)> {
    let (y, x) = (x.matmul(&w.values.t()?)?, x.clone());
    let back: Back = Box::new(move |dy, sums| {
        sums.add(&w.name, dy.t()?.matmul(&x)?)?;
        dy.matmul(&w.values)
    });
    Ok((y, back))
}

/// y = x̂·g with x̂ = x / r, r = √(mean x² + ε): dg = Σ dy·x̂, and with t = dy·g, dx = (t − x̂·mean(t·x̂)) / r.
pub(super) fn norm(x: &Tensor, gain: Parameter) -> Result<(Tensor, Back)> {
    let (y, x) = (rms_norm(x, &gain.values, EPSILON)?, x.clone());
    let back: Back = Box::new(move |dy, sums| {
        let inverse = (x.sqr()?.mean_keepdim(D::Minus1)? + f64::from(EPSILON))?.sqrt()?.recip()?;
        let scaled = x.broadcast_mul(&inverse)?;
        // A sum of rows as a product: reductions go along rows.
        let ones = Tensor::ones((1, x.dim(0)?), x.dtype(), x.device())?;
        sums.add(&gain.name, ones.matmul(&(&dy * &scaled)?)?.squeeze(0)?)?;
        let t = dy.broadcast_mul(&gain.values)?;
        let along = (&t * &scaled)?.mean_keepdim(D::Minus1)?;
        (t - scaled.broadcast_mul(&along)?)?.broadcast_mul(&inverse)
    });
    Ok((y, back))
}

/// y = σ(x)·x: dx = dy·(σ + y·(1 − σ)).
fn silu(x: &Tensor) -> Result<(Tensor, Back)> {
    let (y, x) = (x.silu()?, x.clone());
    let back: Back = Box::new(move |dy, _| dy * silu_slope(&x)?.1);
    Ok((y, back))
}

/// σ(x)·x and its derivative.
fn silu_slope(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let open = sigmoid(x)?;
    let y = (x * &open)?;
    let slope = (&open + (&y * (1.0 - &open)?)?)?;
    Ok((y, slope))
}

/// silu(x·W₁ᵀ) · x·W₂ᵀ, where W₁ lies above W₂ in `w`. The products are apart, so that nothing must be cut from wider rows.
pub(super) fn gated(x: &Tensor, w: Parameter) -> Result<(Tensor, Back)> {
    let ffn = w.values.dim(0)? / 2;
    let halves = (w.values.narrow(0, 0, ffn)?, w.values.narrow(0, ffn, ffn)?);
    let (gate, up) = (x.matmul(&halves.0.t()?)?, x.matmul(&halves.1.t()?)?);
    let y = (gate.silu()? * &up)?;
    let x = x.clone();
    let back: Back = Box::new(move |dy, sums| {
        let (opened, slope) = silu_slope(&gate)?;
        let d_up = (&dy * opened)?;
        let d_gate = ((dy * up)? * slope)?;
        sums.add(&w.name, Tensor::cat(&[d_gate.t()?.matmul(&x)?, d_up.t()?.matmul(&x)?], 0)?)?;
        d_gate.matmul(&halves.0)? + d_up.matmul(&halves.1)?
    });
    Ok((y, back))
}

/// silu(x·Uᵀ)·Dᵀ, as bottlenecks have it.
pub(super) fn perceptron(x: Way, up: Parameter, down: Parameter) -> Result<Way> {
    x.through(|x| linear(x, up))?.through(silu)?.through(|x| linear(x, down))
}

/// Rows of a table by `ids`, [n]; the way back ends here.
pub(super) fn embedding(ids: &Tensor, table: &Parameter) -> Result<Tensor> {
    table.values.index_select(ids, 0)
}

/// The gradient of an embedding's table.
pub(super) fn embedding_gradient(ids: &Tensor, dy: &Tensor, table: &Parameter) -> Result<Tensor> {
    let (vocab, n) = (table.values.dim(0)?, ids.dim(0)?);
    if vocab > ONE_HOT_VOCAB {
        return table.values.zeros_like()?.index_add(ids, dy, 0);
    }
    let ones = Tensor::ones((n, 1), dy.dtype(), dy.device())?;
    let read = Tensor::zeros((n, vocab), dy.dtype(), dy.device())?.scatter_add(&ids.unsqueeze(1)?, &ones, 1)?;
    read.t()?.matmul(dy)
}

/// Cross-entropy of each row of logits, [n], in nats. The way back is from their sum, whatever gradient it is handed.
pub(super) fn losses(logits: &Tensor, targets: &Tensor) -> Result<(Tensor, Back)> {
    let targets = targets.unsqueeze(1)?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(1)?)?;
    let losses = (shifted.exp()?.sum(1)?.log()? - shifted.gather(&targets, 1)?.squeeze(1)?)?;
    let logits = logits.clone();
    let back: Back = Box::new(move |_, _| {
        let shares = softmax_last_dim(&logits)?;
        let ones = Tensor::ones(targets.shape(), shares.dtype(), shares.device())?;
        shares.scatter_add(&targets, &ones.neg()?, 1)
    });
    Ok((losses, back))
}

/// How queries, keys and values lie in a row, and what their passes need beside them.
#[derive(Clone)]
pub(super) struct Heads {
    batch: usize,
    context: usize,
    heads: usize,
    /// Heads of keys and values; each is read by heads / shared of queries.
    shared: usize,
    /// Of one head.
    width: usize,
    /// Of the rotary positions, [context, width / 2] each.
    cosines: Tensor,
    sines: Tensor,
    blocks: Vec<Block>,
}

/// Queries that are neighbours. None of them sees a key behind the last of them, so those are not multiplied.
#[derive(Clone)]
struct Block {
    first: usize,
    queries: usize,
    /// [batch · shared, heads / shared · queries, first + queries]: -inf where a query may not see a key, else 0. Whole, since
    /// Candle's kernels for what is broadcast divide for every element.
    mask: Tensor,
}

impl Block {
    fn keys(&self) -> usize {
        self.first + self.queries
    }
}

impl Heads {
    /// For microbatches of the tokens' shape. `queries`: how many a block has, but for the last.
    pub(super) fn new(config: &ModelConfig, tokens: &TokenBatch, queries: usize, device: &Device) -> Result<Self> {
        let (batch, context) = (tokens.batch(), tokens.context());
        let (heads, shared, width) = (config.heads, config.kv_heads(), config.head_width());
        let half = width / 2;
        let table = |f: fn(f64) -> f64| {
            let values = (0..context * half).map(|i| f(rotary_angle(i, half, config.rope_base)) as f32);
            Tensor::from_vec(values.collect::<Vec<f32>>(), (context, half), device)
        };
        let block = |first: usize| {
            let queries = queries.min(context - first);
            let keys = first + queries;
            let seen = |i: usize| i % keys <= first + i / keys;
            let hidden = (0..queries * keys).map(|i| if seen(i) { 0.0 } else { f32::NEG_INFINITY });
            let mask = Tensor::from_vec(hidden.collect::<Vec<f32>>(), (1, queries, keys), device)?;
            let mask = mask.broadcast_as((batch * heads, queries, keys))?.contiguous()?;
            let mask = mask.reshape((batch * shared, heads / shared * queries, keys))?;
            Ok(Block { first, queries, mask })
        };
        let blocks = (0..context).step_by(queries.max(1)).map(block).collect::<Result<_>>()?;
        let (cosines, sines) = (table(libm::cos)?, table(libm::sin)?);
        Ok(Self { batch, context, heads, shared, width, cosines, sines, blocks })
    }

    /// Whether they are for microbatches of that shape.
    pub(super) fn fit(&self, tokens: &TokenBatch) -> bool {
        (self.batch, self.context) == (tokens.batch(), tokens.context())
    }

    /// Some heads of each row, [batch, heads, context, width].
    fn part(&self, rows: &Tensor, first: usize, heads: usize) -> Result<Tensor> {
        let all = rows.reshape((self.batch, self.context, (), self.width))?;
        all.narrow(2, first, heads)?.transpose(1, 2)?.contiguous()
    }

    /// Those that read the same keys beside each other: [batch · shared, heads / shared, context, width].
    fn grouped(&self, part: &Tensor) -> Result<Tensor> {
        part.reshape((self.batch * self.shared, (), self.context, self.width))
    }

    /// Keys or values: [batch · shared, context, width].
    fn read(&self, part: &Tensor) -> Result<Tensor> {
        part.reshape((self.batch * self.shared, self.context, self.width))
    }

    /// [batch, heads, context, width].
    fn apart(&self, part: &Tensor) -> Result<Tensor> {
        part.reshape((self.batch, (), self.context, self.width))
    }

    /// A block's rows of what is grouped, below each other: [batch · shared, heads / shared · queries, width].
    fn rows(&self, grouped: &Tensor, block: &Block) -> Result<Tensor> {
        grouped.narrow(2, block.first, block.queries)?.reshape((self.batch * self.shared, (), self.width))
    }

    /// The other way, for all blocks.
    fn joined(&self, blocks: &[Tensor]) -> Result<Tensor> {
        let grouped = |(rows, block): (&Tensor, &Block)| {
            rows.reshape((self.batch * self.shared, self.heads / self.shared, block.queries, self.width))
        };
        Tensor::cat(&blocks.iter().zip(&self.blocks).map(grouped).collect::<Result<Vec<_>>>()?, 2)
    }
}

/// Causal attention over rotary positions: qkv, [n, (heads + 2 · shared) · width], to [n, heads · width].
///
/// With P = softmax(Q·Kᵀ + mask) and O = P·V: dV = Pᵀ·dO, dS = P ∘ (dO·Vᵀ − D), D the rows' sums of dO ∘ O, dQ = dS·K and
/// dK = dSᵀ·Q (Dao et al. 2022, FlashAttention, appendix B).
pub(super) fn attention(qkv: &Tensor, how: Heads) -> Result<(Tensor, Back)> {
    let (heads, shared) = (how.heads, how.shared);
    let scale = 1.0 / (how.width as f64).sqrt();
    let turned = |part: &Tensor| rope(part, &how.cosines, &how.sines);
    let queries = how.grouped(&(turned(&how.part(qkv, 0, heads)?)? * scale)?)?;
    let keys = how.read(&turned(&how.part(qkv, heads, shared)?)?)?;
    let values = how.read(&how.part(qkv, heads + shared, shared)?)?;
    let (mut shares, mut mixed) = (Vec::new(), Vec::new());
    for block in &how.blocks {
        let keys = keys.narrow(1, 0, block.keys())?;
        let scores = how.rows(&queries, block)?.matmul(&keys.transpose(1, 2)?)?;
        let share = softmax_last_dim(&(scores + &block.mask)?)?;
        mixed.push(share.matmul(&values.narrow(1, 0, block.keys())?)?);
        shares.push(share);
    }
    let y = how.apart(&how.joined(&mixed)?)?.transpose(1, 2)?.reshape((how.batch * how.context, ()))?;
    let back: Back = Box::new(move |dy, _| {
        let dy = how.grouped(&how.part(&dy, 0, heads)?)?;
        // dO·Vᵀ − D in one product: [dO, −D, 0]·[V, 1]ᵀ.
        let ones = Tensor::ones((how.batch * shared, how.context, SUBTRACTED), values.dtype(), values.device())?;
        let widened = Tensor::cat(&[values, ones], D::Minus1)?;
        let mut d_queries = Vec::new();
        let mut d_read: Option<(Tensor, Tensor)> = None;
        for ((block, shares), mixed) in how.blocks.iter().zip(shares).zip(mixed) {
            let dy = how.rows(&dy, block)?;
            let d_values = shares.transpose(1, 2)?.matmul(&dy)?;
            let subtracted =
                (&dy * mixed)?.sum_keepdim(D::Minus1)?.neg()?.pad_with_zeros(D::Minus1, 0, SUBTRACTED - 1)?;
            let seen = widened.narrow(1, 0, block.keys())?;
            let d_shares = Tensor::cat(&[dy, subtracted], D::Minus1)?.matmul(&seen.transpose(1, 2)?)?;
            let d_scores = (shares * d_shares)?;
            d_queries.push(d_scores.matmul(&keys.narrow(1, 0, block.keys())?)?);
            let d_keys = d_scores.transpose(1, 2)?.matmul(&how.rows(&queries, block)?)?;
            // What the blocks before saw, this one sees too.
            let with = |before: Tensor, now: Tensor| now + before.pad_with_zeros(1, 0, block.queries)?;
            d_read = Some(match d_read {
                Some((keys, values)) => (with(keys, d_keys)?, with(values, d_values)?),
                None => (d_keys, d_values),
            });
        }
        let Some((d_keys, d_values)) = d_read else { candle_core::bail!("a microbatch without tokens") };
        // Turned back: by the opposite angle.
        let sines = how.sines.neg()?;
        let turned_back = |part: &Tensor| rope(&how.apart(part)?, &how.cosines, &sines);
        let d_queries = (turned_back(&how.joined(&d_queries)?)? * scale)?;
        let parts = [d_queries, turned_back(&d_keys)?, how.apart(&d_values)?];
        Tensor::cat(&parts, 1)?.transpose(1, 2)?.reshape((how.batch * how.context, ()))
    });
    Ok((y, back))
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::{super::way::Sums, *};
    use crate::model::Bottleneck;

    #[test]
    fn tables_of_every_length_take_the_sums_of_the_rows_read() {
        let ids = [3_u32, 0, 3, 9, 3];
        let dy: Vec<f32> = (0..15).map(|i| i as f32).collect();
        let on_device =
            (Tensor::new(&ids, &Device::Cpu).unwrap(), Tensor::from_slice(&dy, (5, 3), &Device::Cpu).unwrap());
        for vocab in [10, ONE_HOT_VOCAB, ONE_HOT_VOCAB + 1] {
            let values = Tensor::ones((vocab, 3), DType::F32, &Device::Cpu).unwrap();
            let table = Parameter { name: "table".into(), values };
            let found = embedding_gradient(&on_device.0, &on_device.1, &table).unwrap();
            let mut sums = vec![0.0; vocab * 3];
            for (place, id) in ids.iter().enumerate() {
                (0..3).for_each(|column| sums[*id as usize * 3 + column] += dy[place * 3 + column]);
            }
            assert_eq!(found.flatten_all().unwrap().to_vec1::<f32>().unwrap(), sums, "{vocab} rows");
        }
    }

    #[test]
    fn blocks_of_queries_change_roundings_only() {
        let config = ModelConfig {
            d_model: 48,
            heads: 6,
            kv_heads: Some(2),
            layers_per_stage: vec![1],
            bottleneck: Bottleneck::None,
            ..ModelConfig::small()
        };
        let tokens = TokenBatch::new(3, 17, vec![1; 3 * 18]).unwrap();
        let value = |i: usize| ((i * 2_654_435_761) % 1009) as f32 / 1009.0 - 0.5;
        let random = |columns: usize| {
            Tensor::from_vec((0..51 * columns).map(value).collect::<Vec<_>>(), (51, columns), &Device::Cpu).unwrap()
        };
        let pass = |queries: usize| {
            let heads = Heads::new(&config, &tokens, queries, &Device::Cpu).unwrap();
            let (y, back) = attention(&random((6 + 2 * 2) * 8), heads).unwrap();
            let found = [y, back(random(48), &mut Sums::default()).unwrap()];
            found.map(|tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        };
        let whole = pass(17);
        for queries in [1, 5, 16, 100] {
            for (found, whole) in pass(queries).iter().zip(&whole) {
                assert_eq!(found.len(), whole.len());
                for (found, whole) in found.iter().zip(whole) {
                    assert!((found - whole).abs() < 1e-6, "{found} in blocks of {queries}, {whole} in one");
                }
            }
        }
    }
}
