use super::{
    super::{Checkpoint, export},
    *,
};

/// One stage: its checkpoint has Llama's names and nothing else.
fn native() -> WholeModel {
    let config = ModelConfig {
        d_model: 24,
        heads: 6,
        kv_heads: Some(2),
        ffn: 20,
        context: 32,
        layers_per_stage: vec![3],
        bottleneck: Bottleneck::None,
        ..ModelConfig::small()
    };
    WholeModel::initial(&config, &[4; 32]).unwrap()
}

const CONFIG: &str = r#"{
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 24,
    "intermediate_size": 20, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2,
    "head_dim": 4, "vocab_size": 256, "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
    "rope_scaling": null, "attention_bias": false, "tie_word_embeddings": false, "torch_dtype": "float32",
    "bos_token_id": 1, "transformers_version": "4.40.0"
}"#;

fn cut(layers_per_stage: &[usize]) -> Cut {
    Cut { layers_per_stage: layers_per_stage.to_vec(), context: 32 }
}

fn tensors(model: &WholeModel) -> Vec<u8> {
    let Checkpoint { tensors, .. } = export(model).unwrap();
    tensors
}

/// The same tensors, changed.
fn rewritten(tensors: &[u8], change: impl Fn(&str, Dtype, Vec<u8>) -> Option<(String, Dtype, Vec<u8>)>) -> Vec<u8> {
    let file = SafeTensors::deserialize(tensors).unwrap();
    let changed = file.iter().filter_map(|(name, view)| {
        let (name, dtype, data) = change(name, view.dtype(), view.data().to_vec())?;
        Some((name, dtype, view.shape().to_vec(), data))
    });
    let changed: Vec<_> = changed.collect();
    let views = changed.iter().map(|(name, dtype, shape, data)| {
        (name.as_str(), safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn a_llama_is_the_same_model_here_in_one_stage_and_in_several() {
    let (model, text) = (native(), b"fn main() { let words = 3; }".repeat(20));
    let tensors = tensors(&model);
    let found = import(CONFIG, &[&tensors], &cut(&[3])).unwrap();
    assert_eq!(found.hash(), model.hash());
    let whole = model.evaluate(text.as_slice(), 256).unwrap();
    for layers in [[1, 2].as_slice(), &[1, 1, 1]] {
        let found = import(CONFIG, &[&tensors], &cut(layers)).unwrap();
        assert_eq!(found.config().stages(), layers.len());
        assert_eq!(found.evaluate(text.as_slice(), 256).unwrap(), whole, "not a bit differs");
    }
}

#[test]
fn files_may_be_several_and_of_sixteen_bits_with_a_tied_head() {
    let model = native();
    let tensors = tensors(&model);
    let part = |first: bool| {
        rewritten(&tensors, |name, dtype, data| {
            (name.contains("layers.0") == first).then(|| (name.to_owned(), dtype, data))
        })
    };
    let (one, other) = (part(true), part(false));
    assert_eq!(import(CONFIG, &[&one, &other], &cut(&[3])).unwrap().hash(), model.hash());
    assert!(matches!(
        import(CONFIG, &[&one, &other, &one], &cut(&[3])),
        Err(LlamaError::Twice { name }) if name.contains("layers.0")
    ));

    let shortened = rewritten(&tensors, |name, _, data| {
        let (values, _) = data.as_chunks::<4>();
        let halves = values.iter().flat_map(|bytes| [bytes[2], bytes[3]]).collect();
        (name != HEAD).then(|| (name.to_owned(), Dtype::BF16, halves))
    });
    let tied = CONFIG.replace(r#""tie_word_embeddings": false"#, r#""tie_word_embeddings": true"#);
    let found = import(&tied, &[&shortened], &cut(&[3])).unwrap();
    let weights = &found.weights()[0];
    assert_eq!(weights.parameter(HEAD), weights.parameter(EMBEDDING));
    let exact = model.weights()[0].parameter(EMBEDDING).unwrap();
    let cut_off = |value: &f32| f32::from_bits(value.to_bits() & 0xffff_0000);
    assert!(exact.iter().map(cut_off).eq(weights.parameter(EMBEDDING).unwrap().iter().copied()));
    assert!(matches!(import(CONFIG, &[&shortened], &cut(&[3])), Err(LlamaError::Missing { name }) if name == HEAD));
}

#[test]
fn halves_are_read_exactly() {
    // By IEEE 754's own examples, and every finite value by its definition.
    for (bits, value) in
        [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0400, 6.103_515_6e-5), (1, 5.960_464_5e-8)]
    {
        assert_eq!(half_to_f32(bits), value);
    }
    for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
        let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
        let magnitude = match exponent {
            0 => fraction * 2f64.powi(-24),
            _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
        };
        let exact = if bits >> 15 == 1 { -magnitude } else { magnitude };
        assert_eq!(f64::from(half_to_f32(bits)), exact, "{bits:#x}");
    }
    assert!(half_to_f32(0x7c01).is_nan() && half_to_f32(0xfc00) == f32::NEG_INFINITY);
}

#[test]
fn whatever_is_not_computed_is_named() {
    let tensors = tensors(&native());
    let with = |from: &str, to: &str| {
        assert!(CONFIG.contains(from), "{from}");
        import(&CONFIG.replace(from, to), &[&tensors], &cut(&[3])).unwrap_err()
    };
    use LlamaError as E;
    assert!(matches!(with(r#""model_type": "llama""#, r#""model_type": "gemma""#), E::OtherArchitecture { .. }));
    assert!(matches!(with(r#""silu""#, r#""gelu""#), E::Activation { found } if found == "gelu"));
    let biased = with(r#""attention_bias": false"#, r#""attention_bias": true"#);
    assert!(matches!(biased, E::Bias { field: "attention_bias" }));
    assert!(matches!(with("1e-05", "1e-06"), E::NormEpsilon { .. }));
    assert!(matches!(with(r#""rms_norm_eps": 1e-05, "#, ""), E::NormEpsilon { found: 1e-6 }));
    for theta in ["10000.5", "1.0", "-7", "1e300"] {
        assert!(matches!(with("10000.0", theta), E::RotaryBase { .. }), "{theta}");
    }
    let scaled = with(r#""rope_scaling": null"#, r#""rope_scaling": {"rope_type": "llama3", "factor": 8.0}"#);
    assert!(matches!(scaled, E::RotaryScaling { found } if found == "llama3"));
    let twice = with(r#""rope_scaling": null"#, r#""rope_scaling": {}, "rope_parameters": {"rope_theta": 10000.0}"#);
    assert!(matches!(twice, E::RotaryTwice));
    assert!(matches!(with(r#""bos_token_id": 1"#, r#""is_causal": false"#), E::NotCausal));
    let tied = with(r#""tie_word_embeddings": false"#, r#""tie_word_embeddings": true"#);
    assert!(matches!(tied, E::OtherHead));
    assert!(matches!(with(r#""head_dim": 4"#, r#""head_dim": 8"#), E::HeadWidth { head_dim: 8, .. }));
    let window = with(r#""bos_token_id": 1"#, r#""sliding_window": 16"#);
    assert!(matches!(window, E::SlidingWindow { found: 16, context: 32 }));
    let quantised = with(r#""bos_token_id": 1"#, r#""quantization_config": {"bits": 4}"#);
    assert!(matches!(quantised, E::Quantised));
    assert!(matches!(with(r#""num_hidden_layers": 3"#, r#""num_hidden_layers": 4"#), E::Layers { expected: 4, .. }));
    assert!(matches!(with("embeddings\": 64", "embeddings\": 16"), E::Context { found: 32, limit: 16 }));
    assert!(matches!(with(r#""num_key_value_heads": 2"#, r#""num_key_value_heads": 4"#), E::Config(_)));
    assert!(matches!(with(r#""hidden_size": 24,"#, r#""hidden_size": -1,"#), E::Json(_)));
    assert!(matches!(with(r#""vocab_size": 256"#, r#""vocab_size": 99999999999"#), E::Config(_)));
    // Newer files have the base elsewhere, and it goes before the other.
    for field in ["rope_parameters", "rope_scaling"] {
        let newer = format!(r#""{field}": {{"rope_type": "default", "rope_theta": 500000.0}}"#);
        let newer = CONFIG.replace(r#""rope_scaling": null"#, &newer);
        assert_eq!(import(&newer, &[&tensors], &cut(&[3])).unwrap().config().rope_base, 500_000, "{field}");
    }
}

#[test]
fn other_tensors_are_named() {
    let tensors = tensors(&native());
    let read = |tensors: &[u8]| import(CONFIG, &[tensors], &cut(&[3]));
    let norm = "model.norm.weight";
    let renamed = rewritten(&tensors, |name, dtype, data| {
        Some((if name == norm { "model.norm.bias".into() } else { name.to_owned() }, dtype, data))
    });
    assert!(matches!(read(&renamed), Err(LlamaError::Missing { name }) if name == norm));
    let integers = rewritten(&tensors, |name, dtype, data| {
        Some((name.to_owned(), if name == norm { Dtype::I32 } else { dtype }, data))
    });
    assert!(matches!(read(&integers), Err(LlamaError::Type { found: Dtype::I32, .. })));
    let fewer =
        rewritten(&tensors, |name, dtype, data| (!name.contains("layers.2")).then(|| (name.to_owned(), dtype, data)));
    assert!(matches!(read(&fewer), Err(LlamaError::Missing { name }) if name.contains("layers.2")));
    let two_layers = CONFIG.replace(r#""num_hidden_layers": 3"#, r#""num_hidden_layers": 2"#);
    assert!(matches!(
        import(&two_layers, &[&tensors], &cut(&[2])),
        Err(LlamaError::Superfluous { name }) if name.contains("layers.2")
    ));
    let wider = CONFIG.replace(r#""intermediate_size": 20"#, r#""intermediate_size": 21"#);
    assert!(matches!(import(&wider, &[&tensors], &cut(&[3])), Err(LlamaError::Shape { .. })));
    let huge = CONFIG.replace(r#""intermediate_size": 20"#, r#""intermediate_size": 60000"#);
    let error = import(&huge, &[&tensors], &cut(&[3])).unwrap_err();
    assert!(matches!(error, LlamaError::File { source: CheckpointError::Size { .. }, .. }), "{error}");
    assert!(matches!(read(&tensors[..100]), Err(LlamaError::File { file: 0, .. })));
    assert!(matches!(import(CONFIG, &[], &cut(&[3])), Err(LlamaError::File { .. })));
    let many = vec![tensors.as_slice(); MAX_FILES + 1];
    assert!(matches!(import(CONFIG, &many, &cut(&[3])), Err(LlamaError::Files { .. })));
    // Tables of positions are not needed.
    let tables = rewritten(&tensors, |name, dtype, data| Some((name.to_owned(), dtype, data)));
    let extra = {
        let file = SafeTensors::deserialize(&tables).unwrap();
        let table = [0u8; 8];
        let mut views: Vec<_> = file.iter().collect();
        let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![2], &table).unwrap();
        views.push(("model.layers.0.self_attn.rotary_emb.inv_freq", view));
        safetensors::serialize(views, None).unwrap()
    };
    read(&extra).unwrap();
}
