//! Miners that train over peers: real chain, real sockets on loopback, real engine; nothing is simulated.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's own tools fail loudly")]

#[path = "windows/comes_out.rs"]
mod comes_out;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chain::{Argument, Call, Client, CommitmentData, ConnectConfig, Netuid, Rao};
use engine::{Bottleneck, ModelConfig, OptimizerConfig, WholeModel};
use keys::Keypair;
use narrows_node::{DevNode, DevNodeConfig};
use neuron::corpus::Material;
use neuron::events::{Event, EventSink};
use neuron::manifest::{
    Arithmetic, Corpus, JudgingRules, MANIFEST_VERSION, Manifest, ModelShape, PlacementRules, PostBudget, Tokens,
    WindowSchedule, WorkRules,
};
use neuron::message::names::{BlockNumber, Hash};
use neuron::message::run::RunPost;
use neuron::message::signed::Network;
use neuron::net::{AxonProtocol, NetConfig};
use neuron::shell::{self, NeuronConfig, PresenceConfig, RunError, RunSource, WorkConfig};
use neuron::store::BlobLimits;
use neuron::worker::RunPlan;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const BLOCK_TIME: Duration = Duration::from_millis(250);
/// Only keeps a broken test from hanging.
const PATIENCE: Duration = Duration::from_secs(240);
const BLOBS: BlobLimits = BlobLimits { max_blob_bytes: 1 << 24, max_total_bytes: 1 << 30 };
const STAGES: u16 = 2;
/// The window at whose start everybody is asked what it stands on.
const LAST_WINDOW: u32 = 5;

fn key(name: &str) -> Keypair {
    Keypair::from_uri(&format!("//{name}")).unwrap()
}

/// Text with something to learn in it.
fn corpus() -> Vec<u8> {
    let words = ["stage ", "window ", "beacon ", "leaf ", "cut ", "merge ", "audit ", "peer "];
    let mut state = 1u32;
    let mut text = Vec::new();
    while text.len() < 160_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend(words[(state >> 28) as usize % words.len()].as_bytes());
    }
    text
}

fn model() -> ModelConfig {
    ModelConfig {
        vocab: 256,
        d_model: 16,
        heads: 2,
        ffn: 32,
        context: 16,
        layers_per_stage: vec![1; usize::from(STAGES)],
        bottleneck: Bottleneck::AnchorRes { r: 4, hidden: 8 },
        rope_base: 10_000,
        kv_heads: None,
    }
}

/// A chain with a subnet and its owner, and `miners` registered hotkeys.
struct World {
    node: DevNode,
    client: Client,
    netuid: Netuid,
}

impl World {
    async fn new(miners: &[&str]) -> Self {
        let alice = key("Alice");
        let endowed = vec![(alice.account_id().0, 1_000_000 * Rao::PER_TAO)];
        let mut config = DevNodeConfig::new(alice.account_id().0, endowed, [5; 32]);
        (config.block_time, config.port) = (BLOCK_TIME, Some(0));
        let node = DevNode::start(config).await.unwrap();
        let client = Client::connect(ConnectConfig::new([node.rpc_url()]).unwrap()).await.unwrap();
        let created = client.submit(&alice, &Call::register_network(key("Owner").account_id())).await.unwrap();
        let netuid = created.events.iter().find_map(|event| match event {
            chain::Event::NetworkAdded { netuid, .. } => Some(*netuid),
            _ => None,
        });
        let netuid = netuid.unwrap();
        let of_subnet = |name: &str, argument: &str, value: Argument| {
            Call::admin(name, [("netuid", netuid.into()), (argument, value)])
        };
        let rules = vec![
            of_subnet("sudo_set_tempo", "tempo", 360_u16.into()),
            of_subnet("sudo_set_max_registrations_per_block", "max_registrations_per_block", 16_u16.into()),
            of_subnet(
                "sudo_set_target_registrations_per_interval",
                "target_registrations_per_interval",
                256_u16.into(),
            ),
            of_subnet("sudo_set_serving_rate_limit", "serving_rate_limit", 0_u64.into()),
        ];
        client.submit(&alice, &Call::sudo(Call::batch_all(rules))).await.unwrap();
        client.submit(&alice, &Call::start_call(netuid)).await.unwrap();
        let register = miners.iter().map(|name| Call::burned_register(netuid, key(name).account_id()));
        client.submit(&alice, &Call::batch_all(register)).await.unwrap();
        Self { node, client, netuid }
    }

