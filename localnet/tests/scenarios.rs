//! Subnets that are hurt on purpose: a miner killed in the middle of a window, a validator killed, the chain away for ten
//! seconds. The others go on, and the run ends well. And: the same seed draws the same.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot set itself up has failed")]

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use chain::{Client, ConnectConfig};
use clap::Parser;
use localnet::accounts::Role;
use localnet::cli::{Cli, Command, UpArgs};
use localnet::persona::Persona;
use localnet::report::Report;
use localnet::subnet::Subnet;
use localnet::tally::{NeuronTally, Tally};
use neuron::machine::{BlockClock, MoverDraw, owners, place, ranking, work_slot};
use neuron::message::names::{Hash, RunId, StageId, Uid, WindowId};
use neuron::shell::{beacon, members_at, posted_run};
use tokio::sync::Mutex;

/// Two subnets at once would slow each other: one test at a time runs one.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Blocks within which a small subnet does what it ever does.
const PATIENCE_BLOCKS: u64 = 500;

const STAGES: u16 = 2;

/// A small subnet of honest miners.
fn args(more: &[&str]) -> UpArgs {
    let small = ["localnet", "up", "--miners", "4", "--stages", "2", "--validators", "3", "--adversary", "none"];
    let fast = ["--tempo", "30", "--block-time", "150ms", "--port", "0", "--ci"];
    let Command::Up(args) = Cli::parse_from(small.iter().chain(&fast).chain(more)).command else {
        panic!("up is up");
    };
    assert_eq!(args.check(), Ok(()));
    args
}

async fn start(args: &UpArgs) -> Subnet {
    Subnet::start(args, pending(), |_| ()).await.expect("the subnet starts")
}

fn merged(tally: &Tally) -> u32 {
    tally.last_common_state(STAGES).map_or(0, |(window, _)| window)
}

/// Until a window is merged, and a microbatch of the next has come back: work is under way everywhere.
async fn into_a_window(subnet: &mut Subnet) {
    subnet.until("a window", PATIENCE_BLOCKS, |tally| merged(tally) >= 1).await.expect("training");
    let window = merged(subnet.tally());
    subnet
        .until("work in the next window", PATIENCE_BLOCKS, |tally| tally.settled.keys().any(|w| *w >= window))
        .await
        .expect("training");
}

