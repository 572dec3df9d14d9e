//! A cap on memory decides what is computed again, and whoever does not fit is told what would.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use engine::{
    MicrobatchId, ModelConfig, OptimizerConfig, Recompute, Stage, StageError, StageIndex, StageMemory, StageOutput,
    TokenBatch, Weights, Workload,
    memory::{Advice, MemoryError, fit},
};

const SEED: [u8; 32] = [6; 32];

fn tokens(batch: usize, context: usize) -> TokenBatch {
    TokenBatch::new(batch, context, (0..batch * (context + 1)).map(|i| (i * 31 % 251) as u8).collect()).unwrap()
}

#[test]
fn a_cap_decides_what_is_computed_again_and_errors_say_what_would_fit() {
    let config = ModelConfig { layers_per_stage: vec![6, 6], ..ModelConfig::small() };
    let (optimizer, stage) = (OptimizerConfig::default(), StageIndex(0));
    let plan = Workload { batch: 8, context: 128, in_flight: 4, threads: 1, contributions: 1 };
    let total = |way, plan: &Workload| StageMemory::of(&config, &optimizer, stage, plan, way).unwrap().total();
    let totals = Recompute::ALL.map(|way| total(way, &plan));
    assert!(totals[0] > totals[1] && totals[0] > totals[2] && totals[3] < totals[1].min(totals[2]), "{totals:?}");
    let chosen = |cap, plan: &Workload| {
        fit(&config, &optimizer, stage, plan, cap).map(|(way, memory)| {
            assert!(memory.total() <= cap);
            way
        })
    };
    assert_eq!(chosen(totals[0], &plan).unwrap(), Recompute::Nothing);
    assert_ne!(chosen(totals[0] - 1, &plan).unwrap(), Recompute::Nothing);
    assert_eq!(chosen(totals[3], &plan).unwrap(), Recompute::StageByLayers);

    // What the advice says fits, and one more does not.
    let refused = |cap| match chosen(cap, &plan).unwrap_err() {
        MemoryError::DoesNotFit { needed, advice, .. } => {
            assert_eq!(needed, totals[3]);
            advice
        }
        other => panic!("{other}"),
    };
    let least = |in_flight, batch| total(Recompute::StageByLayers, &Workload { in_flight, batch, ..plan });
    let advice = refused(least(2, 8));
    assert!(matches!(advice, Advice::InFlight { in_flight } if in_flight >= 2), "{advice:?}");
    let Advice::InFlight { in_flight } = advice else { unreachable!() };
    chosen(least(2, 8), &Workload { in_flight, ..plan }).unwrap();
    chosen(least(2, 8), &Workload { in_flight: in_flight + 1, ..plan }).unwrap_err();
    assert_eq!(refused(least(1, 3)), Advice::Batch { batch: 3 });
    assert!(matches!(refused(least(1, 1) - 1), Advice::Layers { layers } if layers < 6));
    assert_eq!(refused(100_000), Advice::Nothing);
    let text = fit(&config, &optimizer, stage, &plan, least(1, 3)).unwrap_err().to_string();
    assert!(text.contains("3 sequences"), "{text}");

    let bad = Workload { in_flight: 0, ..plan };
    assert!(matches!(chosen(u64::MAX, &bad), Err(MemoryError::OutOfRange { name: "in_flight", .. })));
    let long = Workload { context: 129, ..plan };
    assert!(matches!(chosen(u64::MAX, &long), Err(MemoryError::Tokens(_))));
}

#[test]
fn a_stage_within_a_cap_keeps_to_it() {
    let config = ModelConfig::small();
    let weights = Weights::initial(&config, StageIndex(0), &SEED).unwrap();
    let plan = Workload { batch: 2, context: 64, in_flight: 2, threads: 1, contributions: 1 };
    let within = |cap| Stage::within(&config, &OptimizerConfig::default(), &weights, &plan, cap);
    assert!(matches!(within(1000), Err(StageError::Memory(MemoryError::DoesNotFit { .. }))));
    let mut stage = within(u64::MAX).unwrap();
    assert_eq!(stage.recompute(), Recompute::Nothing);
    let id = MicrobatchId(0);
    for (batch, context) in [(3, 64), (2, 65)] {
        let refused = stage.forward(id, &tokens(batch, context), None);
        assert!(matches!(refused, Err(StageError::LargerThanPlanned { batch: 2, context: 64, .. })));
    }
    assert!(matches!(stage.forward(id, &tokens(2, 64), None), Ok(StageOutput::Boundary(_))));
}