    async fn manifest(&self, corpus: &[u8], start_in: u64) -> Manifest {
        let state = self.client.latest().await.unwrap();
        let beacon = state.beacon_config().await.unwrap();
        Manifest {
            version: MANIFEST_VERSION,
            genesis: Hash(self.client.genesis_hash().0),
            netuid: self.netuid.0,
            model: ModelShape {
                stages: STAGES,
                boundary_width: 4,
                context: 16,
                batch: 8,
                engine: serde_json::to_string(&model()).unwrap(),
            },
            corpus: Corpus {
                hash: Hash::of(corpus),
                bytes: corpus.len() as u64,
                tokens: Tokens::Bytes,
                held_out_every: engine::data::HELD_OUT_EVERY as u32,
                chunk_tokens: engine::data::CHUNK_TOKENS as u32,
            },
            seed: Hash([4; 32]),
            start_block: BlockNumber(state.number().0 + start_in),
            schedule: WindowSchedule {
                work_blocks: 10,
                commit_blocks: 4,
                exchange_blocks: 3,
                bitmap_blocks: 4,
                merge_blocks: 3,
            },
            work: WorkRules {
                microbatches: 16,
                succession_blocks: 5,
                in_flight: 4,
                receipt_ms: 1000,
                settle_ms_per_stage: 2000,
                retry_ms: 200,
                queue_cost_ms: 50,
            },
            placement: PlacementRules { epoch_windows: 4, movers_per_mille: 0 },
            posts: PostBudget { tempo_blocks: 360, posts_per_tempo: 31 },
            beacon_key: Hash::of(&beacon.public_key),
            optimizer: serde_json::to_string(&OptimizerConfig::default()).unwrap(),
            arithmetic: Arithmetic::Exact,
            judging: JudgingRules::default(),
            retention_windows: 4,
        }
    }

    async fn miner(&self, name: &'static str, home: &Path, source: RunSource, heard: &Heard) -> Miner {
        let client = Client::connect(ConnectConfig::new([self.node.rpc_url()]).unwrap()).await.unwrap();
        let network = Network { genesis: self.client.genesis_hash().0, netuid: self.netuid.0 };
        let mut net = NetConfig::new(blake3::derive_key("test identity", name.as_bytes()), key(name), network);
        (net.listen_ip, net.allow_loopback) = (Ipv4Addr::LOCALHOST.into(), true);
        let events = EventSink::new(4096);
        heard.listen(name, events.listen());
        let presence = PresenceConfig {
            client,
            netuid: self.netuid,
            net,
            external_ip: None,
            served_protocol: AxonProtocol::Tcp,
            refresh_blocks: 2,
            events,
        };
        let (state, stop) = (home.join(name), CancellationToken::new());
        let config = NeuronConfig { presence, state, blobs: BLOBS, work: Some(WorkConfig::honest(source)) };
        Miner { name, task: tokio::spawn(shell::run(config, stop.clone())), stop }
    }
}

struct Miner {
    name: &'static str,
    task: JoinHandle<Result<(), RunError>>,
    stop: CancellationToken,
}

impl Miner {
    async fn ended(self) {
        self.stop.cancel();
        self.task.await.unwrap().expect("a miner stops because it is told to");
    }
}

