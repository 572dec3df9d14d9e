//! The engine's part of a window, checked against recomputation by the engine itself.

use bytes::Bytes;
use engine::codec::{ActivationCodec, GradientCodec};
use engine::tolerance::{Accelerator, relative_error};
use engine::{Bottleneck, ModelConfig, OptimizerConfig, StageIndex, Weights, recompute_path};

use super::*;
use crate::corpus::{Cache, Material, Source, Tokenizer};
use crate::machine::{Contribution, Event, Job, JobKind, MergeOrder, Tensor};
use crate::manifest::tests::manifest;
use crate::manifest::{BpeTokens, Manifest, Tokens};
use crate::message::commit::{StageState, Upload};
use crate::message::names::{Codec, Hash, StageId, Uid, WindowId};
use crate::message::transfer::PassId;
use crate::store::BlobLimits;

const WINDOW: WindowId = WindowId(3);
const PASS: PassId = PassId { microbatch: 5, attempt: 1 };

fn corpus() -> Vec<u8> {
    (0u32..80_000).map(|i| b"the quick brown fox "[(i as usize * 7 + i as usize / 13) % 20]).collect()
}

/// Two stages of one narrow layer.
fn tiny() -> Manifest {
    let model = ModelConfig {
        vocab: 256,
        d_model: 16,
        heads: 2,
        ffn: 32,
        context: 16,
        layers_per_stage: vec![1, 1],
        bottleneck: Bottleneck::AnchorRes { r: 4, hidden: 8 },
        rope_base: 10_000,
        kv_heads: None,
    };
    let mut manifest = manifest();
    manifest.model.stages = 2;
    (manifest.model.boundary_width, manifest.model.context, manifest.model.batch) = (4, 16, 2);
    manifest.model.engine = serde_json::to_string(&model).unwrap();
    manifest.optimizer = serde_json::to_string(&OptimizerConfig::default()).unwrap();
    manifest.corpus.hash = Hash::of(&corpus());
    manifest.corpus.bytes = corpus().len() as u64;
    manifest
}

struct Bench {
    tensors: Arc<TensorCache>,
    store: Arc<Store>,
    worker: StageWorker,
    _folder: tempfile::TempDir,
}

fn bench(plan: &Arc<RunPlan>) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let limits = BlobLimits { max_blob_bytes: 1 << 20, max_total_bytes: 1 << 24 };
    let store = Arc::new(Store::open(folder.path(), limits).unwrap());
    let tensors = Arc::new(TensorCache::new(1 << 20));
    let worker = StageWorker::new(plan.clone(), store.clone(), tensors.clone(), honest(), None);
    Bench { tensors, store, worker, _folder: folder }
}

pub(crate) fn plan() -> Arc<RunPlan> {
    Arc::new(RunPlan::new(tiny(), &Material::in_memory(corpus())).unwrap())
}

fn job(stage: u16, pass: PassId, kind: JobKind) -> Order {
    Order::Compute(Job { window: WINDOW, stage: StageId(stage), pass, kind })
}

impl Bench {
    fn report(&mut self, order: Order) -> Report {
        self.worker.carry_out(order).unwrap().unwrap()
    }

    fn initialise(&mut self, stage: u16) -> StageState {
        match self.report(Order::Initialise { stage: StageId(stage), replicas: 1 }).event {
            Event::Loaded { state, .. } => state,
            other => panic!("{other:?}"),
        }
    }

    fn compute(&mut self, order: Order) -> Option<Tensor> {
        match self.report(order).event {
            Event::Computed { output, .. } => output,
            other => panic!("{other:?}"),
        }
    }

    fn fails(&mut self, order: Order) -> bool {
        matches!(self.report(order).event, Event::ComputeFailed { .. })
    }

    fn seal(&mut self, window: WindowId) -> Option<Upload> {
        match self.report(Order::Seal { window }).event {
            Event::Sealed { upload, .. } => upload,
            other => panic!("{other:?}"),
        }
    }

    /// A tensor arrives over the wire.
    fn receive(&self, from: &Bench, tensor: Tensor) -> Tensor {
        let bytes = from.tensors.get(&tensor.hash).unwrap();
        assert_eq!(bytes.len() as u32, tensor.bytes);
        self.tensors.put(WINDOW, bytes).unwrap();
        tensor
    }

