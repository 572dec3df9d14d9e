//! A model cut in four computes what the same model computes in one piece, and both compute what the formula says: for
//! every parameter.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use std::collections::BTreeMap;

use candle_core::{D, DType, Device, Result, Tensor, Var};
use engine::{
    Bottleneck, Gradients, MicrobatchId, ModelConfig, OptimizerConfig, Stage, StageOutput, TokenBatch, UncutTrainer,
    WholeModel, data::Corpus, merge, merge::Contribution, optimizer::OptimizerState,
};

const SEED: [u8; 32] = [11; 32];

fn config(bottleneck: Bottleneck) -> ModelConfig {
    ModelConfig {
        vocab: 256,
        d_model: 32,
        heads: 4,
        ffn: 40,
        context: 24,
        layers_per_stage: vec![1, 2, 1, 1],
        bottleneck,
        rope_base: 10_000,
        kv_heads: None,
    }
}

fn corpus() -> Corpus {
    // This crate's own source, a few times over: text with structure, the same in every run.
    let text = [include_str!("../src/stage.rs"), include_str!("../src/data.rs"), include_str!("../src/hash/merkle.rs")];
    Corpus::new(text.concat().repeat(4).as_bytes()).unwrap()
}

fn microbatch(config: &ModelConfig, window: u64, index: u64) -> TokenBatch {
    corpus().slice(&SEED, window, MicrobatchId(index), 3, config.context).unwrap()
}

fn cut(model: &WholeModel) -> Vec<Stage> {
    let stage = |weights: &engine::Weights| Stage::new(model.config(), weights.stage(), weights, 8).unwrap();
    model.weights().iter().map(stage).collect()
}

/// One microbatch through separate stages, tensors handed over as values.
fn through(stages: &mut [Stage], id: MicrobatchId, tokens: &TokenBatch) -> f64 {
    let (mut received, mut loss) = (None, f64::NAN);
    for stage in stages.iter_mut() {
        match stage.forward(id, tokens, received.as_ref()).unwrap() {
            StageOutput::Boundary(z) => received = Some(z),
            StageOutput::Loss { loss_sum, .. } => (loss, received) = (loss_sum, None),
        }
    }
    for stage in stages.iter_mut().rev() {
        received = stage.backward(id, received.as_ref()).unwrap();
    }
    loss
}

/// The whole model in Candle's primitive operations and f64, differentiated by Candle: nothing shared with the engine.
struct Formula {
    config: ModelConfig,
    parameters: BTreeMap<String, Var>,
}

impl Formula {
    fn new(model: &WholeModel) -> Self {
        let mut parameters = BTreeMap::new();
        for weights in model.weights() {
            for parameter in weights.layout().parameters() {
                let values = &weights.values()[parameter.range.clone()];
                let tensor = Tensor::from_slice(values, parameter.shape.as_slice(), &Device::Cpu).unwrap();
                let var = Var::from_tensor(&tensor.to_dtype(DType::F64).unwrap()).unwrap();
                parameters.insert(parameter.name.clone(), var);
            }
        }
        Self { config: model.config().clone(), parameters }
    }

    fn weight(&self, name: &str) -> &Tensor {
        self.parameters[&format!("{name}.weight")].as_tensor()
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let rms = (x.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?;
        x.broadcast_div(&rms)?.broadcast_mul(self.weight(name))
    }

    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        x.matmul(&self.weight(name).t()?)
    }

    fn perceptron(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        self.linear(&silu(&self.linear(x, &format!("{name}.up_proj"))?)?, &format!("{name}.down_proj"))
    }

