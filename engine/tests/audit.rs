//! An auditor's recomputation equals what honest stages sent, bit by bit, and differs where one cheated.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use engine::{
    BoundaryTensor, Digest, MicrobatchId, ModelConfig, Stage, StageOutput, TokenBatch, WholeModel,
    codec::ActivationCodec, data::Corpus, hash::bytes_hash, recompute_hop, recompute_path,
};

const SEED: [u8; 32] = [4; 32];
const CODEC: ActivationCodec = ActivationCodec::F32;

fn setting() -> (WholeModel, Vec<TokenBatch>) {
    let config = ModelConfig { d_model: 32, ffn: 48, context: 32, ..ModelConfig::small() };
    let corpus = Corpus::new(include_str!("../src/stage.rs").repeat(8).as_bytes()).unwrap();
    let slice = |index| corpus.slice(&SEED, 7, MicrobatchId(index), 4, config.context).unwrap();
    let tokens = (0..3).map(slice).collect();
    (WholeModel::initial(&config, &SEED).unwrap(), tokens)
}

/// What went over the wire for one microbatch.
#[derive(Default)]
struct Sent {
    forward: Vec<Digest>,
    backward: Vec<Digest>,
    loss_sum: f64,
}

/// Honest stages (but for `cheat`, which skips its layers) with other microbatches in flight before and after.
fn work(model: &WholeModel, batches: &[TokenBatch], cheat: Option<usize>) -> Vec<Sent> {
    let new = |weights: &engine::Weights| Stage::new(model.config(), weights.stage(), weights, 8).unwrap();
    let mut stages: Vec<_> = model.weights().iter().map(new).collect();
    if let Some(cheat) = cheat {
        stages[cheat].skip_layers_after(0);
    }
    let wire = |tensor: &BoundaryTensor| {
        let bytes = CODEC.encode(tensor);
        (CODEC.decode(&bytes, tensor.rows(), tensor.width()).unwrap(), bytes_hash(&bytes))
    };
    let mut sent: Vec<Sent> = batches.iter().map(|_| Sent::default()).collect();
    let mut received: Vec<Option<BoundaryTensor>> = vec![None; batches.len()];
    for stage in &mut stages {
        for (id, tokens) in batches.iter().enumerate() {
            match stage.forward(MicrobatchId(id as u64), tokens, received[id].as_ref()).unwrap() {
                StageOutput::Boundary(z) => {
                    let (tensor, digest) = wire(&z);
                    received[id] = Some(tensor);
                    sent[id].forward.push(digest);
                }
                StageOutput::Loss { loss_sum, .. } => (sent[id].loss_sum, received[id]) = (loss_sum, None),
            }
        }
    }
    for stage in stages.iter_mut().rev() {
        for id in (0..batches.len()).rev() {
            received[id] = stage.backward(MicrobatchId(id as u64), received[id].as_ref()).unwrap().map(|gradient| {
                let (tensor, digest) = wire(&gradient);
                sent[id].backward.insert(0, digest);
                tensor
            });
        }
    }
    sent
}

#[test]
fn honest_work_is_reproduced_bit_by_bit() {
    let (model, batches) = setting();
    let sent = work(&model, &batches, None);
    for (tokens, sent) in batches.iter().zip(&sent) {
        let record = recompute_path(model.config(), model.weights(), tokens, CODEC).unwrap();
        assert_eq!(record.forward_hashes(), sent.forward);
        assert_eq!(record.backward_hashes(), sent.backward);
        assert_eq!(record.loss_sum.to_bits(), sent.loss_sum.to_bits());
        assert_eq!((record.forward.len(), record.tokens), (3, 128));
    }
}

#[test]
fn the_first_false_hop_is_the_cheats() {
    let (model, batches) = setting();
    for cheat in 0..4 {
        let sent = work(&model, &batches[..1], Some(cheat));
        let record = recompute_path(model.config(), model.weights(), &batches[0], CODEC).unwrap();
        let first = record.forward_hashes().iter().zip(&sent[0].forward).position(|(own, theirs)| own != theirs);
        // The last stage sends nothing forward; its false loss shows.
        assert_eq!(first, (cheat < 3).then_some(cheat));
        assert_ne!(record.loss_sum.to_bits(), sent[0].loss_sum.to_bits());
    }
}

#[test]
fn a_single_hop_opens_from_its_inputs() {
    let (model, batches) = setting();
    let (config, tokens) = (model.config(), &batches[0]);
    let record = recompute_path(config, model.weights(), tokens, CODEC).unwrap();
    let open = |bytes: &Vec<u8>| CODEC.decode(bytes, tokens.tokens(), config.boundary_width()).unwrap();
    let (z, gradient) = (open(&record.forward[0]), open(&record.backward[1]));
    let hop = recompute_hop(config, &model.weights()[1], tokens, Some(&z), Some(&gradient)).unwrap();
    assert_eq!(hop.output, StageOutput::Boundary(open(&record.forward[1])));
    assert_eq!(hop.incoming_gradient, Some(open(&record.backward[0])));
    assert_eq!(hop.gradients, record.gradients[1]);
    let forward_only = recompute_hop(config, &model.weights()[1], tokens, Some(&z), None).unwrap();
    assert_eq!((forward_only.incoming_gradient, forward_only.gradients.tokens()), (None, 0));
}
