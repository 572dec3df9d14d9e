//! A subnet from its creation to revealed weights.

use chain::timelocked::{Randomness, seal_weights};
use chain::{
    Argument, AxonEndpoint, BlockNumber, Call, CommitmentData, Failure, Netuid, PostedCommitment, Rao, Uid, weights,
};
use keys::Keypair;

use crate::{World, alice, key};

/// Blocks between epochs: long enough (five seconds) to see a reveal refused as too early on a busy machine.
const TEMPO_BLOCKS: u16 = 100;

struct Subnet {
    world: World,
    netuid: Netuid,
    miner: Keypair,
    validator: Keypair,
}

impl Subnet {
    /// A started subnet of Alice with a miner and a validator, whose hotkeys hold no money.
    async fn new() -> Self {
        let world = World::new().await;
        let (owner, miner, validator) = (key("OwnerHotkey"), key("Miner"), key("Validator"));
        let created =
            world.client.submit(&alice(), &Call::register_network(owner.account_id())).await.expect("a subnet");
        let netuid = created.events.iter().find_map(|event| match event {
            chain::Event::NetworkAdded { netuid } => Some(*netuid),
            _ => None,
        });
        let netuid = netuid.expect("an event names the subnet");
        world.client.submit(&alice(), &Call::start_call(netuid)).await.expect("a start");
        let subnet = Self { world, netuid, miner, validator };
        subnet.admin("sudo_set_tempo", "tempo", TEMPO_BLOCKS.into()).await;
        subnet.admin("sudo_set_weights_set_rate_limit", "weights_set_rate_limit", 0_u64.into()).await;
        subnet.admin("sudo_set_serving_rate_limit", "serving_rate_limit", 0_u64.into()).await;
        for hotkey in [&subnet.miner, &subnet.validator] {
            subnet.submit(&alice(), Call::burned_register(netuid, hotkey.account_id())).await;
        }
        subnet
    }

    async fn submit(&self, signer: &Keypair, call: Call) -> chain::Submitted {
        self.world.client.submit(signer, &call).await.expect("takes effect")
    }

    async fn refused(&self, signer: &Keypair, call: Call) -> Failure {
        self.world.client.submit(signer, &call).await.expect_err("is refused").failure()
    }

    async fn admin(&self, name: &str, argument: &str, value: Argument) {
        let call = Call::admin(name, [("netuid", self.netuid.into()), (argument, value)]);
        self.submit(&alice(), Call::sudo(call)).await;
    }

    async fn state(&self) -> chain::Snapshot {
        self.world.client.latest().await.expect("a snapshot")
    }