    fn attention(&self, qkv: &Tensor, batch: usize, context: usize) -> Result<Tensor> {
        let (heads, kv_heads, width) = (self.config.heads, self.config.kv_heads(), self.config.head_width());
        let half = width / 2;
        let angle = |i: usize| (i / half) as f64 / 10_000f64.powf((i % half) as f64 / half as f64);
        let angles = Tensor::from_vec((0..context * half).map(angle).collect(), (context, half), &Device::Cpu)?;
        let part = |first: usize, heads: usize| {
            let part = qkv.narrow(1, first * width, heads * width)?;
            part.reshape((batch, context, heads, width))?.transpose(1, 2)?.contiguous()
        };
        // Each head of keys and values once for every head of queries that reads it.
        let ids: Vec<u32> = (0..heads).map(|head| (head / (heads / kv_heads)) as u32).collect();
        let repeated = |x: Tensor| x.index_select(&Tensor::new(ids.as_slice(), &Device::Cpu)?, 1);
        let turned = |x: Tensor| {
            let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
            let (cosines, sines) = (angles.cos()?, angles.sin()?);
            let first = (a.broadcast_mul(&cosines)? - b.broadcast_mul(&sines)?)?;
            let second = (b.broadcast_mul(&cosines)? + a.broadcast_mul(&sines)?)?;
            Tensor::cat(&[first, second], D::Minus1)?.contiguous()
        };
        let (queries, keys) = (turned(part(0, heads)?)?, repeated(turned(part(heads, kv_heads)?)?)?);
        let scores = (queries.matmul(&keys.transpose(2, 3)?.contiguous()?)? / (width as f64).sqrt())?;
        let hidden = |i: usize| if i % context <= i / context { 0.0 } else { -1e30 };
        let mask = Tensor::from_vec((0..context * context).map(hidden).collect(), (context, context), &Device::Cpu)?;
        let weights = scores.broadcast_add(&mask)?.exp()?;
        let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
        weights
            .matmul(&repeated(part(heads + kv_heads, kv_heads)?)?)?
            .transpose(1, 2)?
            .contiguous()?
            .reshape((batch * context, heads * width))
    }

    fn layer(&self, x: &Tensor, layer: usize, batch: usize, context: usize) -> Result<Tensor> {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        let qkv = self.linear(&self.norm(x, &name("input_layernorm"))?, &name("self_attn.qkv_proj"))?;
        let h = (x + self.linear(&self.attention(&qkv, batch, context)?, &name("self_attn.o_proj"))?)?;
        let both = self.linear(&self.norm(&h, &name("post_attention_layernorm"))?, &name("mlp.gate_up_proj"))?;
        let (gate, up) = (both.narrow(1, 0, self.config.ffn)?, both.narrow(1, self.config.ffn, self.config.ffn)?);
        &h + self.linear(&(silu(&gate)? * up)?, &name("mlp.down_proj"))?
    }

    fn boundary(&self, x: &Tensor, boundary: usize, ids: &Tensor) -> Result<Tensor> {
        let name = format!("model.boundaries.{boundary}");
        let anchor = self.weight(&format!("{name}.embed_tokens")).index_select(ids, 0)?;
        match self.config.bottleneck {
            Bottleneck::AnchorRes { r, .. } => {
                let normed = self.norm(x, &format!("{name}.encoder.norm"))?;
                let z = (x.narrow(1, 0, r)? + self.perceptron(&normed, &format!("{name}.encoder"))?)?;
                let identity = z.pad_with_zeros(1, 0, self.config.d_model - r)?;
                (identity + self.perceptron(&z, &format!("{name}.decoder"))?)? + anchor
            }
            Bottleneck::Cut => Ok(anchor),
            Bottleneck::None => x + anchor,
        }
    }

    /// The loss sum.
    fn loss(&self, tokens: &TokenBatch) -> Result<Tensor> {
        let (batch, context) = (tokens.batch(), tokens.context());
        let pick = |shift: usize| {
            let ids = tokens.ids().chunks(context + 1).flat_map(|row| row[shift..shift + context].iter());
            Tensor::from_vec(ids.copied().collect::<Vec<_>>(), batch * context, &Device::Cpu)
        };
        let ids = pick(0)?;
        let mut x = self.weight("model.embed_tokens").index_select(&ids, 0)?;
        let mut layer = 0;
        for (stage, &layers) in self.config.layers_per_stage.iter().enumerate() {
            if stage > 0 {
                x = self.boundary(&x, stage - 1, &ids)?;
            }
            for _ in 0..layers {
                x = self.layer(&x, layer, batch, context)?;
                layer += 1;
            }
        }
        let logits = self.linear(&self.norm(&x, "model.norm")?, "lm_head")?;
        let target = logits.gather(&pick(1)?.unsqueeze(1)?, 1)?.squeeze(1)?;
        (logits.exp()?.sum(1)?.log()? - target)?.sum_all()
    }
}

