//! What a stage takes of memory is what was said beforehand: held against an allocator that counts.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use engine::{
    Bottleneck, BoundaryTensor, Contribution, Cpu, MatrixRule, MicrobatchId, ModelConfig, OptimizerConfig,
    OptimizerState, Recompute, Stage, StageIndex, StageMemory, TokenBatch, Weights, Workload, merge_on,
};

/// The system's allocator, which counts what is out and the most that ever was.
struct Counting;

static OUT: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize) {
    MOST.fetch_max(OUT.fetch_add(by, Relaxed) + by, Relaxed);
}

#[expect(unsafe_code, reason = "an allocator is an unsafe trait; this one only counts beside the system's")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as the caller vouches.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        OUT.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that `work` had out at most beyond what was out before, and what it leaves.
fn most<R>(work: impl FnOnce() -> R) -> (usize, R) {
    let before = OUT.load(Relaxed);
    MOST.store(before, Relaxed);
    let result = work();
    (MOST.load(Relaxed) - before, result)
}

const SEED: [u8; 32] = [6; 32];

fn muon() -> OptimizerConfig {
    OptimizerConfig { matrices: MatrixRule::Muon { momentum: 0.9 }, ..OptimizerConfig::default() }
}

fn tokens(batch: usize, context: usize) -> TokenBatch {
    TokenBatch::new(batch, context, (0..batch * (context + 1)).map(|i| (i * 31 % 251) as u8).collect()).unwrap()
}

fn boundary(rows: usize, width: usize) -> Option<BoundaryTensor> {
    let values = (0..rows * width).map(|i| (i % 97) as f32 * 0.01 - 0.5).collect();
    (width > 0).then(|| BoundaryTensor::new(rows, width, values).unwrap())
}

/// Two rounds of as many microbatches in flight as planned, and a merge: the second finds what the first left idle.
fn train(config: &ModelConfig, optimizer: &OptimizerConfig, stage: StageIndex, plan: &Workload, way: Recompute) {
    let cpu = match plan.threads {
        1 => Cpu::default(),
        threads => {
            Cpu::default().with_pool(Arc::new(rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()))
        }
    };
    let mut weights = Weights::initial(config, stage, &SEED).unwrap();
    let mut state = OptimizerState::new(weights.layout(), optimizer);
    let mut one = Stage::new(config, stage, &weights, plan.in_flight).unwrap();
    one.set_cpu(cpu.clone());
    one.set_recompute(way);
    let rows = plan.batch * plan.context;
    for _ in 0..2 {
        for id in 0..plan.in_flight as u64 {
            let z = boundary(rows, config.incoming_width(stage));
            let output = one.forward(MicrobatchId(id), &tokens(plan.batch, plan.context), z.as_ref()).unwrap();
            drop(output);
        }
        for id in 0..plan.in_flight as u64 {
            let gradient = boundary(rows, config.outgoing_width(stage));
            one.backward(MicrobatchId(id), gradient.as_ref()).unwrap();
        }
        if plan.contributions > 0 {
            let gradients = one.take_gradients();
            let of = |uid: usize| Contribution { uid: uid as u16, gradients: gradients.clone() };
            let all: Vec<_> = (1..plan.contributions).map(of).collect();
            let all: Vec<_> = all.into_iter().chain([Contribution { uid: 0, gradients }]).collect();
            (weights, state) = merge_on(&cpu, optimizer, &weights, &state, &all).unwrap();
            drop(all);
            one.set_weights(&weights).unwrap();
        }
    }
}

/// One test for all measurements: the counts are the process's.
#[test]
fn a_stage_takes_what_was_said() {
    let wide = ModelConfig {
        d_model: 96,
        heads: 6,
        kv_heads: Some(2),
        ffn: 256,
        context: 96,
        layers_per_stage: vec![3, 4, 2],
        bottleneck: Bottleneck::AnchorRes { r: 12, hidden: 80 },
        ..ModelConfig::small()
    };
    let uncompressed = ModelConfig { bottleneck: Bottleneck::None, ..wide.clone() };
    // So little in each buffer that what lies beside the values counts.
    let thin = ModelConfig {
        d_model: 16,
        heads: 2,
        kv_heads: None,
        ffn: 16,
        context: 4,
        layers_per_stage: vec![32],
        ..uncompressed.clone()
    };
    let many = Workload { batch: 1, context: 4, in_flight: 32, threads: 1, contributions: 0 };
    let one = Workload { batch: 4, context: 96, in_flight: 4, threads: 1, contributions: 0 };
    let alone = Workload { in_flight: 1, ..one };
    let merging = Workload { contributions: 3, in_flight: 2, ..one };
    let merging_alone = Workload { contributions: 1, ..merging };
    let threads = Workload { threads: 3, ..one };
    let cases = [
        (&wide, 0, one, OptimizerConfig::default()),
        (&wide, 1, one, muon()),
        (&wide, 2, alone, OptimizerConfig::default()),
        (&wide, 1, merging, OptimizerConfig::default()),
        (&wide, 1, merging, muon()),
        (&wide, 1, merging_alone, OptimizerConfig::default()),
        (&wide, 1, merging_alone, muon()),
        (&wide, 1, threads, muon()),
        (&uncompressed, 1, one, OptimizerConfig::default()),
        (&uncompressed, 2, merging, muon()),
        (&thin, 0, many, OptimizerConfig::default()),
    ];
    let mut least: Option<(usize, usize)> = None;
    for (config, stage, plan, optimizer) in cases {
        let stage = StageIndex(stage);
        for way in Recompute::ALL {
            let said = StageMemory::of(config, &optimizer, stage, &plan, way).unwrap();
            let (found, ()) = most(|| train(config, &optimizer, stage, &plan, way));
            let said_all = said.total() as usize;
            let what =
                format!("stage {stage}, {:?}, {plan:?}, {way:?}: {found} of {said_all}, {said:?}", config.bottleneck);
            println!("{:.3} {what}", found as f64 / said_all as f64);
            assert!(found <= said_all, "{what}");
            // Merges and passes do not take the most at once, threads need not be at their widest together, and what is
            // counted besides values is a bound, which counts where there are few values.
            let loose = plan.contributions > 0 || plan.threads > 1 || config.d_model < 64;
            let tight = if loose { 0.5 } else { 0.8 };
            assert!(found as f64 >= tight * said_all as f64, "said too much: {what}");
            least = Some(least.map_or((found, found), |(low, high)| (low.min(found), high.max(found))));
        }
    }
    let (low, high) = least.unwrap();
    assert!(high > 2 * low, "the cases differ: {low} to {high}");
}
