//! The protocol core, many machines at once: everybody ends each window with the same weights, whatever happens between.
//!
//! No clock and no thread: a seed gives one history, and a failure names its seed.

#[cfg(test)]
mod nonsense;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod toy;

use neuron::machine::{Event, LeafTree, Misstep, Note, contradict, verify_leaf};
use neuron::manifest::{
    Arithmetic, Corpus, JudgingRules, MANIFEST_VERSION, Manifest, ModelShape, PlacementRules, PostBudget, Tokens,
    WindowSchedule, WorkRules,
};
use neuron::message::names::{BlockNumber, Hash, StageId, WindowId};
use neuron::message::transfer::Transfer;
use rand::Rng;
use sim::{CALM, ROUGH, Sim, Weather};

const MICROBATCHES: usize = 24;

fn manifest(stages: u16) -> Manifest {
    Manifest {
        version: MANIFEST_VERSION,
        genesis: Hash([1; 32]),
        netuid: 2,
        model: ModelShape { stages, boundary_width: 8, context: 128, batch: 4, engine: String::new() },
        corpus: Corpus {
            hash: Hash([3; 32]),
            bytes: 1 << 20,
            tokens: Tokens::Bytes,
            held_out_every: 16,
            chunk_tokens: 4096,
        },
        seed: Hash([4; 32]),
        start_block: BlockNumber(10),
        schedule: WindowSchedule {
            work_blocks: 12,
            commit_blocks: 3,
            exchange_blocks: 3,
            bitmap_blocks: 3,
            merge_blocks: 3,
        },
        work: WorkRules {
            microbatches: MICROBATCHES as u32,
            succession_blocks: 3,
            in_flight: 4,
            receipt_ms: 300,
            settle_ms_per_stage: 600,
            retry_ms: 50,
            queue_cost_ms: 40,
        },
        placement: PlacementRules { epoch_windows: 2, movers_per_mille: 0 },
        posts: PostBudget { tempo_blocks: 360, posts_per_tempo: 31 },
        beacon_key: Hash([5; 32]),
        optimizer: String::new(),
        arithmetic: Arithmetic::Exact,
        judging: JudgingRules::default(),
        retention_windows: 4,
    }
}

/// Runs everybody for some windows.
fn run(seed: u64, stages: u16, miners: usize, weather: Weather, windows: u32) -> Sim {
    let mut sim = Sim::new(seed, manifest(stages), miners, weather);
    sim.start_all();
    sim.run_windows(windows);
    sim
}

/// Nobody honest was blamed or accused, and no event made more work than is bounded.
fn assert_peace(sim: &Sim) {
    assert_eq!(sim.blames, [], "seed {}", sim.seed);
    assert_eq!(sim.accused, 0, "seed {}", sim.seed);
    assert!(sim.most_actions <= 64 + MICROBATCHES, "seed {}: {} actions", sim.seed, sim.most_actions);
}

/// Every stage merged something in every window.
fn assert_merged(sim: &Sim, windows: std::ops::RangeInclusive<u32>) {
    for stage in 0..sim.manifest.model.stages {
        for window in windows.clone() {
            let key = (StageId(stage), WindowId(window));
            assert!(sim.merged.contains_key(&key), "seed {}: nothing merged for {key:?}", sim.seed);
        }
    }
}

#[test]
fn a_calm_run_settles_everything_once_and_everybody_agrees() {
    let sim = run(1, 4, 12, CALM, 4);
    assert_peace(&sim);
    assert_merged(&sim, 1..=4);
    for window in 0..4 {
        assert_eq!(sim.settled_in(window), MICROBATCHES, "window {window}");
        for stage in 0..4 {
            let key = (StageId(stage), WindowId(window + 1));
            assert_eq!(sim.stood[&key].len(), 3, "{key:?}");
            assert!(sim.merged[&key] >= 2, "{key:?}: one replica may own nothing, hardly two");
        }
    }
    assert_eq!(sim.nodes.iter().map(|node| node.engine.twice).sum::<u64>(), 0);
    assert_eq!(sim.count_notes(|note| matches!(note, Note::Abandoned { .. })), 0);
}

