//! Whom the verifier admits, and whom it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::work_proof::{Product, WorkProofError};
use keys::AccountId;
use neuron::manifest::HardwareRules;
use neuron::message::control::{ControlRefusal, ControlRequest, ControlResponse};
use neuron::message::hardware::ComputeChallenge;
use neuron::message::names::{Hash, WindowId};
use neuron::net::NetHandle;
use tokio::time::{interval, timeout};
use validator::hardware::Hardware;
use validator::machine::admission::{Outcome, ProofFault};

use crate::world::{BEACON, LENIENT, PATIENCE, SIDE, World, connect, id, product};

async fn next(hardware: &mut Hardware) -> Outcome {
    timeout(2 * PATIENCE, hardware.next()).await.unwrap()
}

fn open(product: &Product, tiles: &[u32]) -> ControlResponse {
    ControlResponse::Tiles(product.open(tiles).unwrap().into_iter().map(Into::into).collect())
}

/// A miner of its own making: what it multiplies instead of the challenge, which root it gives, which tiles it opens.
fn cheat(
    as_asked: impl Fn(ComputeChallenge) -> Product + Send + 'static,
    root: impl Fn(&Product) -> Hash + Send + 'static,
    tiles: impl Fn(Vec<u32>) -> Vec<u32> + Send + 'static,
) -> impl FnMut(ControlRequest) -> Option<ControlResponse> + Send + 'static {
    let mut made = None;
    move |request| {
        Some(match request {
            ControlRequest::ProveCompute(challenge) => {
                let product = made.insert(as_asked(challenge));
                ControlResponse::ProductRoot(root(product))
            }
            ControlRequest::OpenTiles { tiles: drawn, .. } => open(made.as_ref().unwrap(), &tiles(drawn)),
            other => panic!("{other:?}"),
        })
    }
}

/// The one outcome of a window in which `validator` asks the miner `m`, which must not be admitted.
async fn fault_of(validator: &NetHandle, rules: &HardwareRules) -> ProofFault {
    let mut hardware = Hardware::new(rules, validator.clone(), Vec::new());
    hardware.on_window(WindowId(1), BEACON, &[id("m")]);
    let outcome = next(&mut hardware).await;
    assert_eq!((outcome.hotkey, outcome.measured_per_second), (id("m"), None));
    assert_eq!((hardware.factor_per_mille(&id("m")), hardware.proofs()), (0, Vec::new()));
    outcome.verdict.unwrap_err()
}

/// The same, of a miner that is played.
async fn fault_of_played(
    rules: &HardwareRules,
    reply: impl FnMut(ControlRequest) -> Option<ControlResponse> + Send + 'static,
) -> ProofFault {
    let world = World::with(&["v", "m"]);
    let (miner, (validator, _events)) = (world.played("m", reply).await, world.neuron("v").await);
    connect(&validator, &miner, "m").await;
    fault_of(&validator, rules).await
}

#[tokio::test]
async fn an_honest_miner_is_admitted_and_left_alone_even_after_a_restart() {
    let world = World::with(&["v", "a", "b"]);
    let (a, b) = (world.proving("a", "a", &LENIENT).await, world.proving("b", "b", &LENIENT).await);
    let (validator, _events) = world.neuron("v").await;
    connect(&validator, &a, "a").await;
    connect(&validator, &b, "b").await;
    let mut hardware = Hardware::new(&LENIENT, validator.clone(), Vec::new());
    hardware.on_window(WindowId(1), BEACON, &[id("a")]);
    assert_eq!(hardware.factor_per_mille(&id("a")), 0, "not before it proved");
    let outcome = next(&mut hardware).await;
    assert_eq!((outcome.hotkey, outcome.verdict), (id("a"), Ok(())));
    assert!(outcome.measured_per_second.unwrap() > 0);
    assert_eq!(hardware.factor_per_mille(&id("a")), 1000);
    assert_eq!(validator.counts().requests_out, 2, "a challenge and a draw");
    let proofs = hardware.proofs();
    hardware.shutdown().await;

    let mut restarted = Hardware::new(&LENIENT, validator.clone(), proofs.clone());
    assert_eq!(restarted.factor_per_mille(&id("a")), 1000);
    restarted.on_window(WindowId(2), BEACON, &[id("a"), id("b")]);
    assert_eq!(next(&mut restarted).await.hotkey, id("b"));
    assert_eq!(validator.counts().requests_out, 4, "of these none to a");

    let faster = HardwareRules { multiplications_per_second: 2 * LENIENT.multiplications_per_second, ..LENIENT };
    let other_run = Hardware::new(&faster, validator, proofs);
    assert_eq!(other_run.factor_per_mille(&id("a")), 0, "a proof of another speed proves nothing");
}

