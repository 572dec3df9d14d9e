//! What a prover answers, to whom, and what it refuses.

use engine::Digest;
use engine::work_proof::{Challenge, OpenedTile, drawn_tiles, verify};
use neuron::manifest::HardwareRules;
use neuron::message::control::{ControlRefusal, ControlRequest, ControlResponse};
use neuron::message::hardware::{ComputeChallenge, MAX_OPENED_TILES};
use neuron::net::NetHandle;
use tokio::task::JoinSet;

use crate::world::{BEACON, LENIENT, PATIENCE, SIDE, World, connect, id};

const TILES: u32 = (SIDE / 16) * (SIDE / 16);

async fn ask(validator: &NetHandle, request: ControlRequest) -> ControlResponse {
    validator.request(id("m"), request, PATIENCE).await.unwrap()
}

async fn prove(validator: &NetHandle, nonce: [u8; 32]) -> ControlResponse {
    ask(validator, ControlRequest::ProveCompute(ComputeChallenge { side: SIDE, nonce, beacon: BEACON })).await
}

async fn open(validator: &NetHandle, nonce: [u8; 32], tiles: Vec<u32>) -> ControlResponse {
    ask(validator, ControlRequest::OpenTiles { nonce, tiles }).await
}

/// A miner `m` that proves by `rules`, connected to each of `askers`.
async fn miner_and(rules: &HardwareRules, askers: &[&str]) -> (NetHandle, Vec<NetHandle>) {
    let world = World::with(&[askers, &["m"]].concat());
    let miner = world.proving("m", "m", rules).await;
    let mut nets = Vec::new();
    for name in askers {
        // What it is asked itself does not matter.
        let net = world.played(name, |_| None).await;
        connect(&net, &miner, "m").await;
        nets.push(net);
    }
    (miner, nets)
}

#[track_caller]
fn assert_refused(response: ControlResponse, refusal: ControlRefusal) {
    assert_eq!(response, ControlResponse::Refused(refusal));
}

#[tokio::test]
async fn validators_that_ask_at_once_each_get_a_proof_of_their_own() {
    let (_miner, validators) = miner_and(&LENIENT, &["v1", "v2", "v3"]).await;
    let mut proofs = JoinSet::new();
    for (n, validator) in (1u8..).zip(validators) {
        proofs.spawn(async move {
            let nonce = [n; 32];
            let ControlResponse::ProductRoot(root) = prove(&validator, nonce).await else { panic!("no root") };
            let root = Digest::from(root);
            let challenge = Challenge::bind(SIDE, &nonce, &BEACON.0, &id("m").0).unwrap();
            let tiles = drawn_tiles(&challenge, &root, &[9; 32]);
            let ControlResponse::Tiles(answer) = open(&validator, nonce, tiles).await else { panic!("no tiles") };
            let answer: Vec<_> = answer.into_iter().map(OpenedTile::from).collect();
            assert_eq!(verify(&challenge, &root, &[9; 32], &answer), Ok(()));
            root
        });
    }
    let roots = proofs.join_all().await;
    assert!(roots[0] != roots[1] && roots[1] != roots[2] && roots[2] != roots[0]);
}

#[tokio::test]
async fn whoever_has_no_permit_gets_no_proof() {
    let (_miner, askers) = miner_and(&LENIENT, &["v", "stranger"]).await;
    let (validator, stranger) = (&askers[0], &askers[1]);
    assert_refused(prove(stranger, [1; 32]).await, ControlRefusal::Unsupported);
    assert!(matches!(prove(validator, [1; 32]).await, ControlResponse::ProductRoot(_)));
    assert_refused(open(stranger, [1; 32], vec![0]).await, ControlRefusal::Unsupported);
    assert!(matches!(open(validator, [1; 32], vec![0]).await, ControlResponse::Tiles(_)));
}