/// Three more windows, and an epoch that pays for what was done since. The first that pays may come before the audits of a
/// window in which everybody worked, so it goes on until all who work were paid.
async fn on_to_the_end(mut subnet: Subnet) -> Report {
    let (window, paid) = (merged(subnet.tally()), subnet.tally().paid_epochs);
    subnet
        .until("three more windows, and pay for everybody who works", PATIENCE_BLOCKS, |tally| {
            let working = |n: &NeuronTally| n.role == Role::Miner && !n.killed && !n.is_adversary();
            let all_paid = tally.by_uid().into_iter().filter(|n| working(n)).all(|n| n.emission_rao > 0);
            merged(tally) >= window + 3 && tally.paid_epochs > paid && all_paid
        })
        .await
        .expect("the others go on");
    subnet.finish(false).await.expect("the subnet stops")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_miner_killed_in_mid_window_is_done_without() {
    let _alone = ALONE.lock().await;
    let mut subnet = start(&args(&[])).await;
    into_a_window(&mut subnet).await;
    // One whose stage has another replica: without any, no microbatch could settle.
    let miners = subnet.tally().by_uid();
    let stage_of = |place: Option<(u32, u16)>| place.map(|(_, stage)| stage);
    let shared = miners.iter().find(|n| {
        n.role == Role::Miner && miners.iter().filter(|other| stage_of(other.place) == stage_of(n.place)).count() > 1
    });
    let name = shared.expect("four miners share two stages").name.clone();
    subnet.kill(&name).expect("it runs");
    assert!(subnet.kill(&name).is_err(), "it does not run any more");
    let report = on_to_the_end(subnet).await;
    assert!(report.held(), "{report}");
    let killed: Vec<_> = report.neurons.iter().filter(|n| n.killed).map(|n| &n.name).collect();
    assert_eq!(killed, [&name]);
}

/// Judged within roundings: one of the miners has other arithmetic and is paid like the rest, one has less of it and is convicted.
#[tokio::test(flavor = "multi_thread")]
async fn a_tolerance_tells_other_arithmetic_from_less_of_it() {
    let _alone = ALONE.lock().await;
    let cast = ["--miners", "6", "--stages", "2", "--validators", "3", "--adversary", "foreign:2,rounded:1"];
    let rest = ["--tolerance", "--tempo", "30", "--block-time", "150ms", "--port", "0", "--ci"];
    let words = ["localnet", "up"].iter().chain(&cast).chain(&rest);
    let Command::Up(args) = Cli::parse_from(words).command else { panic!("up is up") };
    assert_eq!(args.check(), Ok(()));
    let mut subnet = start(&args).await;
    subnet
        .until("an epoch that a conviction decides", 2 * PATIENCE_BLOCKS, |tally| {
            tally.adversaries().all(|n| n.convicted.is_some() && n.epochs_after > 0)
        })
        .await
        .expect("who computes with fewer bits is found");
    // It was paid until then, and the others, who have less of a machine or of luck, catch up.
    subnet
        .until("everybody else has earned more", 2 * PATIENCE_BLOCKS, |tally| {
            let most = tally.adversaries().map(|n| n.emission_rao).max();
            let miners = tally.by_uid().into_iter().filter(|n| n.role == Role::Miner && !n.is_adversary());
            miners.map(|n| n.emission_rao).min() > most
        })
        .await
        .expect("who is convicted earns nothing more");
    let report = on_to_the_end(subnet).await;
    assert!(report.held(), "{report}");
    let of = |persona| report.neurons.iter().filter(move |n| n.persona == persona);
    assert_eq!((of(Persona::Foreign).count(), of(Persona::Rounded).count()), (2, 1));
    for foreign in of(Persona::Foreign) {
        assert!(foreign.audits.passed > 0 && foreign.audits.failed == 0, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_validator_is_outvoted() {
    let _alone = ALONE.lock().await;
    let mut subnet = start(&args(&[])).await;
    into_a_window(&mut subnet).await;
    subnet.kill("validator-01").expect("it runs");
    let report = on_to_the_end(subnet).await;
    assert!(report.held(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_seconds_without_a_chain_are_survived() {
    let _alone = ALONE.lock().await;
    let state = tempfile::tempdir().expect("folder");
    let mut subnet = start(&args(&["--state", state.path().to_str().expect("path")])).await;
    into_a_window(&mut subnet).await;
    let before = subnet.tally().block;
    subnet.outage(Duration::from_secs(10)).await.expect("the chain comes back");
    let report = on_to_the_end(subnet).await;
    assert!(report.held(), "{report}");
    assert!(report.blocks > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_ended_in_mid_run_goes_on_from_its_folder() {
    let _alone = ALONE.lock().await;
    let state = tempfile::tempdir().expect("folder");
    let args = args(&["--state", state.path().to_str().expect("path")]);
    let mut subnet = start(&args).await;
    // A window is merged and its audits are open; work is under way in the next.
    into_a_window(&mut subnet).await;
    let window = merged(subnet.tally());
    let before = subnet.finish(false).await.expect("the subnet stops");

    let again = start(&args).await;
    let report = on_to_the_end(again).await;
    // The summary is of this run alone: who proved its hardware to a validator before does not do so again, and the first
    // epochs pay for windows that were cut short.
    let of_both_runs = ["every honest miner proved its hardware", "every honest miner was paid"];
    let broken: Vec<_> = report.invariants.iter().filter(|i| !i.held && !of_both_runs.contains(&i.name)).collect();
    assert!(broken.is_empty(), "{report}");
    assert!(report.blocks > before.blocks, "the chain goes on: {} after {}", report.blocks, before.blocks);
    assert!(report.windows > window, "and so does training: {} windows after {window}", report.windows);
    let keys = |report: &Report| report.neurons.iter().map(|n| (n.uid, n.hotkey.clone())).collect::<Vec<_>>();
    assert_eq!(keys(&report), keys(&before), "nobody registered anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_in_memory_is_not_taken_away() {
    let _alone = ALONE.lock().await;
    let mut subnet = start(&args(&[])).await;
    let refused = subnet.outage(Duration::from_secs(1)).await.expect_err("it would be lost");
    assert!(refused.to_string().contains("--state"), "{refused}");
    assert!(subnet.kill("miner-99").is_err());
}

/// What the seed decides in one window, as anybody who reads the chain computes it.
#[derive(Debug, PartialEq, Eq)]
struct Drawn {
    beacon: [u8; 32],
    stages: Vec<Vec<Uid>>,
    owners: Vec<Vec<Uid>>,
    rankings: Vec<Vec<Uid>>,
    slices: Vec<Hash>,
}

/// Windows whose draws are compared.
const WINDOWS: u32 = 2;

async fn draws(seed: &str) -> (RunId, Vec<Drawn>) {
    let mut subnet = start(&args(&["--seed", seed])).await;
    let plan = subnet.plan().clone();
    let manifest = plan.manifest();
    let clock = BlockClock::new(manifest);
    // The beacon of a window is the round after its anchor's time: a few blocks later it is on chain.
    let known = clock.first_block(WindowId(WINDOWS)).0;
    subnet.until("the windows to compare", PATIENCE_BLOCKS, |tally| tally.block >= known).await.expect("blocks");

    let config = ConnectConfig::new([subnet.rpc_url()]).expect("url");
    let client = Client::connect(config).await.expect("connects");
    let run = posted_run(&client, subnet.netuid()).await.expect("storage").expect("the owner has posted it");
    assert_eq!(run, plan.run());
    let mut drawn = Vec::new();
    for window in (0..WINDOWS).map(WindowId) {
        let anchor = clock.anchor_block(window);
        let members = members_at(&client, subnet.netuid(), run, anchor).await.expect("storage");
        let block = clock.beacon_block(work_slot(window));
        let beacon = beacon(&client, manifest.beacon_key, block).await.expect("verifies").expect("published");
        let placement = place(manifest, window, &members, MoverDraw { beacon, anchor }).expect("a placement");
        assert!(placement.is_complete());
        let stages: Vec<_> = (0..STAGES).map(|stage| placement.uids(StageId(stage))).collect();
        let microbatches = 0..manifest.work.microbatches;
        let slice = |m| {
            let tokens = plan.tokens(window, m).expect("a slice");
            Hash::of(&tokens.ids().iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<_>>())
        };
        drawn.push(Drawn {
            beacon: beacon.0,
            owners: microbatches.clone().map(|m| owners(&beacon, window, m, &stages[0])).collect(),
            rankings: microbatches.clone().map(|m| ranking(&beacon, window, m, StageId(1), &stages[1])).collect(),
            slices: microbatches.map(slice).collect(),
            stages,
        });
    }
    subnet.finish(false).await.expect("the subnet stops");
    (run, drawn)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_draws_the_same_and_another_does_not() {
    let _alone = ALONE.lock().await;
    let first = draws("1").await;
    let all: BTreeSet<_> = first.1.iter().map(|drawn| drawn.beacon).collect();
    assert_eq!(all.len() as u32, WINDOWS, "each window has a beacon of its own");
    assert_eq!(first, draws("1").await);
    let other = draws("2").await;
    assert_ne!(first.0, other.0);
    assert!(first.1.iter().zip(&other.1).all(|(a, b)| a.beacon != b.beacon && a.slices != b.slices));
}
