//! What a stage refuses, and that refusing changes nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use engine::{
    BoundaryTensor, MicrobatchId, ModelConfig, Stage, StageError, StageIndex, StageOutput, TokenBatch, Weights,
};

const SEED: [u8; 32] = [2; 32];

fn config() -> ModelConfig {
    ModelConfig { d_model: 16, heads: 2, ffn: 24, context: 8, ..ModelConfig::small() }
}

fn stage(index: u16, limit: usize) -> Stage {
    let index = StageIndex(index);
    Stage::new(&config(), index, &Weights::initial(&config(), index, &SEED).unwrap(), limit).unwrap()
}

fn tokens() -> TokenBatch {
    TokenBatch::new(2, 8, b"fn main() { let ".iter().chain(b"x;").copied().collect()).unwrap()
}

fn boundary(rows: usize, width: usize) -> BoundaryTensor {
    BoundaryTensor::new(rows, width, (0..rows * width).map(|i| (i as f32 * 0.37).sin()).collect()).unwrap()
}

#[test]
fn flight_is_bounded_and_ids_are_unique() {
    let mut stage = stage(0, 2);
    let one = MicrobatchId(1);
    stage.forward(one, &tokens(), None).unwrap();
    assert!(matches!(stage.forward(one, &tokens(), None), Err(StageError::AlreadyInFlight { id, .. }) if id == one));
    stage.forward(MicrobatchId(2), &tokens(), None).unwrap();
    assert!(matches!(stage.forward(MicrobatchId(3), &tokens(), None), Err(StageError::Full { limit: 2, .. })));
    assert!(stage.drop_microbatch(one) && !stage.drop_microbatch(one));
    stage.forward(MicrobatchId(3), &tokens(), None).unwrap();
    assert!(matches!(stage.backward(one, Some(&boundary(16, 8))), Err(StageError::NotInFlight { .. })));
    assert_eq!(stage.drop_all(), 2);
    assert_eq!(stage.take_gradients().tokens(), 0, "what was dropped does not count");
}

#[test]
fn wrong_tensors_are_refused_and_the_microbatch_stays() {
    let id = MicrobatchId(0);
    let mut first = stage(0, 4);
    assert!(matches!(first.forward(id, &tokens(), Some(&boundary(16, 8))), Err(StageError::WrongShape { .. })));
    first.forward(id, &tokens(), None).unwrap();
    assert!(matches!(first.backward(id, None), Err(StageError::WrongShape { .. })));
    assert!(matches!(first.backward(id, Some(&boundary(16, 7))), Err(StageError::WrongShape { found_width: 7, .. })));
    assert_eq!(first.backward(id, Some(&boundary(16, 8))).unwrap(), None);
    assert_eq!(first.take_gradients().tokens(), 16);

    let mut last = stage(3, 4);
    assert!(matches!(last.forward(id, &tokens(), None), Err(StageError::WrongShape { .. })));
    assert!(matches!(last.forward(id, &tokens(), Some(&boundary(15, 8))), Err(StageError::WrongShape { .. })));
    let output = last.forward(id, &tokens(), Some(&boundary(16, 8))).unwrap();
    assert!(matches!(output, StageOutput::Loss { tokens: 16, .. }));
    assert!(last.backward(id, Some(&boundary(16, 8))).is_err(), "the last stage starts from its own loss");
    assert_eq!(last.backward(id, None).unwrap().unwrap().width(), 8);

    let long = TokenBatch::new(1, 9, vec![0; 10]).unwrap();
    assert!(matches!(first.forward(id, &long, None), Err(StageError::Tokens(_))));
}

#[test]
fn weights_stand_still_while_work_is_under_way() {
    let mut stage = stage(0, 4);
    let next = Weights::initial(&config(), StageIndex(0), &[3; 32]).unwrap();
    stage.forward(MicrobatchId(0), &tokens(), None).unwrap();
    assert!(matches!(stage.set_weights(&next), Err(StageError::NotDrained { in_flight: 1, .. })));
    stage.backward(MicrobatchId(0), Some(&boundary(16, 8))).unwrap();
    assert!(matches!(stage.set_weights(&next), Err(StageError::GradientsPending { tokens: 16, .. })));
    stage.take_gradients();
    stage.set_weights(&next).unwrap();
    let foreign = Weights::initial(&config(), StageIndex(1), &SEED).unwrap();
    assert!(matches!(stage.set_weights(&foreign), Err(StageError::ForeignWeights { .. })));
}

#[test]
fn skipping_layers_shows_in_what_is_sent() {
    let (mut honest, mut partial) = (stage(0, 1), stage(0, 1));
    partial.skip_layers_after(0);
    let send = |stage: &mut Stage| stage.forward(MicrobatchId(0), &tokens(), None).unwrap();
    assert_ne!(send(&mut honest), send(&mut partial));
    // An adversary's backward pass must run too, or it would give itself away by crashing.
    partial.backward(MicrobatchId(0), Some(&boundary(16, 8))).unwrap();
}