#[test]
fn leaves_tell_the_whole_way_of_every_microbatch() {
    let sim = run(2, 3, 9, CALM, 1);
    let mut forwards = 0;
    for node in &sim.nodes {
        let records = node.leaves.get(&WindowId(0)).cloned().unwrap_or_default();
        let tree = LeafTree::new(records.clone());
        for (index, record) in records.iter().enumerate() {
            let (opened, proof) = tree.open(index as u64).unwrap();
            verify_leaf(&opened.leaf, &proof, &tree.root()).unwrap();
            let leaf = record.leaf;
            assert_eq!(leaf.forward_in.is_none(), leaf.stage == StageId(0));
            assert_eq!(leaf.backward_out.is_none(), leaf.stage == StageId(0));
            assert_eq!(leaf.forward_out.is_none(), leaf.stage == StageId(2));
            assert_eq!(leaf.backward_in.is_none(), leaf.stage == StageId(2));
            // What one neuron says went out is what the next says came in.
            let Some(out) = leaf.forward_out else { continue };
            let next = sim.nodes.iter().find(|other| other.hotkey == out.to).unwrap();
            let theirs = next.leaves[&WindowId(0)].iter().find(|other| other.leaf.forward_in == Some(out)).unwrap();
            assert_eq!(theirs.leaf.backward_out, leaf.backward_in);
            assert!(record.forward_receipt.is_some());
            forwards += 1;
        }
    }
    assert_eq!(forwards, 2 * MICROBATCHES);
}

#[test]
fn a_lone_stage_and_a_lone_replica_work_too() {
    for (stages, miners) in [(1, 1), (1, 3), (2, 2), (3, 3)] {
        let sim = run(3, stages, miners, CALM, 3);
        assert_peace(&sim);
        assert_merged(&sim, 1..=3);
        for window in 0..3 {
            assert_eq!(sim.settled_in(window), MICROBATCHES, "{stages} stages, {miners} miners, window {window}");
        }
    }
}

#[test]
fn one_seed_gives_one_history() {
    let trace = |seed| *run(seed, 3, 9, ROUGH, 2).trace.finalize().as_bytes();
    assert_eq!(trace(4), trace(4));
    assert_ne!(trace(4), trace(5));
}

#[test]
fn loss_reordering_and_duplication_do_no_harm() {
    for seed in 0..25 {
        let sim = run(seed, 3, 9, ROUGH, 3);
        assert_peace(&sim);
        assert_merged(&sim, 1..=3);
        for window in 0..3 {
            assert_eq!(sim.settled_in(window), MICROBATCHES, "seed {seed}, window {window}");
        }
    }
}

#[test]
fn replicas_that_move_between_stages_carry_on() {
    let mut moved = 0;
    for seed in 0..10 {
        let mut manifest = manifest(3);
        manifest.placement.movers_per_mille = 400;
        let mut sim = Sim::new(seed, manifest, 9, CALM);
        sim.start_all();
        sim.run_windows(6);
        assert_peace(&sim);
        assert_merged(&sim, 1..=6);
        let moves = |node: &usize| sim.stage_of(*node, WindowId(1)) != sim.stage_of(*node, WindowId(2));
        moved += (0..9).filter(moves).count();
        for window in 0..6 {
            assert_eq!(sim.settled_in(window), MICROBATCHES, "seed {seed}, window {window}");
        }
    }
    assert!(moved > 10, "only {moved} moved");
}

#[test]
fn a_silent_owner_is_succeeded() {
    for seed in 0..10 {
        let mut sim = Sim::new(seed, manifest(3), 9, CALM);
        sim.start_all();
        let silent = sim.somebody_at(0);
        sim.kill_at(1, silent);
        sim.run_windows(2);
        assert_peace(&sim);
        assert_merged(&sim, 1..=2);
        for window in 0..2 {
            assert_eq!(sim.settled_in(window), MICROBATCHES, "seed {seed}, window {window}");
        }
        let succeeded = |note: &Note| matches!(note, Note::Settled { pass, .. } if pass.attempt > 0);
        assert!(sim.count_notes(succeeded) > 0, "seed {seed}");
    }
}

#[test]
fn a_dead_or_slow_neighbour_is_passed_by() {
    for (seed, slow_ms) in (0..10).flat_map(|seed| [(seed, 1_000), (seed, 0)]) {
        let mut sim = Sim::new(seed, manifest(3), 9, CALM);
        sim.start_all();
        let neighbour = sim.somebody_at(1);
        if slow_ms == 0 {
            sim.kill_at(1, neighbour);
        }
        sim.nodes[neighbour].slow_ms = slow_ms;
        sim.run_windows(2);
        assert_peace(&sim);
        assert_merged(&sim, 1..=2);
        for window in 0..2 {
            assert_eq!(sim.settled_in(window), MICROBATCHES, "seed {seed}, {slow_ms} ms, window {window}");
        }
        assert!(sim.count_notes(|note| matches!(note, Note::Rerouted { .. })) > 0, "seed {seed}");
    }
}