    /// Wait until the subnet's epoch index has grown by `epochs`, each at the block that the schedule said.
    async fn epochs(&self, epochs: u64) {
        let mut blocks = self.world.client.blocks().await.expect("blocks");
        let mut schedule = self.state().await.epoch_schedule(self.netuid).await.expect("a schedule");
        let until = schedule.index + epochs;
        while schedule.index < until {
            let block = blocks.next().await.expect("a block");
            let state = self.world.client.at(block.hash).await.expect("its state");
            let now = state.epoch_schedule(self.netuid).await.expect("a schedule");
            if now.index > schedule.index {
                assert_eq!((now.index, now.last), (schedule.index + 1, schedule.next));
                assert_eq!(now.next.0, now.last.0 + u64::from(TEMPO_BLOCKS));
            }
            schedule = now;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metagraph_shows_who_registered_and_served() {
    let subnet = Subnet::new().await;
    let (netuid, miner) = (subnet.netuid, subnet.miner.account_id());
    assert_eq!(subnet.refused(&alice(), Call::burned_register(netuid, miner)).await, Failure::AlreadyRegistered);
    let nowhere = Call::burned_register(Netuid(99), miner);
    assert_eq!(subnet.refused(&alice(), nowhere).await, Failure::SubnetNotFound);

    let axon = AxonEndpoint { address: "127.0.0.1:4321".parse().expect("an address"), version: 7, protocol: 4 };
    let served = subnet.submit(&subnet.miner, Call::serve_axon(netuid, axon)).await;
    assert!(served.events.contains(&chain::Event::AxonServed { netuid, hotkey: miner }));

    let state = subnet.state().await;
    assert!(state.subnets().await.expect("subnets").contains(&netuid));
    assert!(
        state.subnet_exists(netuid).await.expect("a read") && !state.subnet_exists(Netuid(99)).await.expect("a read")
    );
    let metagraph = state.metagraph(netuid).await.expect("a metagraph");
    assert_eq!((metagraph.n(), metagraph.tempo), (3, TEMPO_BLOCKS));
    assert_eq!(metagraph.owner, alice().account_id());
    assert_eq!(metagraph.owner_hotkey, key("OwnerHotkey").account_id());
    let neuron = metagraph.by_hotkey(&miner).expect("the miner");
    assert_eq!(state.uid(netuid, miner).await.expect("a read"), Some(neuron.uid));
    assert_eq!((neuron.coldkey, neuron.alpha_stake), (alice().account_id(), Rao(0)));
    let found = neuron.axon.expect("an axon");
    assert_eq!((found.address(), found.version, found.served_at), (axon.address, 7, served.number));
    assert!(neuron.block_at_registration.0 > 0 && neuron.block_at_registration < served.number);
    let validator = metagraph.by_hotkey(&subnet.validator.account_id()).expect("the validator");
    assert!(validator.axon.is_none() && !validator.validator_permit);

    let rules = state.hyperparameters(netuid).await.expect("hyperparameters");
    assert_eq!((rules.tempo, rules.weights_rate_limit, rules.serving_rate_limit), (TEMPO_BLOCKS, 0, 0));
    let burn = state.burn_price(netuid).await.expect("a price");
    assert_eq!(rules.burn, burn);
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_committed_and_revealed_in_their_epoch() {
    let subnet = Subnet::new().await;
    let (netuid, validator) = (subnet.netuid, subnet.validator.account_id());
    subnet.admin("sudo_set_commit_reveal_weights_enabled", "enabled", true.into()).await;
    let staked = subnet.submit(&alice(), Call::add_stake(validator, netuid, Rao::from_tao(50))).await;
    let bought = staked.events.iter().find_map(|event| match event {
        chain::Event::StakeAdded { hotkey, alpha, .. } if *hotkey == validator => Some(*alpha),
        _ => None,
    });
    let bought = bought.expect("an event names the stake");
    let state = subnet.world.client.at(staked.block).await.expect("the block");
    assert_eq!(state.hotkey_stake(validator, netuid).await.expect("a stake"), bought);
    subnet.epochs(1).await;
    let metagraph = subnet.state().await.metagraph(netuid).await.expect("a metagraph");
    let own = metagraph.by_hotkey(&validator).expect("the validator").clone();
    assert!(own.validator_permit && own.stake >= bought);

    let miner = metagraph.by_hotkey(&subnet.miner.account_id()).expect("the miner").uid;
    let vector = weights::from_scores(&[(miner, 0.5), (Uid(0), 0.25)], 1).expect("weights");
    let (salt, version_key) = ([1, 2, 3, 4, 5, 6, 7, 8], 0);
    let plainly = Call::set_weights(netuid, &vector.uids, &vector.values, version_key);
    assert_eq!(subnet.refused(&subnet.validator, plainly.clone()).await, Failure::CommitRevealEnabled);
    let reveal = Call::reveal_weights(netuid, &vector.uids, &vector.values, &salt, version_key);
    assert_eq!(subnet.refused(&subnet.validator, reveal.clone()).await, Failure::NoWeightsCommitFound);

    let hash = weights::commit_hash(validator, netuid, 0, &vector, &salt, version_key);
    // Just after an epoch, so that an early reveal is not overtaken by the next one.
    subnet.epochs(1).await;
    let committed = subnet.submit(&subnet.validator, Call::commit_weights(netuid, hash)).await;
    let pending =
        subnet.world.client.at(committed.block).await.expect("the block").pending_weight_commits(netuid, 0).await;
    let pending = pending.expect("commits")[&validator].clone();
    assert_eq!((pending.len(), pending[0].hash, pending[0].block), (1, hash, committed.number));
    assert_eq!(pending[0].reveal_epoch, pending[0].epoch + 1);
    assert_eq!(subnet.refused(&subnet.validator, reveal.clone()).await, Failure::RevealTooEarly);

    subnet.epochs(1).await;
    let other = Call::reveal_weights(netuid, &vector.uids, &vector.values, &[0; 8], version_key);
    assert_eq!(subnet.refused(&subnet.validator, other).await, Failure::RevealMismatch);
    let revealed = subnet.submit(&subnet.validator, reveal).await;
    let state = subnet.world.client.at(revealed.block).await.expect("the block");
    let rows = state.weights(netuid, 0).await.expect("weights");
    let expected: Vec<_> = vector.uids.iter().copied().zip(vector.values).collect();
    assert_eq!(rows.get(&own.uid), Some(&expected));
    assert!(state.pending_weight_commits(netuid, 0).await.expect("commits").is_empty());

    subnet.admin("sudo_set_commit_reveal_weights_enabled", "enabled", false.into()).await;
    subnet.submit(&subnet.validator, plainly).await;
    subnet.epochs(1).await;
    let state = subnet.state().await;
    assert!(state.bonds(netuid, 0).await.expect("bonds").contains_key(&own.uid));
    let metagraph = state.metagraph(netuid).await.expect("a metagraph");
    assert!(metagraph.neuron(miner).expect("the miner").incentive > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_weights_open_without_anybody_coming_back() {
    let subnet = Subnet::new().await;
    let (netuid, validator) = (subnet.netuid, subnet.validator.account_id());
    subnet.admin("sudo_set_commit_reveal_weights_enabled", "enabled", true.into()).await;
    subnet.submit(&alice(), Call::add_stake(validator, netuid, Rao::from_tao(50))).await;
    // A permit, and a whole epoch ahead.
    subnet.epochs(1).await;
    let state = subnet.state().await;
    let metagraph = state.metagraph(netuid).await.expect("a metagraph");
    let uid = |hotkey| metagraph.by_hotkey(&hotkey).expect("registered").uid;
    let vector = weights::from_scores(&[(uid(subnet.miner.account_id()), 1.0), (Uid(0), 0.5)], 1).expect("weights");

    let beacon = state.beacon_config().await.expect("a beacon");
    let round = state.reveal_round(netuid, &beacon).await.expect("a round");
    let randomness = Randomness { key: [1; 32], sigma: [2; 32], nonce: [3; 12] };
    let sealed = seal_weights(&beacon, round, validator, &vector, 0, &randomness).expect("sealed");
    let committed = subnet.submit(&subnet.validator, Call::commit_timelocked_weights(netuid, &sealed)).await;

    let expected: Vec<_> = vector.uids.iter().copied().zip(vector.values).collect();
    let mut blocks = subnet.world.client.blocks_from(committed.number);
    let opened = loop {
        let block = blocks.next().await.expect("a block");
        let state = subnet.world.client.at(block.hash).await.expect("its state");
        if let Some(row) = state.weights(netuid, 0).await.expect("weights").get(&uid(validator)) {
            assert_eq!(row, &expected);
            break state;
        }
        assert!(block.number.0 < committed.number.0 + 2 * u64::from(TEMPO_BLOCKS), "they never opened");
    };
    let epoch = |state: chain::Snapshot| async move { state.epoch_schedule(netuid).await.expect("a schedule").index };
    let before = subnet.world.client.at(committed.block).await.expect("the block");
    assert_eq!(epoch(opened).await, epoch(before).await + 1, "in the epoch after");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_post_of_a_block_is_found_and_the_latest_is_kept() {
    let subnet = Subnet::new().await;
    let (netuid, miner, validator) = (subnet.netuid, subnet.miner.account_id(), subnet.validator.account_id());
    let post = |bytes: &[u8]| Call::set_commitment(netuid, &[CommitmentData::Raw(bytes.to_vec())]);
    assert_eq!(subnet.refused(&alice(), post(b"not a neuron")).await, Failure::NotRegistered);

    let fields = vec![CommitmentData::Raw(vec![7; 100]), CommitmentData::Raw(vec![]), CommitmentData::Raw(vec![1])];
    let first = subnet.submit(&subnet.miner, Call::set_commitment(netuid, &fields)).await;
    let batch = Call::batch_all([post(b"one"), post(b"two")]);
    subnet.world.endow(&subnet.validator, 1).await;
    let second = subnet.submit(&subnet.validator, batch).await;

    let client = &subnet.world.client;
    let at = |block| async move { client.at(block).await.expect("the block").posted_commitments().await };
    let expected = PostedCommitment { hotkey: miner, netuid, fields: fields.clone() };
    assert_eq!(at(first.block).await.expect("posts"), [expected]);
    let posts: Vec<_> =
        at(second.block).await.expect("posts").into_iter().map(|post| (post.hotkey, post.fields)).collect();
    let raw = |bytes: &[u8]| vec![CommitmentData::Raw(bytes.to_vec())];
    assert_eq!(posts, [(validator, raw(b"one")), (validator, raw(b"two"))]);

    let state = subnet.state().await;
    let latest = state.commitments(netuid).await.expect("commitments");
    assert_eq!(latest.len(), 2);
    assert_eq!((latest[&miner].block, &latest[&miner].fields), (first.number, &fields));
    assert_eq!(latest[&validator].fields, raw(b"two"));
    assert_eq!(state.commitment(netuid, validator).await.expect("a read"), Some(latest[&validator].clone()));
    assert_eq!(state.commitment(netuid, alice().account_id()).await.expect("a read"), None);
    let before = subnet.world.client.at_number(BlockNumber(first.number.0 - 1)).await.expect("the block before");
    assert!(before.posted_commitments().await.expect("posts").is_empty());
}