    fn garbage(&self, bytes: Vec<u8>, codec: u16) -> Tensor {
        let length = bytes.len() as u32;
        Tensor { codec: Codec(codec), hash: self.tensors.put(WINDOW, bytes.into()).unwrap(), bytes: length }
    }
}

/// One pass there and back; returns the bytes of z and of its gradient.
fn walk(first: &mut Bench, last: &mut Bench, pass: PassId) -> (Bytes, Bytes) {
    let z = first.compute(job(0, pass, JobKind::Forward { input: None })).unwrap();
    last.receive(first, z);
    let gradient = last.compute(job(1, pass, JobKind::Loss { input: Some(z) })).unwrap();
    first.receive(last, gradient);
    assert_eq!(first.compute(job(0, pass, JobKind::Backward { gradient })), None);
    (first.tensors.get(&z.hash).unwrap(), first.tensors.get(&gradient.hash).unwrap())
}

#[test]
fn a_pass_through_two_workers_is_what_an_auditor_recomputes() {
    let plan = plan();
    let (mut first, mut last) = (bench(&plan), bench(&plan));
    first.initialise(0);
    last.initialise(1);
    let (z, gradient) = walk(&mut first, &mut last, PASS);
    let (f, l) = (first.seal(WINDOW).unwrap(), last.seal(WINDOW).unwrap());

    let seed = plan.manifest().seed.0;
    let weights: Vec<_> =
        (0..2).map(|stage| Weights::initial(plan.model(), StageIndex(stage), &seed).unwrap()).collect();
    let tokens = plan.tokens(WINDOW, PASS.microbatch).unwrap();
    let truth = recompute_path(plan.model(), &weights, &tokens, ActivationCodec::F32).unwrap();
    assert_eq!(z, truth.forward[0]);
    assert_eq!(gradient, truth.backward[0]);
    for (upload, gradients) in [f, l].iter().zip(&truth.gradients) {
        let bytes = GradientCodec::F32.encode(gradients);
        assert_eq!(upload.gradient, Hash::of(&bytes));
        assert_eq!(upload.segments, stage::segments_root(&bytes));
        assert_eq!(upload.tokens, 32);
    }
}

#[test]
fn what_computes_can_be_replaced_and_then_an_audit_sees_it() {
    let plan = plan();
    let mut lazy = bench(&plan);
    lazy.worker = StageWorker::new(
        plan.clone(),
        lazy.store.clone(),
        lazy.tensors.clone(),
        Arc::new(|hosted| {
            let mut stage = hosted.exact()?;
            stage.skip_layers_after(0);
            Ok(Box::new(stage))
        }),
        None,
    );
    let mut honest = bench(&plan);
    assert_eq!(lazy.initialise(0), honest.initialise(0), "it names the same weights");
    let forward = job(0, PASS, JobKind::Forward { input: None });
    let (lie, truth) = (lazy.compute(forward.clone()).unwrap(), honest.compute(forward).unwrap());
    assert_eq!(lie.bytes, truth.bytes);
    assert_ne!(lie.hash, truth.hash);
}

/// In a run with a tolerance: a device's tensors and gradients are the engine's but for roundings, and count the same tokens.
#[test]
fn a_device_does_what_the_engine_does_but_for_roundings() {
    let plan = plan();
    let (mut device, mut exact, mut last) = (bench(&plan), bench(&plan), bench(&plan));
    let factory = on_device(Accelerator::Cpu);
    device.worker = StageWorker::new(plan.clone(), device.store.clone(), device.tensors.clone(), factory, None);
    assert_eq!(device.initialise(0), exact.initialise(0));
    last.initialise(1);
    let near = |found: &[u8], exact: &[u8]| {
        let read = |bytes| ActivationCodec::F32.decode(bytes, plan.rows(), 4).unwrap();
        relative_error(read(found).values(), read(exact).values()) < 1e-5
    };
    let (z, _) = walk(&mut device, &mut last, PASS);
    let discard = Order::Discard { window: WINDOW, pass: PASS };
    assert!(last.worker.carry_out(discard).unwrap().is_none());
    let (true_z, _) = walk(&mut exact, &mut last, PASS);
    assert!(near(&z, &true_z));
    let (found, expected) = (device.seal(WINDOW).unwrap(), exact.seal(WINDOW).unwrap());
    assert_eq!(found.tokens, expected.tokens);
    let gradients = |bench: &Bench, upload: &Upload| {
        let bytes = bench.store.blobs().get(&upload.gradient.0).unwrap().unwrap();
        GradientCodec::F32.decode(plan.model(), StageIndex(0), &bytes).unwrap()
    };
    let (found, expected) = (gradients(&device, &found), gradients(&exact, &expected));
    assert!(relative_error(found.values(), expected.values()) < 1e-5);
    assert!(device.fails(job(
        0,
        PASS,
        JobKind::Backward { gradient: Tensor { codec: Codec(1), hash: Hash([1; 32]), bytes: 0 } }
    )));
}