#[test]
fn a_miner_killed_mid_window_comes_back_without_contradicting_itself() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed, manifest(3), 9, CALM);
        sim.start_all();
        let victim = sim.somebody_at((seed % 3) as u16);
        // Computing the same again would give something else: then a second answer would contradict the first.
        sim.nodes.iter_mut().for_each(|node| node.drifts = seed % 2 == 1);
        let start = sim.time_of(sim.first_block(1));
        let at = start + sim.rng.random_range(0..22 * sim::BLOCK_MS);
        sim.kill_at(at, victim);
        let back = at + sim.rng.random_range(1..8 * sim::BLOCK_MS);
        sim.start_at(back, victim);
        sim.run_windows(4);
        assert_peace(&sim);
        assert_merged(&sim, 1..=4);
        for window in 0..4 {
            assert_eq!(sim.settled_in(window), MICROBATCHES, "seed {seed}, window {window}");
        }
        let stage = sim.stage_of(victim, WindowId(4)).unwrap();
        assert!(sim.stood[&(stage, WindowId(4))].contains(&victim), "seed {seed}: it did not come back");
        let opened = |(node, note): &(usize, Note)| {
            *node == victim && matches!(note, Note::WindowOpened { window: WindowId(3), .. })
        };
        assert!(sim.notes.iter().any(opened), "seed {seed}: it does not work again");
    }
}

#[test]
fn kills_between_any_two_actions_break_nothing() {
    let mut kills = 0;
    for seed in 0..40 {
        let mut sim = Sim::new(seed, manifest(3), 12, Weather { crash: 4, ..ROUGH });
        sim.start_all();
        // One replica of each stage may crash, again and again; the assertions sit in the simulation.
        for stage in 0..3 {
            let node = sim.somebody_at(stage);
            sim.nodes[node].may_crash = true;
        }
        sim.nodes.iter_mut().for_each(|node| node.drifts = seed % 2 == 1);
        sim.run_windows(5);
        kills += sim.nodes.iter().map(|node| node.kills).sum::<u32>();
        assert_peace(&sim);
        assert_merged(&sim, 1..=5);
    }
    assert!(kills > 100, "{kills} kills");
}

#[test]
fn a_late_joiner_catches_up() {
    for seed in 0..10 {
        let mut sim = Sim::new(seed, manifest(3), 9, CALM);
        sim.start_all();
        let at = sim.first_block(1) + sim.rng.random_range(0..24);
        sim.run_until(sim.time_of(at));
        let joiner = sim.register(false);
        sim.start_at(sim.now + 10, joiner);
        sim.run_windows(5);
        assert_peace(&sim);
        let stage = sim.stage_of(joiner, WindowId(4)).unwrap();
        assert!(sim.stood[&(stage, WindowId(5))].contains(&joiner), "seed {seed}");
        let worked = sim.nodes[joiner].leaves.values().map(Vec::len).sum::<usize>();
        assert!(worked > 0, "seed {seed}: it did no work");
    }
}

#[test]
fn everybody_may_stop_for_a_while() {
    // All are killed in window 1 and come back in window 3; the weights of window 1 are where they left them.
    let mut sim = Sim::new(6, manifest(2), 6, CALM);
    sim.start_all();
    let (stop, go) = (sim.time_of(sim.first_block(1) + 5), sim.time_of(sim.first_block(3) + 2));
    for node in 0..6 {
        sim.kill_at(stop, node);
        sim.start_at(go, node);
    }
    sim.run_windows(5);
    assert_peace(&sim);
    assert_merged(&sim, 1..=1);
    assert_merged(&sim, 4..=5);
    let (stage, before) = (StageId(0), sim.states[&(StageId(0), WindowId(1))]);
    assert_eq!(sim.states[&(stage, WindowId(3))], before, "an empty list leaves the weights standing");
}

#[test]
fn a_stage_that_nobody_kept_starts_from_the_seed_again() {
    let mut sim = Sim::new(11, manifest(2), 6, CALM);
    sim.start_all();
    let stage = StageId(1);
    let at = sim.time_of(sim.first_block(1) + 2);
    sim.run_until(at);
    let gone: Vec<_> = (0..6).filter(|node| sim.stage_of(*node, WindowId(1)) == Some(stage)).collect();
    let back = sim.time_of(sim.first_block(7) + 1);
    for node in gone {
        sim.kill(node);
        sim.lose_disk(node);
        sim.start_at(back, node);
    }
    sim.run_windows(9);
    assert_peace(&sim);
    assert_eq!(sim.count_notes(|note| *note == Note::StageLost { stage }), 3);
    assert_eq!(sim.states[&(stage, WindowId(7))], sim.states[&(stage, WindowId(0))]);
    assert_merged(&sim, 8..=9);
}