#[tokio::test]
async fn only_the_runs_side_is_multiplied() {
    let (_miner, askers) = miner_and(&LENIENT, &["v"]).await;
    for side in [0, 100, SIDE - 16, SIDE + 16, 16_384, u32::MAX] {
        let challenge = ComputeChallenge { side, nonce: [1; 32], beacon: BEACON };
        let response = ask(&askers[0], ControlRequest::ProveCompute(challenge)).await;
        assert_refused(response, ControlRefusal::OutOfRange);
    }
}

#[tokio::test]
async fn a_product_is_opened_where_it_has_tiles_by_whom_it_is_for_and_once() {
    let (_miner, askers) = miner_and(&LENIENT, &["v1", "v2"]).await;
    let (validator, other) = (&askers[0], &askers[1]);
    let (nonce, drawn) = ([1; 32], vec![TILES - 1; MAX_OPENED_TILES]);
    assert_refused(open(validator, nonce, drawn.clone()).await, ControlRefusal::NotFound);
    assert!(matches!(prove(validator, nonce).await, ControlResponse::ProductRoot(_)));
    assert_refused(open(validator, [2; 32], drawn.clone()).await, ControlRefusal::NotFound);
    assert_refused(open(other, nonce, drawn.clone()).await, ControlRefusal::NotFound);
    for tiles in [vec![], vec![0; MAX_OPENED_TILES + 1], vec![0; 10_000], vec![0, TILES], vec![u32::MAX]] {
        assert_refused(open(validator, nonce, tiles).await, ControlRefusal::OutOfRange);
    }
    let ControlResponse::Tiles(opened) = open(validator, nonce, drawn.clone()).await else { panic!("no tiles") };
    assert_eq!(opened.iter().map(|tile| tile.index).collect::<Vec<_>>(), vec![u64::from(TILES - 1); MAX_OPENED_TILES]);
    assert_refused(open(validator, nonce, drawn).await, ControlRefusal::NotFound);
}

#[tokio::test]
async fn a_newer_challenge_takes_the_place_of_a_product_that_is_kept() {
    let (_miner, askers) = miner_and(&LENIENT, &["v"]).await;
    for nonce in [[1; 32], [2; 32]] {
        assert!(matches!(prove(&askers[0], nonce).await, ControlResponse::ProductRoot(_)));
    }
    assert_refused(open(&askers[0], [1; 32], vec![0]).await, ControlRefusal::NotFound);
    assert!(matches!(open(&askers[0], [2; 32], vec![0]).await, ControlResponse::Tiles(_)));
}

#[tokio::test]
async fn a_product_is_forgotten_when_nobody_can_wait_for_its_tiles_any_more() {
    let (_miner, askers) = miner_and(&HardwareRules { open_ms: 0, round_trip_ms: 0, ..LENIENT }, &["v"]).await;
    assert!(matches!(prove(&askers[0], [1; 32]).await, ControlResponse::ProductRoot(_)));
    assert_refused(open(&askers[0], [1; 32], vec![0]).await, ControlRefusal::NotFound);
}

#[test]
fn of_one_validator_one_challenge_is_computed_one_waits_and_the_waiting_one_gives_way() {
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).enable_all().build().unwrap();
    // The only thread that may block is taken: no product is computed before it is given back.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let occupied = runtime.spawn_blocking(move || released.recv());
    runtime.block_on(async {
        let (_miner, askers) = miner_and(&LENIENT, &["v"]).await;
        let mut answers = JoinSet::new();
        for nonce in [[1; 32], [2; 32], [3; 32]] {
            let validator = askers[0].clone();
            answers.spawn(async move { prove(&validator, nonce).await });
        }
        assert_refused(answers.join_next().await.unwrap().unwrap(), ControlRefusal::Busy);
        release.send(()).unwrap();
        occupied.await.unwrap().unwrap();
        let rest = answers.join_all().await;
        assert!(matches!(rest[..], [ControlResponse::ProductRoot(a), ControlResponse::ProductRoot(b)] if a != b));
    });
}