#[test]
fn two_replicas_that_merge_the_same_list_stand_on_the_same_state_and_a_third_loads_it() {
    let plan = plan();
    let (mut one, mut two, mut last) = (bench(&plan), bench(&plan), bench(&plan));
    let state = one.initialise(0);
    assert_eq!(two.initialise(0), state);
    last.initialise(1);
    walk(&mut one, &mut last, PassId { microbatch: 1, attempt: 0 });
    walk(&mut one, &mut last, PassId { microbatch: 2, attempt: 0 });
    walk(&mut two, &mut last, PassId { microbatch: 3, attempt: 0 });
    let uploads = [one.seal(WINDOW).unwrap(), two.seal(WINDOW).unwrap()];
    assert_eq!(uploads.map(|upload| upload.tokens), [64, 32]);
    one.store.blobs().put(&two.store.blobs().get(&uploads[1].gradient.0).unwrap().unwrap()).unwrap();
    two.store.blobs().put(&one.store.blobs().get(&uploads[0].gradient.0).unwrap().unwrap()).unwrap();

    let contributions = [0u16, 1].map(|uid| Contribution {
        uid: Uid(uid),
        hotkey: keys::AccountId([uid as u8; 32]),
        gradient: uploads[usize::from(uid)].gradient,
        tokens: uploads[usize::from(uid)].tokens,
    });
    let order = |state| MergeOrder {
        window: WINDOW,
        stage: StageId(0),
        state,
        contributions: contributions.to_vec(),
        includes_own: true,
    };
    let merged = |bench: &mut Bench| match bench.report(Order::Merge(order(state))).event {
        Event::Merged { state, .. } => state,
        other => panic!("{other:?}"),
    };
    let next = merged(&mut one);
    assert_eq!(merged(&mut two), next);
    assert_ne!(next.theta, state.theta);
    // It stands on the next state now, so the same order no longer fits.
    assert!(matches!(one.report(Order::Merge(order(state))).event, Event::MergeFailed { .. }));
    // And has to have the blobs.
    let mut three = bench(&plan);
    three.initialise(0);
    assert!(matches!(three.report(Order::Merge(order(state))).event, Event::MergeFailed { .. }));

    let load = Order::Load { stage: StageId(0), state: next, replicas: 1 };
    assert!(matches!(three.report(load.clone()).event, Event::LoadFailed { .. }));
    three.store.blobs().put(&one.store.blobs().get(&next.blob.0).unwrap().unwrap()).unwrap();
    assert!(matches!(three.report(load).event, Event::Loaded { state, .. } if state == next));
    assert_eq!(three.worker.weights(), one.worker.weights());
    let lie = StageState { theta: Hash([9; 32]), ..next };
    let lie = Order::Load { stage: StageId(0), state: lie, replicas: 1 };
    assert!(matches!(three.report(lie).event, Event::LoadFailed { .. }));
}