#[test]
fn a_replica_whose_weights_differ_takes_the_majoritys() {
    let mut sim = Sim::new(7, manifest(2), 6, CALM);
    sim.start_all();
    let wrong = sim.somebody_at(1);
    sim.nodes[wrong].botches = Some(WindowId(1));
    sim.run_windows(4);
    assert_eq!(sim.count_notes(|note| matches!(note, Note::Diverged { .. })), 1);
    let last = sim.nodes[wrong].machine.as_ref().unwrap().standing().unwrap();
    assert_eq!(last.window, WindowId(4));
    assert_eq!(last.state, sim.states[&(StageId(1), WindowId(4))]);
}

#[test]
fn a_neuron_that_sends_garbage_is_named_and_passed_by() {
    let mut sim = Sim::new(8, manifest(3), 9, CALM);
    sim.start_all();
    let garbler = sim.somebody_at(1);
    sim.nodes[garbler].garbles = true;
    sim.run_windows(2);
    let hotkey = sim.nodes[garbler].hotkey;
    assert!(!sim.blames.is_empty());
    assert!(sim.blames.iter().all(|(_, peer, fault)| (*peer, *fault) == (hotkey, Misstep::BadPayload)));
    assert_merged(&sim, 1..=2);
    for window in 0..2 {
        assert_eq!(sim.settled_in(window), MICROBATCHES, "window {window}");
    }
}

#[test]
fn nonsense_from_strangers_and_members_does_no_harm() {
    for seed in 0..10 {
        let mut sim = Sim::new(seed, manifest(3), 9, CALM);
        sim.start_all();
        // A validator, who hosts nothing, and the replicas of the last stage, who start nothing, babble all the time.
        let babblers = [9, 10, sim.somebody_at(2)];
        let end = sim.time_of(sim.first_block(2));
        while sim.now < end {
            sim.run_until(sim.now + 7);
            for sender in babblers {
                let receiver = sim.rng.random_range(0..9);
                let message = nonsense::message(&mut sim, sender, receiver);
                sim.send(sender, hotkey_of(&sim, receiver), message);
            }
        }
        sim.run_windows(2);
        let honest = |peer: &keys::AccountId| !babblers.iter().any(|sender| sim.nodes[*sender].hotkey == *peer);
        assert!(!sim.blames.iter().any(|(_, peer, _)| honest(peer)), "seed {seed}");
        assert!(sim.blames.len() > 100, "seed {seed}: nothing got through");
        assert_merged(&sim, 1..=2);
        for window in 0..2 {
            assert!(sim.settled_in(window) >= MICROBATCHES - 2, "seed {seed}: {}", sim.settled_in(window));
        }
    }
}

fn hotkey_of(sim: &Sim, node: usize) -> keys::AccountId {
    sim.nodes[node].hotkey
}

#[test]
fn old_answers_and_answers_to_nothing_change_nothing() {
    let mut sim = run(9, 2, 4, CALM, 1);
    let machine = sim.nodes[0].machine.as_mut().unwrap();
    let standing = machine.standing();
    let now = neuron::message::names::Millis(sim.now);
    for event in [
        Event::Block(BlockNumber(1)),
        Event::Posts { window: WindowId(0), kind: neuron::machine::PostKind::Commits, posts: vec![] },
        Event::Members { window: WindowId(0), members: vec![] },
        Event::Beacon { slot: neuron::message::names::BeaconSlot(0), beacon: neuron::message::names::Beacon([0; 32]) },
        Event::Sealed { window: WindowId(0), upload: None },
        Event::PostFailed { payload: vec![1, 2, 3] },
        Event::MergeFailed { window: WindowId(0), stage: StageId(0) },
        Event::FetchFailed { hash: Hash([7; 32]) },
        Event::Fetched { blob: neuron::machine::Blob::Commitment, hash: Hash([7; 32]), bytes: vec![1; 999] },
    ] {
        let actions = machine.on(now, event.clone());
        let harmless = |action: &neuron::machine::Action| {
            matches!(
                action,
                neuron::machine::Action::Note(_)
                    | neuron::machine::Action::Compute(_)
                    | neuron::machine::Action::SendTransfer(_)
                    | neuron::machine::Action::Announce { .. }
            )
        };
        assert!(actions.iter().all(harmless), "{event:?}: {actions:?}");
        assert_eq!(machine.standing(), standing);
    }
}

#[test]
fn a_reroute_is_no_contradiction() {
    // Over a rough run, whatever two neurons hold of one sender's words agrees.
    let sim = run(10, 3, 9, ROUGH, 2);
    let mut heard = std::collections::BTreeMap::new();
    let records = sim.nodes.iter().flat_map(|node| node.leaves.values().flatten());
    for transfer in records.flat_map(|record| [record.leaf.forward_in, record.leaf.backward_in]).flatten() {
        let first: &mut Transfer = heard.entry(transfer.key()).or_insert(transfer);
        assert!(!contradict(first, &transfer));
    }
    assert!(heard.len() > MICROBATCHES);
}
