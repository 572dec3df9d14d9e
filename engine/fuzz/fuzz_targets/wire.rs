//! What peers send of a stage: boundary tensors, gradients, weights with an optimizer's state of either kind.

#![no_main]

use engine::{
    Bottleneck, MatrixRule, ModelConfig, OptimizerConfig, StageIndex,
    codec::{ActivationCodec, GradientCodec, WeightCodec},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, bytes)) = bytes.split_first() else { return };
    let config = ModelConfig {
        vocab: 3,
        d_model: 2,
        heads: 1,
        ffn: 1,
        context: 2,
        layers_per_stage: vec![1, 1],
        bottleneck: Bottleneck::AnchorRes { r: 1, hidden: 1 },
        ..ModelConfig::small()
    };
    let (stage, muon) = (StageIndex(u16::from(kind & 1)), MatrixRule::Muon { momentum: 0.9 });
    let matrices = if kind & 2 == 0 { MatrixRule::AdamW } else { muon };
    let optimizer = OptimizerConfig { matrices, ..OptimizerConfig::default() };
    if let Ok(tensor) = ActivationCodec::F32.decode(bytes, bytes.len() / 4, 1) {
        assert_eq!(ActivationCodec::F32.encode(&tensor), bytes);
    }
    if let Ok(gradients) = GradientCodec::F32.decode(&config, stage, bytes) {
        assert_eq!(GradientCodec::F32.encode(&gradients), bytes);
    }
    if let Ok((weights, state)) = WeightCodec::F32.decode_snapshot(&config, &optimizer, stage, bytes) {
        assert_eq!(WeightCodec::F32.encode_snapshot(&weights, &state), bytes);
        // A step from there ends, one way or another.
        let gradients = engine::Gradients::from_values(&config, stage, 1, weights.values().to_vec());
        let contribution = engine::Contribution { uid: 0, gradients: gradients.expect("finite") };
        let _ = engine::merge(&optimizer, &weights, &state, &[contribution]);
    }
});