#[test]
fn garbage_fails_and_what_is_in_flight_survives_it() {
    let plan = plan();
    let (mut first, mut last) = (bench(&plan), bench(&plan));
    assert!(first.fails(job(0, PASS, JobKind::Forward { input: None })), "nothing to stand on");
    first.initialise(0);
    last.initialise(1);
    let size = plan.rows() * 4 * 4;
    let short = last.garbage(vec![0; size - 1], 1);
    let not_finite = last.garbage(vec![0xff; size], 1);
    let unknown_codec = last.garbage(vec![0; size], 7);
    let absent = Tensor { codec: Codec(1), hash: Hash([1; 32]), bytes: 0 };
    for input in [short, not_finite, unknown_codec, absent] {
        assert!(last.fails(job(1, PASS, JobKind::Loss { input: Some(input) })));
    }
    assert!(last.fails(job(1, PASS, JobKind::Loss { input: None })), "a tensor is missing");
    assert!(last.fails(job(0, PASS, JobKind::Forward { input: None })), "another stage");
    assert_eq!(last.seal(WINDOW), None, "nothing of it is in the sum");

    let z = first.compute(job(0, PASS, JobKind::Forward { input: None })).unwrap();
    let bad = first.garbage(vec![0xff; size], 1);
    assert!(first.fails(job(0, PASS, JobKind::Backward { gradient: bad })));
    last.receive(&first, z);
    let gradient = last.compute(job(1, PASS, JobKind::Loss { input: Some(z) })).unwrap();
    first.receive(&last, gradient);
    assert_eq!(first.compute(job(0, PASS, JobKind::Backward { gradient })), None);
    assert!(first.fails(job(0, PASS, JobKind::Backward { gradient })), "once only");
    assert_eq!(first.seal(WINDOW).unwrap().tokens, 32);
    assert_eq!(first.seal(WINDOW), None, "a sum is sealed once");
}

#[test]
fn what_an_older_window_left_unsealed_is_not_in_the_next_sum() {
    let plan = plan();
    let (mut first, mut last) = (bench(&plan), bench(&plan));
    first.initialise(0);
    last.initialise(1);
    walk(&mut first, &mut last, PASS);
    assert_eq!(first.seal(WINDOW.next()), None);
    let later = Job { window: WINDOW.next(), stage: StageId(0), pass: PASS, kind: JobKind::Forward { input: None } };
    assert!(first.compute(Order::Compute(later)).is_some());
    assert_eq!(first.seal(WINDOW.next()), None, "only a forward pass in this window");
    assert!(first.worker.carry_out(Order::Discard { window: WINDOW, pass: PASS }).unwrap().is_none());
}

/// What a worker under a cap does is what one without does, and what exceeds the cap ends it.
#[test]
fn a_worker_stays_within_its_cap_or_stops() {
    let plan = plan();
    let whole = plan.hosting(StageId(0), 2, None).unwrap();
    let cap = whole.memory.total() - 1;
    assert_ne!(plan.hosting(StageId(0), 2, Some(cap)).unwrap().recompute, whole.recompute);
    let capped = |cap| {
        let mut bench = bench(&plan);
        bench.worker = StageWorker::new(plan.clone(), bench.store.clone(), bench.tensors.clone(), honest(), Some(cap));
        bench
    };
    let (mut tight, mut free, mut last) = (capped(cap), bench(&plan), bench(&plan));
    assert_eq!(tight.initialise(0), free.initialise(0));
    last.initialise(1);
    assert_eq!(walk(&mut tight, &mut last, PASS), {
        let mut last = bench(&plan);
        last.initialise(1);
        walk(&mut free, &mut last, PASS)
    });
    let upload = tight.seal(WINDOW).unwrap();
    assert_eq!(Some(upload), free.seal(WINDOW));

    let initialise = |replicas| Order::Initialise { stage: StageId(0), replicas };
    let ends = |mut bench: Bench, order| bench.worker.carry_out(order).unwrap_err().to_string();
    let advised = |error: String| error.contains("would fit") && error.contains("--max-memory");
    assert!(advised(ends(capped(4096), initialise(1))));
    let state = free.initialise(0);
    assert!(advised(ends(capped(4096), Order::Load { stage: StageId(0), state, replicas: 1 })));
    // More contributions than were planned for.
    let contribution = |uid| Contribution {
        uid: Uid(uid),
        hotkey: keys::AccountId([uid as u8; 32]),
        gradient: upload.gradient,
        tokens: upload.tokens,
    };
    let contributions = (0..500).map(contribution).collect();
    let merge = MergeOrder { window: WINDOW, stage: StageId(0), state, contributions, includes_own: true };
    assert!(advised(ends(tight, Order::Merge(merge))));
}