fn silu(x: &Tensor) -> Result<Tensor> {
    x / (x.neg()?.exp()? + 1.0)?
}

/// Relative L2 distance of each parameter's gradient from the formula's.
fn assert_gradients(found: &[Gradients], exact: &BTreeMap<String, Vec<f64>>) {
    let mut compared = 0;
    for gradients in found {
        for parameter in gradients.layout().parameters() {
            let (found, exact) = (gradients.parameter(&parameter.name).unwrap(), &exact[&parameter.name]);
            let norm = exact.iter().map(|v| v * v).sum::<f64>().sqrt();
            let error = found.iter().zip(exact).map(|(f, e)| (f64::from(*f) - e).powi(2)).sum::<f64>().sqrt();
            assert!(error <= 2e-5 * norm + 1e-9, "{}: off by {error} of {norm}", parameter.name);
            compared += 1;
        }
    }
    assert_eq!(compared, exact.len(), "every parameter");
}

#[test]
fn cut_uncut_and_formula_agree_on_every_gradient() {
    let bottlenecks = [Bottleneck::AnchorRes { r: 6, hidden: 20 }, Bottleneck::Cut, Bottleneck::None];
    let odd = |layers_per_stage: &[usize], vocab, d_model, heads, kv_heads, ffn, context| ModelConfig {
        vocab,
        d_model,
        heads,
        kv_heads: Some(kv_heads),
        ffn,
        context,
        layers_per_stage: layers_per_stage.to_vec(),
        ..config(bottlenecks[0])
    };
    // Grouped queries, a stage that is first and last at once, sizes that no vector divides, more than one block of queries.
    let odd =
        [odd(&[3], 129, 30, 3, 1, 17, 11), odd(&[1, 2], 200, 24, 6, 2, 7, 70), odd(&[2, 1, 1], 256, 14, 7, 7, 33, 2)];
    for config in bottlenecks.map(config).into_iter().chain(odd) {
        let bottleneck = config.bottleneck;
        let model = WholeModel::initial(&config, &SEED).unwrap();
        let tokens = microbatch(&config, 0, 0);

        let formula = Formula::new(&model);
        let loss = formula.loss(&tokens).unwrap();
        let store = loss.backward().unwrap();
        let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let exact: BTreeMap<_, _> = formula
            .parameters
            .iter()
            .map(|(name, var)| {
                let zeros = || vec![0.0; var.elem_count()];
                (name.clone(), store.get(var).map_or_else(zeros, flat))
            })
            .collect();
        let loss = loss.to_scalar::<f64>().unwrap();

        let mut stages = cut(&model);
        let loss_cut = through(&mut stages, MicrobatchId(0), &tokens);
        let gradients_cut: Vec<_> = stages.iter_mut().map(Stage::take_gradients).collect();
        assert!((loss_cut - loss).abs() < 1e-5 * loss, "{bottleneck:?}: {loss_cut} against {loss}");
        assert_gradients(&gradients_cut, &exact);

        // In one piece the same operations run in the same order: equal to the last bit.
        let mut uncut = UncutTrainer::new(&config, OptimizerConfig::default(), &SEED).unwrap();
        assert_eq!(uncut.accumulate(&tokens).unwrap().to_bits(), loss_cut.to_bits());
        assert_eq!(uncut.take_gradients(), gradients_cut, "{bottleneck:?}");
    }
}

