//! What peers of different versions must agree on, as hashes. If one changes, runs in progress split: raise the version
//! in the domain (`src/hash`) or take a new codec number instead.

use engine::{
    BoundaryTensor, Contribution, Gradients, MatrixRule, MicrobatchId, ModelConfig, OptimizerConfig, OptimizerState,
    StageIndex, Weights, WholeModel,
    codec::{ActivationCodec, GradientCodec, WeightCodec},
    data::Corpus,
    hash::{MerkleTree, bytes_hash, leaf_hash},
    merge,
};

const SEED: [u8; 32] = [42; 32];

fn values(length: usize) -> Vec<f32> {
    (0..length).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect()
}

fn assert_golden(what: &str, found: engine::Digest, golden: &str) {
    assert_eq!(found.to_string(), golden, "{what} changed");
}

#[test]
fn names_of_models_and_tensors() {
    let config = ModelConfig::small();
    let model = WholeModel::initial(&config, &SEED).unwrap();
    assert_golden(
        "initial weights of stage 1",
        model.weights()[1].hash(),
        "6fd0fe36888b002959e75a8108adc1e13ad0bcdae3a7f0aed9a892400dfc6972",
    );
    assert_golden("initial model", model.hash(), "0cdc294fd357317bff7e920c78c0717248b8d0bcb410500a15e0f27cbd7ae67a");
    let stage = StageIndex(2);
    let length = config.layout(stage).unwrap().len();
    let gradients = Gradients::from_values(&config, stage, 1024, values(length)).unwrap();
    assert_golden("gradients", gradients.hash(), "ebe6faa3e0c4b7c583b6cab0e071dd3136456228aa05d1636c447455dab6158d");
    assert_golden(
        "optimizer state",
        OptimizerState::new(gradients.layout(), &OptimizerConfig::default()).hash(),
        "cc4868b302a95c6b6ae07db6b057c346015621f2fe211c3cdf0cea928bfda5e3",
    );
    let tensor = BoundaryTensor::new(5, 3, values(15)).unwrap();
    assert_golden("boundary tensor", tensor.hash(), "dc78b333cb786aeca6698f44fc6ed836eddaccfdf39cf18a1f4fd19a16acb3a0");
    let leaves = (0..5u64).map(|i| leaf_hash(&i.to_le_bytes())).collect();
    assert_golden(
        "merkle root",
        MerkleTree::new(leaves).root(),
        "626b590d4806e6b9eed0a1f352964657943f6813b031a94214d39968eea08a86",
    );
}

#[test]
fn what_a_merge_by_muon_comes_to() {
    let (config, stage) = (ModelConfig::small(), StageIndex(2));
    let matrices = MatrixRule::Muon { momentum: 0.95 };
    let optimizer = OptimizerConfig { matrices, ..OptimizerConfig::default() };
    let weights = Weights::initial(&config, stage, &SEED).unwrap();
    let state = OptimizerState::new(weights.layout(), &optimizer);
    let gradients = Gradients::from_values(&config, stage, 1024, values(weights.values().len())).unwrap();
    let contribution = Contribution { uid: 1, gradients };
    let (weights, state) = merge(&optimizer, &weights, &state, &[contribution]).unwrap();
    assert_golden(
        "weights after a step of Muon",
        weights.hash(),
        "28942030fa3047f4b691dcc657c4a898f93c8a87d87c7faed0ad2d330f1de97b",
    );
    assert_golden(
        "state after a step of Muon",
        state.hash(),
        "f8e4c51ffa91f6927f111c36140eedd5329107fc3a9914e2f0dc975b30300c68",
    );
}

#[test]
fn bytes_on_the_wire() {
    let (config, stage) = (ModelConfig::small(), StageIndex(2));
    let length = config.layout(stage).unwrap().len();
    let tensor = BoundaryTensor::new(5, 3, values(15)).unwrap();
    assert_golden(
        "activation codec 1",
        bytes_hash(&ActivationCodec::F32.encode(&tensor)),
        "50e306d2c6d1ae3f98aa81f0be1deb03b51b345f7a821ed54ab22b8e1815d585",
    );
    let gradients = Gradients::from_values(&config, stage, 1024, values(length)).unwrap();
    assert_golden(
        "gradient codec 1",
        bytes_hash(&GradientCodec::F32.encode(&gradients)),
        "4d18b46a04d3b2ae71223d041392c8a77cae93fb6958383ace224acfafaccd43",
    );
    let weights = Weights::from_values(&config, stage, values(length)).unwrap();
    let state = OptimizerState::new(weights.layout(), &OptimizerConfig::default());
    assert_golden(
        "weight codec 1",
        bytes_hash(&WeightCodec::F32.encode_snapshot(&weights, &state)),
        "94ccd4e22646046d35059116ee9c75df2bfb1e25925d9a51d5c490a6695192fe",
    );
}

#[test]
fn what_a_microbatch_reads() {
    let text: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let corpus = Corpus::new(&text).unwrap();
    assert_golden("corpus", corpus.hash(), "6a98f8ba4c0b7bc0ed60b1dabb77a4362e8b3919c9278a9fa9698b03b737ccf9");
    let tokens = corpus.slice(&SEED, 3, MicrobatchId(17), 4, 128).unwrap();
    assert_golden(
        "slice",
        bytes_hash(&tokens.ids().iter().map(|&id| id as u8).collect::<Vec<_>>()),
        "b5172459fe2035da9a6b284dc8fb326906f5c02700b048a1171ab56c0c5ad2d4",
    );
}