#[test]
fn a_manifest_must_agree_with_its_engine_texts_and_corpus() {
    let refuse = |spoil: fn(&mut Manifest)| {
        let mut manifest = tiny();
        spoil(&mut manifest);
        RunPlan::new(manifest, &Material::in_memory(corpus())).unwrap_err().to_string()
    };
    assert!(refuse(|m| m.model.engine = "{}".to_owned()).contains("model.engine"));
    assert!(refuse(|m| m.optimizer = "x".to_owned()).contains("optimizer"));
    assert!(refuse(|m| m.model.stages = 3).contains("model.stages"));
    assert!(refuse(|m| m.model.boundary_width = 5).contains("model.boundary_width"));
    assert!(refuse(|m| m.corpus.held_out_every = 8).contains("corpus.held_out_every"));
    assert!(refuse(|m| m.corpus.hash = Hash([0; 32])).contains("corpus"));
}

#[test]
fn a_run_of_tokens_needs_its_own_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let (text, json) = (folder.path().join("text"), folder.path().join("tokenizer.json"));
    std::fs::write(&text, corpus().repeat(4)).unwrap();
    let material = |vocab| {
        let file = crate::corpus::tokenizer::tests::trained(&String::from_utf8_lossy(&corpus()[..5_000]), vocab);
        std::fs::write(&json, file).unwrap();
        let cache = Cache::in_state(folder.path()).unwrap();
        Material::tokens_of(&Source::at(&text).unwrap(), &cache, &Tokenizer::read(&json).unwrap()).unwrap()
    };
    let material = [material(262), material(260)];
    let bytes = Material::in_memory(corpus().repeat(4));
    let [Tokens::Bpe(tokens), _] = material.clone().map(|material| material.tokens()) else { panic!() };
    let mut manifest = tiny();
    (manifest.corpus.hash, manifest.corpus.bytes) = (bytes.text(), bytes.bytes());
    assert!(RunPlan::new(manifest.clone(), &bytes).is_ok());
    let refused = |manifest: &Manifest, material: &Material| RunPlan::new(manifest.clone(), material).unwrap_err();
    assert!(matches!(refused(&manifest, &material[0]), PlanError::NeedlessTokenizer));

    manifest.corpus.tokens = material[0].tokens();
    assert!(refused(&manifest, &material[0]).to_string().contains("corpus.tokens.vocab"), "the model has 256");
    let model: ModelConfig = serde_json::from_str(&manifest.model.engine).unwrap();
    manifest.model.engine = serde_json::to_string(&ModelConfig { vocab: 262, ..model }).unwrap();
    let plan = RunPlan::new(manifest.clone(), &material[0]).unwrap();
    let ids = plan.tokens(WINDOW, 3).unwrap();
    assert!(ids.ids().iter().any(|&id| id >= 256) && ids.check(plan.model()).is_ok());
    assert!(matches!(refused(&manifest, &bytes), PlanError::NoTokenizer(hash) if hash == tokens.tokenizer));
    assert!(matches!(refused(&manifest, &material[1]), PlanError::OtherTokenizer { .. }));
    manifest.corpus.tokens = Tokens::Bpe(BpeTokens { ids: Hash([1; 32]), ..tokens });
    assert!(matches!(refused(&manifest, &material[0]), PlanError::OtherTokens(_)));
}

#[tokio::test]
async fn the_thread_reports_in_order_and_ends() {
    let plan = plan();
    let Bench { tensors, store, _folder, .. } = bench(&plan);
    let mut worker = Worker::start("test", plan, store, tensors, honest(), None).unwrap();
    worker.order(Order::Initialise { stage: StageId(0), replicas: 1 }).await.unwrap();
    worker.order(job(0, PASS, JobKind::Forward { input: None })).await.unwrap();
    worker.order(Order::Discard { window: WINDOW, pass: PASS }).await.unwrap();
    worker.order(Order::Seal { window: WINDOW }).await.unwrap();
    assert!(matches!(worker.next().await.unwrap().event, Event::Loaded { .. }));
    assert!(matches!(worker.next().await.unwrap().event, Event::Computed { output: Some(_), .. }));
    assert!(matches!(worker.next().await.unwrap().event, Event::Sealed { upload: None, .. }));
    worker.order(Order::Initialise { stage: StageId(9), replicas: 1 }).await.unwrap();
    let error = worker.next().await.unwrap_err();
    assert!(matches!(error, WorkerError::NoFirstState { stage: StageId(9), .. }), "{error}");
    assert!(matches!(worker.order(Order::Seal { window: WINDOW }).await, Err(WorkerError::Stopped)));
    worker.shutdown().await;
}