/// All miners' events in one queue.
struct Heard(mpsc::Sender<(&'static str, Event)>);

impl Heard {
    fn listen(&self, name: &'static str, mut events: broadcast::Receiver<Event>) {
        let all = self.0.clone();
        tokio::spawn(async move {
            while let Ok(event) = events.recv().await {
                if all.send((name, event)).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// What was seen.
#[derive(Default)]
struct Seen {
    /// (stage, window) → name of the weights → who stands on them; and the blob.
    stood: BTreeMap<(u16, u32), BTreeMap<Hash, BTreeSet<&'static str>>>,
    merged: BTreeMap<(u16, u32), u16>,
    /// Where each miner worked last.
    stages: BTreeMap<&'static str, u16>,
    settled: BTreeMap<u32, BTreeSet<u32>>,
    losses: BTreeMap<u32, Vec<f64>>,
    sat_out: BTreeSet<(&'static str, u32)>,
    faults: Vec<(&'static str, Event)>,
}

impl Seen {
    fn take(&mut self, name: &'static str, event: Event) {
        match event {
            Event::Standing { window, stage, theta, merged, .. } => {
                self.stood.entry((stage, window)).or_default().entry(theta).or_default().insert(name);
                let most = self.merged.entry((stage, window)).or_default();
                *most = merged.max(*most);
            }
            Event::WindowOpened { stage, .. } => drop(self.stages.insert(name, stage)),
            // Back in the first stage: there and only there is a microbatch done.
            Event::PassSettled { window, microbatch, .. } if self.stages.get(name) == Some(&0) => {
                self.settled.entry(window).or_default().insert(microbatch);
            }
            Event::Loss { window, nats, .. } => self.losses.entry(window).or_default().push(nats),
            Event::WindowNote { window, note } if note.starts_with("SittingOut") => {
                self.sat_out.insert((name, window));
            }
            Event::Blamed { .. } | Event::Accused { .. } => self.faults.push((name, event)),
            _ => {}
        }
    }

    /// How many neurons are known to stand at the start of a window.
    fn standing_at(&self, window: u32) -> usize {
        (0..STAGES).filter_map(|stage| self.stood.get(&(stage, window))).flat_map(BTreeMap::values).flatten().count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn miners_train_one_model_while_one_joins_and_one_restarts() {
    let _ = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).try_init();
    let first = ["Miner0", "Miner1", "Miner2", "Miner3"];
    let newcomer = "Miner4";
    let world = World::new(&[first.as_slice(), &[newcomer]].concat()).await;
    let home = tempfile::tempdir().unwrap();
    let corpus = corpus();
    let material = Material::in_memory(corpus.clone());
    comes_out::nothing_before_there_is_a_run(&world, home.path(), &corpus).await;
    let plan = Arc::new(RunPlan::new(world.manifest(&corpus, 24).await, &material).unwrap());
    let post = RunPost { run: plan.run() }.to_payload().to_vec();
    let post = Call::set_commitment(world.netuid, &[CommitmentData::Raw(post)]);
    world.client.submit(&key("Owner"), &post).await.unwrap();

    let (sender, mut events) = mpsc::channel(16 * 1024);
    let heard = Heard(sender);
    let mut miners = Vec::new();
    for name in first {
        miners.push(world.miner(name, home.path(), RunSource::Plan(plan.clone()), &heard).await);
    }
    let mut seen = Seen::default();
    let mut has_restarted = false;
    let trained = timeout(PATIENCE, async {
        while seen.standing_at(LAST_WINDOW) < first.len() + 1 {
            let (name, event) = events.recv().await.expect("miners run");
            if matches!(event, Event::WindowOpened { window: 2, .. }) && name == first[1] && !has_restarted {
                // In the middle of its work: it may not sign anything more in this window, and goes on in the next.
                has_restarted = true;
                miners.remove(1).ended().await;
                miners.push(world.miner(name, home.path(), RunSource::Plan(plan.clone()), &heard).await);
            }
            if matches!(event, Event::WindowOpened { window: 1, .. }) && miners.len() == first.len() {
                // It knows the chain and the corpus; the run it finds there, the manifest and the weights with peers.
                let source = RunSource::Corpus { manifest: None, corpus: material.clone() };
                miners.push(world.miner(newcomer, home.path(), source, &heard).await);
            }
            seen.take(name, event);
        }
    });
    let in_time = trained.await;
    let mut model = None;
    if in_time.is_ok() {
        model = Some(
            comes_out::to_somebody_who_hosts_nothing(&world, home.path(), plan.run(), &mut seen, &mut events).await,
        );
        let (first_stage, last_stage) = miners.into_iter().partition(|miner| seen.stages[miner.name] == 0);
        miners = first_stage;
        for miner in last_stage {
            miner.ended().await;
        }
        comes_out::not_without_a_stage(&world, plan.run()).await;
        comes_out::no_miner_without_memory(&world, home.path(), &corpus, plan.manifest()).await;
    }
    for miner in miners {
        miner.ended().await;
    }
    let picture = || {
        format!("stood {:#?}\nmerged {:?}\nlosses {:?}\nfaults {:?}", seen.stood, seen.merged, seen.losses, seen.faults)
    };
    assert!(in_time.is_ok(), "not all stand at window {LAST_WINDOW} in time: {}", picture());

    for (place, states) in &seen.stood {
        assert_eq!(states.len(), 1, "replicas of {place:?} differ: {}", picture());
    }
    assert!(seen.faults.is_empty(), "{}", picture());
    assert!(has_restarted && seen.sat_out == BTreeSet::from([(first[1], 2)]), "{:?}", seen.sat_out);
    // Every window was worked and merged: somebody's gradients moved the weights of each stage, each time.
    for window in 1..=LAST_WINDOW {
        for stage in 0..STAGES {
            assert!(seen.merged[&(stage, window)] > 0, "{}", picture());
        }
    }
    let settled: Vec<_> = (0..LAST_WINDOW).map(|window| seen.settled[&window].len()).collect();
    assert!(settled.iter().all(|count| *count >= 12), "of 16 microbatches, so many came back: {settled:?}");

    let untrained = WholeModel::initial(plan.model(), &plan.manifest().seed.0).unwrap();
    let loss = |model: &WholeModel| model.evaluate(plan.corpus().held_out(), 4096).unwrap().loss();
    let losses = [loss(&untrained), loss(&model.expect("it was exported"))];
    eprintln!("held-out nats per byte before and after: {losses:?}; settled {settled:?}");
    assert!(losses[1] < losses[0] - 0.1, "{losses:?}");
    world.node.shutdown().await.unwrap();
}
