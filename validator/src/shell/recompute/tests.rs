//! Hops of a real model, honest and not, held against the path that was computed again.

use engine::tolerance::{Accelerator, DeviceStage};
use engine::{Bottleneck, MicrobatchId, ModelConfig, OptimizerConfig, Stage, StageIndex};
use neuron::corpus::Material;
use neuron::manifest::{Arithmetic, Manifest, Tolerance};
use neuron::message::names::{Codec, RunId};
use neuron::message::transfer::PassId;

use super::*;
use crate::machine::audit::tests::world;

const WINDOW: WindowId = WindowId(3);
const MICROBATCH: u32 = 5;
const STAGES: u16 = 3;
const WIDTH: usize = 4;

/// Three stages of one narrow layer.
fn plan() -> Arc<RunPlan> {
    let text: Vec<u8> =
        (0u32..80_000).map(|i| b"the quick brown fox "[(i as usize * 7 + i as usize / 13) % 20]).collect();
    let model = ModelConfig {
        d_model: 16,
        heads: 2,
        ffn: 32,
        context: 16,
        layers_per_stage: vec![1; STAGES.into()],
        bottleneck: Bottleneck::AnchorRes { r: WIDTH, hidden: 8 },
        ..ModelConfig::small()
    };
    let mut manifest: Manifest = world::manifest();
    (manifest.model.boundary_width, manifest.model.context, manifest.model.batch) = (4, 16, 2);
    manifest.model.engine = serde_json::to_string(&model).unwrap();
    manifest.optimizer = serde_json::to_string(&OptimizerConfig::default()).unwrap();
    (manifest.corpus.hash, manifest.corpus.bytes) = (Hash::of(&text), text.len() as u64);
    manifest.arithmetic = Arithmetic::Tolerance(Tolerance::default());
    Arc::new(RunPlan::new(manifest, &Material::in_memory(text)).unwrap())
}

fn truth(plan: &Arc<RunPlan>) -> Truth {
    let seed = plan.manifest().seed.0;
    let weights = plan.model().stage_indices().map(|stage| Weights::initial(plan.model(), stage, &seed).unwrap());
    Truth::new(plan, &Arc::new(weights.collect()), WINDOW, MICROBATCH).unwrap()
}

/// A leaf that names these tensors.
fn leaf(stage: u16, tensors: &Tensors) -> Leaf {
    let (owner, pass) = (AccountId([1; 32]), PassId { microbatch: MICROBATCH, attempt: 0 });
    let named = |bytes: &Option<Vec<u8>>, direction| {
        bytes.as_ref().map(|bytes| Transfer {
            run: RunId(Hash([1; 32])),
            window: WINDOW,
            stage: StageId(stage),
            pass,
            direction,
            from: owner,
            to: owner,
            codec: Codec(ActivationCodec::F32.id()),
            payload: Hash::of(bytes),
            payload_bytes: u32::try_from(bytes.len()).unwrap(),
        })
    };
    Leaf {
        window: WINDOW,
        stage: StageId(stage),
        pass,
        replays: None,
        forward_in: named(&tensors.forward_in, Direction::Forward),
        forward_out: named(&tensors.forward_out, Direction::Forward),
        backward_in: named(&tensors.backward_in, Direction::Backward),
        backward_out: named(&tensors.backward_out, Direction::Backward),
    }
}

impl Truth {
    fn judged(&self, stage: u16, tensors: &Tensors) -> Compared {
        self.compare(&leaf(stage, tensors), tensors).unwrap()
    }

    /// What an exact stage on the path takes in and gives out.
    fn exact(&self, stage: u16) -> Tensors {
        let (place, record) = (usize::from(stage), &self.record);
        let above = place.checked_sub(1);
        Tensors {
            forward_in: above.map(|above| record.forward[above].clone()),
            forward_out: record.forward.get(place).cloned(),
            backward_in: record.backward.get(place).cloned(),
            backward_out: above.map(|above| record.backward[above].clone()),
        }
    }

    fn tensor(&self, bytes: &Option<Vec<u8>>) -> Option<BoundaryTensor> {
        bytes.as_ref().map(|bytes| ActivationCodec::F32.decode(bytes, self.plan.rows(), WIDTH).unwrap())
    }

    /// The same inputs, and what `forward` and `backward` make of them.
    fn computed(
        &self,
        inputs: Tensors,
        forward: impl FnOnce(&TokenBatch, Option<&BoundaryTensor>) -> StageOutput,
        backward: impl FnOnce(Option<&BoundaryTensor>) -> Option<BoundaryTensor>,
    ) -> Tensors {
        let encoded = |tensor: BoundaryTensor| ActivationCodec::F32.encode(&tensor);
        let forward_out = match forward(&self.tokens, self.tensor(&inputs.forward_in).as_ref()) {
            StageOutput::Boundary(z) => Some(encoded(z)),
            StageOutput::Loss { .. } => None,
        };
        let backward_out = backward(self.tensor(&inputs.backward_in).as_ref()).map(encoded);
        Tensors { forward_out, backward_out, ..inputs }
    }