#[tokio::test]
async fn a_fleet_proves_itself_at_once_however_often_the_wait_is_cancelled() {
    let world = World::with(&["v", "a", "b", "c"]);
    let (validator, _events) = world.neuron("v").await;
    let mut miners = Vec::new();
    for name in ["a", "b", "c"] {
        let miner = world.proving(name, name, &LENIENT).await;
        connect(&validator, &miner, name).await;
        miners.push(miner);
    }
    let mut hardware = Hardware::new(&HardwareRules { fleet_per_mille: 1000, ..LENIENT }, validator, Vec::new());
    let everybody = ["a", "b", "c"].map(id);
    for window in [1, 2] {
        hardware.on_window(WindowId(window), BEACON, &everybody);
        let mut proved: Vec<AccountId> = Vec::new();
        let mut cancel = interval(Duration::from_millis(1));
        let all = async {
            while proved.len() < everybody.len() {
                tokio::select! {
                    biased;
                    outcome = hardware.next() => {
                        assert_eq!(outcome.verdict, Ok(()));
                        proved.push(outcome.hotkey);
                    }
                    _ = cancel.tick() => {}
                }
            }
        };
        timeout(PATIENCE, all).await.unwrap();
        proved.sort_unstable();
        let mut expected = everybody;
        expected.sort_unstable();
        assert_eq!(proved, expected);
    }
}

#[tokio::test]
async fn a_product_made_in_anothers_name_is_false() {
    let world = World::with(&["v", "m", "twin"]);
    let miner = world.proving("m", "twin", &LENIENT).await;
    let (validator, _events) = world.neuron("v").await;
    connect(&validator, &miner, "m").await;
    let fault = fault_of(&validator, &LENIENT).await;
    assert!(matches!(fault, ProofFault::False(WorkProofError::False { .. })), "{fault}");
}

#[tokio::test]
async fn a_guessed_root_fits_no_tiles() {
    let reply = cheat(|challenge| product(&challenge, &id("m")), |_| Hash([7; 32]), |drawn| drawn);
    let fault = fault_of_played(&LENIENT, reply).await;
    assert!(matches!(fault, ProofFault::False(WorkProofError::Proof(_))), "{fault}");
}

#[tokio::test]
async fn tiles_of_an_earlier_draw_are_not_those_that_were_drawn() {
    let earlier = |drawn: Vec<u32>| drawn.iter().map(|tile| (tile + 1) % (SIDE / 16).pow(2)).collect();
    let reply = cheat(|challenge| product(&challenge, &id("m")), |product| product.root().into(), earlier);
    let fault = fault_of_played(&LENIENT, reply).await;
    assert!(matches!(fault, ProofFault::False(WorkProofError::NotDrawn { .. })), "{fault}");
}

#[tokio::test]
async fn the_product_of_an_earlier_challenge_is_false() {
    let stale = |challenge| product(&ComputeChallenge { nonce: [0; 32], ..challenge }, &id("m"));
    let fault = fault_of_played(&LENIENT, cheat(stale, |product| product.root().into(), |drawn| drawn)).await;
    assert!(matches!(fault, ProofFault::False(WorkProofError::False { .. })), "{fault}");
}