/// The judge above is judged: Candle's gradient of the formula against central finite differences of the formula.
#[test]
fn finite_differences_confirm_the_formulas_gradients() {
    const STEP: f64 = 1e-5;
    for bottleneck in [Bottleneck::AnchorRes { r: 3, hidden: 5 }, Bottleneck::Cut, Bottleneck::None] {
        let shape = ModelConfig { d_model: 12, heads: 6, kv_heads: Some(3), ffn: 7, context: 5, ..config(bottleneck) };
        let model = WholeModel::initial(&shape, &SEED).unwrap();
        let tokens = microbatch(&shape, 0, 0);
        let formula = Formula::new(&model);
        let store = formula.loss(&tokens).unwrap().backward().unwrap();
        let loss = || formula.loss(&tokens).unwrap().to_scalar::<f64>().unwrap();
        let mut compared = 0;
        for (name, var) in &formula.parameters {
            // With nothing but ids between stages, only the last stage's parameters have one.
            let Some(gradient) = store.get(var) else { continue };
            compared += 1;
            let at = var.as_tensor().copy().unwrap();
            let values: Vec<f64> = (0..var.elem_count()).map(|i| (i as f64 * 1.7 + 0.3).sin()).collect();
            let direction = Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap();
            let along = |by: f64| {
                var.set(&(&at + (&direction * by).unwrap()).unwrap()).unwrap();
                loss()
            };
            let found = (along(STEP) - along(-STEP)) / (2.0 * STEP);
            var.set(&at).unwrap();
            let sum = |x: Tensor| x.sum_all().unwrap().to_scalar::<f64>().unwrap();
            let exact = sum((gradient * &direction).unwrap());
            let scale = (sum(gradient.sqr().unwrap()) * sum(direction.sqr().unwrap())).sqrt();
            assert!((found - exact).abs() <= 1e-6 * scale + 1e-7, "{bottleneck:?}, {name}: {found} and {exact}");
        }
        let of_last_stage = model.weights()[shape.stages() - 1].layout().parameters().len();
        let expected = if bottleneck == Bottleneck::Cut { of_last_stage } else { formula.parameters.len() };
        assert_eq!(compared, expected, "{bottleneck:?}");
    }
}

#[test]
fn many_in_flight_train_as_one_after_the_other() {
    let config = config(Bottleneck::AnchorRes { r: 6, hidden: 20 });
    let optimizer = OptimizerConfig::default();
    let model = WholeModel::initial(&config, &SEED).unwrap();
    let mut uncut = UncutTrainer::new(&config, optimizer, &SEED).unwrap();
    let mut stages = cut(&model);
    let mut weights = model.weights().to_vec();
    let mut states: Vec<_> = weights.iter().map(|weights| OptimizerState::new(weights.layout(), &optimizer)).collect();

    for window in 0..3 {
        let batch: Vec<_> = (0..4).map(|index| microbatch(&config, window, index)).collect();
        for tokens in &batch {
            uncut.accumulate(tokens).unwrap();
        }
        uncut.step().unwrap();

        // All forward first, then all backward: four in flight in every stage.
        let mut received = vec![None; batch.len()];
        for stage in &mut stages {
            for (id, tokens) in batch.iter().enumerate() {
                let output = stage.forward(MicrobatchId(id as u64), tokens, received[id].as_ref()).unwrap();
                received[id] = match output {
                    StageOutput::Boundary(z) => Some(z),
                    StageOutput::Loss { .. } => None,
                };
            }
            assert_eq!(stage.in_flight(), batch.len());
        }
        for stage in stages.iter_mut().rev() {
            for (id, received) in received.iter_mut().enumerate() {
                *received = stage.backward(MicrobatchId(id as u64), received.as_ref()).unwrap();
            }
        }
        for ((stage, weights), state) in stages.iter_mut().zip(&mut weights).zip(&mut states) {
            let contribution = Contribution { uid: 4, gradients: stage.take_gradients() };
            (*weights, *state) = merge(&optimizer, weights, state, &[contribution]).unwrap();
            stage.set_weights(weights).unwrap();
        }
    }
    assert_eq!(weights, uncut.weights(), "three windows, bit by bit");
    assert_ne!(weights, model.weights());
}