    /// What a stage on these weights makes of inputs.
    fn by_engine(&self, weights: &Weights, inputs: Tensors) -> Tensors {
        let (id, model) = (MicrobatchId(0), self.plan.model());
        let stage = std::cell::RefCell::new(Stage::new(model, weights.stage(), weights, 1).unwrap());
        let forward =
            |tokens: &TokenBatch, z: Option<&BoundaryTensor>| stage.borrow_mut().forward(id, tokens, z).unwrap();
        self.computed(inputs, forward, |gradient| stage.borrow_mut().backward(id, gradient).unwrap())
    }
}

fn scaled(bytes: &Option<Vec<u8>>, factor: f32) -> Option<Vec<u8>> {
    let values = bytes.as_ref()?.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()) * factor);
    Some(values.flat_map(f32::to_le_bytes).collect())
}

fn not_finite(bytes: &Option<Vec<u8>>) -> Option<Vec<u8>> {
    bytes.as_ref().map(|bytes| f32::NAN.to_le_bytes().repeat(bytes.len() / 4))
}

fn is_near(compared: Compared) -> bool {
    matches!(compared, Compared::Off { error, .. } if error <= Tolerance::default().bound())
}

#[test]
fn the_exact_engine_is_off_by_nothing_and_other_arithmetic_by_roundings() {
    let plan = plan();
    let truth = truth(&plan);
    for stage in 0..STAGES {
        let exact = truth.exact(stage);
        assert!(matches!(truth.judged(stage, &exact), Compared::Off { error: 0.0, .. }));
        let (id, weights) = (MicrobatchId(0), &truth.weights[usize::from(stage)]);
        let device = DeviceStage::new(plan.model(), weights, 1, Accelerator::Cpu).unwrap();
        let device = std::cell::RefCell::new(device);
        let found = truth.computed(
            exact,
            |tokens, z| device.borrow_mut().forward(id, tokens, z).unwrap(),
            |gradient| device.borrow_mut().backward(id, gradient).unwrap(),
        );
        let compared = truth.judged(stage, &found);
        assert!(is_near(compared), "stage {stage}: {compared:?}");
        assert!(!matches!(compared, Compared::Off { error: 0.0, .. }), "it is other arithmetic");
    }
}

#[test]
fn fewer_bits_are_far_off_and_so_is_what_is_no_tensor() {
    let plan = plan();
    let truth = truth(&plan);
    for stage in 0..STAGES {
        let weights =
            truth.weights[usize::from(stage)].map(|weight| f32::from_bits(weight.to_bits() & (u32::MAX << 13)));
        assert_eq!(weights.stage(), StageIndex(stage));
        let exact = truth.exact(stage);
        let cheap = truth.by_engine(&weights, exact.clone());
        assert!(!is_near(truth.judged(stage, &cheap)), "stage {stage}");
        if exact.forward_out.is_some() {
            let garbage = Tensors { forward_out: not_finite(&exact.forward_out), ..exact.clone() };
            let infinite = Compared::Off { error: f64::INFINITY, direction: Direction::Forward };
            assert_eq!(truth.judged(stage, &garbage), infinite);
        }
        if exact.backward_out.is_some() {
            let short = Tensors { backward_out: Some(vec![0; 3]), ..exact };
            let infinite = Compared::Off { error: f64::INFINITY, direction: Direction::Backward };
            assert_eq!(truth.judged(stage, &short), infinite);
        }
    }
}

/// Whatever a neighbour hands over, it convicts nobody but who hands it over.
#[test]
fn nobody_answers_for_what_no_honest_stage_hands_over() {
    let plan = plan();
    let truth = truth(&plan);
    for stage in 1..STAGES {
        let exact = truth.exact(stage);
        for forward_in in
            [scaled(&exact.forward_in, 1e30), scaled(&exact.forward_in, 1e-30), not_finite(&exact.forward_in), None]
        {
            let given = Tensors { forward_in, ..exact.clone() };
            assert_eq!(truth.judged(stage, &given), Compared::Corrupted, "stage {stage}");
        }
        // A little off, as a neighbour of fewer bits leaves it: judged by that.
        let near = Tensors { forward_in: scaled(&exact.forward_in, 1.0 + 1e-3), ..exact };
        let found = truth.by_engine(&truth.weights[usize::from(stage)], near);
        assert!(is_near(truth.judged(stage, &found)));
    }
    for stage in 0..STAGES - 1 {
        let exact = truth.exact(stage);
        for backward_in in
            [scaled(&exact.backward_in, f32::MAX), scaled(&exact.backward_in, 1e-30), not_finite(&exact.backward_in)]
        {
            // What came of it is not looked at; what was sent on before is.
            let backward_out = not_finite(&exact.backward_out);
            let given =
                Tensors { backward_in: backward_in.clone(), backward_out: backward_out.clone(), ..exact.clone() };
            assert!(is_near(truth.judged(stage, &given)), "stage {stage}");
            let forward_out = scaled(&exact.forward_out, 1.1);
            let cheat = Tensors { forward_out, backward_in, backward_out, ..exact.clone() };
            assert!(!is_near(truth.judged(stage, &cheat)), "stage {stage}");
        }
    }
}