#[tokio::test]
async fn too_few_tiles_and_tiles_cut_short_are_no_proof() {
    let few = |mut drawn: Vec<u32>| {
        drawn.pop();
        drawn
    };
    let reply = cheat(|challenge| product(&challenge, &id("m")), |product| product.root().into(), few);
    let fault = fault_of_played(&LENIENT, reply).await;
    assert!(matches!(fault, ProofFault::False(WorkProofError::Count { what: "tiles", .. })), "{fault}");

    let mut honest = cheat(|challenge| product(&challenge, &id("m")), |product| product.root().into(), |drawn| drawn);
    let fault = fault_of_played(&LENIENT, move |request| {
        let mut response = honest(request);
        if let Some(ControlResponse::Tiles(tiles)) = &mut response {
            tiles[0].entries.clear();
        }
        response
    });
    let fault = fault.await;
    assert!(matches!(fault, ProofFault::False(WorkProofError::Count { what: "entries", .. })), "{fault}");
}

#[tokio::test]
async fn refusals_and_answers_to_other_questions_are_no_root() {
    for (response, reason) in [
        (ControlResponse::Refused(ControlRefusal::Busy), "busy"),
        (ControlResponse::Noted, "another question"),
        (ControlResponse::Tiles(Vec::new()), "another question"),
    ] {
        let fault = fault_of_played(&LENIENT, move |_| Some(response.clone())).await;
        assert!(matches!(&fault, ProofFault::NoAnswer { what: "the root", reason: found } if found.contains(reason)));
    }
}

#[tokio::test]
async fn the_silent_are_given_up_at_either_step() {
    let soon = HardwareRules { multiplications_per_second: u64::MAX, round_trip_ms: 20, ..LENIENT };
    let fault = fault_of_played(&soon, |_| None).await;
    // The request's deadline and the proof's fall together.
    assert!(matches!(fault, ProofFault::NoRoot { .. } | ProofFault::NoAnswer { what: "the root", .. }), "{fault}");

    let mut honest = cheat(|challenge| product(&challenge, &id("m")), |product| product.root().into(), |drawn| drawn);
    let opens_nothing = move |request| match request {
        ControlRequest::OpenTiles { .. } => None,
        request => honest(request),
    };
    let fault = fault_of_played(&HardwareRules { open_ms: 50, ..LENIENT }, opens_nothing).await;
    assert!(
        matches!(fault, ProofFault::NotOpened { .. } | ProofFault::NoAnswer { what: "the drawn tiles", .. }),
        "{fault}"
    );
}

#[tokio::test]
async fn a_miner_that_is_not_connected_is_asked_again_with_the_next_window() {
    let world = World::with(&["v", "m"]);
    let miner = world.proving("m", "m", &LENIENT).await;
    let (validator, _events) = world.neuron("v").await;
    let mut hardware = Hardware::new(&LENIENT, validator.clone(), Vec::new());
    hardware.on_window(WindowId(1), BEACON, &[id("m")]);
    let fault = next(&mut hardware).await.verdict.unwrap_err();
    assert!(matches!(fault, ProofFault::NoAnswer { what: "the root", .. }), "{fault}");
    connect(&validator, &miner, "m").await;
    hardware.on_window(WindowId(2), BEACON, &[id("m")]);
    assert_eq!(next(&mut hardware).await.verdict, Ok(()));
    assert_eq!(hardware.factor_per_mille(&id("m")), 1000);
}

#[test]
fn tiles_are_recomputed_off_the_threads_that_serve_the_network() {
    let started = Arc::new(AtomicUsize::new(0));
    let count = started.clone();
    // Everything runs on this thread, except what is sent to a thread that may block: only then one is started.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::with(&["v", "m"]);
        let honest = cheat(|challenge| product(&challenge, &id("m")), |product| product.root().into(), |drawn| drawn);
        let (miner, (validator, _events)) = (world.played("m", honest).await, world.neuron("v").await);
        connect(&validator, &miner, "m").await;
        let mut hardware = Hardware::new(&LENIENT, validator, Vec::new());
        assert_eq!(started.load(Ordering::SeqCst), 0);
        hardware.on_window(WindowId(1), BEACON, &[id("m")]);
        assert_eq!(next(&mut hardware).await.verdict, Ok(()));
        assert_eq!(started.load(Ordering::SeqCst), 1);
    });
}
