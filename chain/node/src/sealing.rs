//! Seals blocks, by the timer, on transactions or on demand, and carries out commands between two of them.

use std::pin::Pin;
use std::sync::Arc;

use futures::channel::oneshot;
use futures::future::pending;
use futures::{FutureExt, Stream, StreamExt};
use narrows_runtime::{BlockNumber, Hash, Runtime, opaque};
use pallet_subtensor::defaults::TEMPO_BLOCKS;
use pallet_subtensor::{NetUid, NetworksAdded, SubnetEpochIndex, Tempo};
use sc_client_api::{Backend as _, BlockBackend, HeaderBackend};
use sc_consensus::LongestChain;
use sc_consensus_manual_seal::{SealBlockParams, seal_block};
use sc_transaction_pool_api::{
    ChainEvent, InPoolTransaction, MaintainedTransactionPool, TransactionPool, TransactionSource,
};
use sp_runtime::traits::{BlakeTwo256, Hash as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::beacon::Beacon;
use crate::control::{Command, ControlError, Pace, Sealing, SnapshotId};
use crate::due::{ChainTime, Due, ReadError, read};
use crate::dump;
use crate::history;
use crate::service::{Backend, Client, Keeping, Pool};
use crate::shield::Shield;

/// Blocks beyond the tempo within which an epoch that is due must have run: as many as other subnets may put it off.
const EPOCH_GRACE_BLOCKS: u32 = 1_024;

/// The tip of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedBlock {
    /// Its height.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: [u8; 32],
}

/// Transactions as the pool takes them in.
type Arrivals = Pin<Box<dyn Stream<Item = Hash> + Send>>;

/// Seals blocks.
pub(crate) struct Sealer {
    // Goes before the backend, whose end says that the store is closed.
    pub(crate) keeping: Keeping,
    pub(crate) client: Arc<Client>,
    pub(crate) backend: Arc<Backend>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) proposer: sc_basic_authorship::ProposerFactory<Pool, Client>,
    pub(crate) beacon: Beacon,
    pub(crate) shield: Shield,
    pub(crate) time: ChainTime,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) pace: watch::Sender<Pace>,
    pub(crate) sealed: watch::Sender<SealedBlock>,
    /// Why the last try failed, if it did.
    pub(crate) failed: Option<String>,
    /// The states that were named, oldest first: a snapshot's id is its place.
    pub(crate) snapshots: Vec<SealedBlock>,
}

impl Sealer {
    /// Seal until the node's handle is gone.
    pub(crate) async fn run(mut self) {
        let mut pace = *self.pace.borrow();
        let mut timer = timer(pace);
        let mut arrivals = self.arrivals(pace);
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => {
                    let Some(command) = command else { return };
                    self.carry_out(command).await;
                    let now = *self.pace.borrow();
                    if now != pace {
                        pace = now;
                        timer = self::timer(pace);
                        arrivals = self.arrivals(pace);
                        // What came before somebody listened is ready all the same.
                        if arrivals.is_some() && self.pool.status().ready > 0 {
                            self.seal_or_log().await;
                        }
                    }
                }
                () = tick(&mut timer) => self.seal_or_log().await,
                () = arrival(&mut arrivals) => self.seal_or_log().await,
            }
        }
    }

    /// The transactions that blocks are sealed on, if they are.
    fn arrivals(&self, pace: Pace) -> Option<Arrivals> {
        (pace.effective() == Sealing::Instant).then(|| Box::pin(self.pool.import_notification_stream()) as Arrivals)
    }

    async fn carry_out(&mut self, command: Command) {
        // Whoever asked may be gone, so a reply that cannot be delivered is dropped.
        match command {
            Command::Pause(paused, reply) => {
                self.pace.send_modify(|pace| pace.paused = paused);
                drop(reply.send(Ok(())));
            }
            Command::BlockTime(block_time, reply) => {
                self.pace.send_modify(|pace| pace.block_time = block_time);
                drop(reply.send(Ok(())));
            }
            Command::Sealing(sealing, reply) => {
                self.pace.send_modify(|pace| pace.sealing = sealing);
                drop(reply.send(Ok(())));
            }
            Command::Advance(blocks, reply) => drop(reply.send(self.advance(blocks).await)),
            Command::AdvanceToEpoch(netuid, reply) => drop(reply.send(self.advance_to_epoch(netuid).await)),
            Command::Snapshot(reply) => drop(reply.send(self.snapshot())),
            Command::Revert(snapshot, reply) => drop(reply.send(self.revert(snapshot).await)),
            Command::Dump(path, reply) => {
                let written = dump::write(&*self.keeping.store, &path);
                drop(reply.send(written.map(|()| self.tip()).map_err(Into::into)));
            }
        }
    }

    fn tip(&self) -> SealedBlock {
        let info = self.client.info();
        SealedBlock { number: info.best_number, hash: info.best_hash.0 }
    }

    async fn advance(&mut self, blocks: u32) -> Result<SealedBlock, ControlError> {
        for _ in 0..blocks {
            self.seal_for_command().await?;
        }
        Ok(self.tip())
    }

    async fn advance_to_epoch(&mut self, netuid: u16) -> Result<SealedBlock, ControlError> {
        let id = NetUid(netuid);
        let exists = self.look("SubtensorModule.NetworksAdded", NetworksAdded::<Runtime>::hashed_key_for(id))?;
        let tempo = self.look("SubtensorModule.Tempo", Tempo::<Runtime>::hashed_key_for(id))?;
        let tempo: u16 = tempo.unwrap_or(TEMPO_BLOCKS);
        if exists != Some(true) || id.is_root() || tempo == 0 {
            return Err(ControlError::NoEpochs { netuid });
        }
        let epoch = |sealer: &Self| -> Result<u64, ControlError> {
            let key = SubnetEpochIndex::<Runtime>::hashed_key_for(id);
            Ok(sealer.look("SubtensorModule.SubnetEpochIndex", key)?.unwrap_or_default())
        };
        let before = epoch(self)?;
        let blocks = u32::from(tempo) + EPOCH_GRACE_BLOCKS;
        for _ in 0..blocks {
            self.seal_for_command().await?;
            if epoch(self)? != before {
                return Ok(self.tip());
            }
        }
        Err(ControlError::EpochMissed { netuid, blocks })
    }

    /// One storage value at the tip.
    fn look<T: codec::Decode>(&self, item: &'static str, key: Vec<u8>) -> Result<Option<T>, ControlError> {
        let tip = self.client.info();
        read(&self.client, tip.best_hash, item, key)
            .map_err(|error| ControlError::NotSealed { number: tip.best_number + 1, reason: error.to_string() })
    }

    fn snapshot(&mut self) -> Result<SnapshotId, ControlError> {
        if self.keeping.kept_blocks.is_some() {
            return Err(ControlError::Pruned);
        }
        let id = self.snapshot_count();
        self.snapshots.push(self.tip());
        Ok(SnapshotId(id))
    }

    fn snapshot_count(&self) -> u32 {
        u32::try_from(self.snapshots.len()).unwrap_or(u32::MAX)
    }

    async fn revert(&mut self, SnapshotId(id): SnapshotId) -> Result<SealedBlock, ControlError> {
        let no_snapshot = ControlError::NoSnapshot { id, count: self.snapshot_count() };
        let place = id as usize;
        let wanted = *self.snapshots.get(place).ok_or(no_snapshot)?;
        let blocks = self.tip().number.saturating_sub(wanted.number);
        let reverted = self.backend.revert(blocks, true);
        let reached = self.tip();
        self.sealed.send_replace(reached);
        if reached != wanted {
            let reason = reverted.err().map_or_else(|| "older states are gone".into(), |error| error.to_string());
            return Err(ControlError::NotReverted { reached: reached.number, wanted: wanted.number, reason });
        }
        self.snapshots.truncate(place + 1);
        self.shield.forget();
        self.empty_pool().await;
        // It would look for the way from its last block, which is gone, to the next one, and not see what that includes.
        self.tell_pool(reached.hash.into()).await;
        Ok(reached)
    }

    /// Drop what waits in the pool: it was checked against a state that is gone.
    async fn empty_pool(&self) {
        let ready = self.pool.ready().map(|transaction| *transaction.hash());
        let waiting = self.pool.futures().into_iter().map(|transaction| *transaction.hash());
        let all = ready.collect::<Vec<_>>().into_iter().chain(waiting).map(|hash| (hash, None)).collect();
        self.pool.report_invalid(None, all).await;
    }

    /// Tells the pool of the chain's tip: what it includes is no longer offered for the next block.
    async fn tell_pool(&self, hash: Hash) {
        self.pool.maintain(ChainEvent::NewBestBlock { hash, tree_route: None }).await;
        self.pool.maintain(ChainEvent::Finalized { hash, tree_route: Arc::new([]) }).await;
    }

    async fn seal_for_command(&mut self) -> Result<(), ControlError> {
        let number = self.client.info().best_number + 1;
        self.seal().await.map_err(|error| ControlError::NotSealed { number, reason: error.to_string() })
    }

    async fn seal_or_log(&mut self) {
        // The next time tries again on the same parent, and says again only what is new.
        let failed = self.seal().await.err().map(|error| error.to_string());
        if let Some(error) = failed.as_ref().filter(|_| failed != self.failed) {
            tracing::error!(%error, "no block was sealed");
        }
        self.failed = failed;
    }

    async fn seal(&mut self) -> Result<(), SealError> {
        if let Some(reason) = self.keeping.store.failure() {
            return Err(SealError::Unkept(reason.to_owned()));
        }
        let parent = self.client.info().best_hash;
        self.open_shielded(parent).await;
        let block_time = self.pace.borrow().block_time;
        let due = Due::after(&self.client, parent, self.time, block_time, &self.beacon)?;
        let (reply, sealed) = oneshot::channel();
        seal_block(SealBlockParams {
            create_empty: true,
            finalize: true,
            parent_hash: Some(parent),
            sender: Some(reply),
            pool: self.pool.clone(),
            client: self.client.clone(),
            env: &mut self.proposer,
            select_chain: &LongestChain::new(self.backend.clone()),
            consensus_data_provider: None,
            block_import: &mut self.client.clone(),
            create_inherent_data_providers: &due,
        })
        .await;
        let block = sealed.await.map_err(|_| SealError::NoReply)??.hash;
        self.tell_pool(block).await;
        self.open_late(block).await;
        let tip = self.tip();
        if let Some(kept_blocks) = self.keeping.kept_blocks {
            history::forget(&*self.keeping.store, tip.number, kept_blocks)?;
        }
        self.sealed.send_replace(tip);
        Ok(())
    }

    /// Puts the transactions inside the carriers that are ready behind them.
    async fn open_shielded(&mut self, parent: Hash) {
        let ready: Vec<_> = self.pool.ready().collect();
        let carriers = ready.iter().map(|transaction| (*transaction.hash(), &**transaction.data()));
        let inner = self.shield.open(carriers);
        self.submit_opened(parent, inner).await;
    }

    /// Does the same for carriers that arrived while `block` was begun: what they hold comes in the next one.
    async fn open_late(&self, block: Hash) {
        // Without its body, nothing is known to have come late.
        let Ok(Some(body)) = self.client.block_body(block) else { return };
        let inner = self.shield.open_late(body.iter().map(|included| (BlakeTwo256::hash_of(included), included)));
        self.submit_opened(block, inner).await;
    }

    /// What the pool refuses is its sender's loss, who sees that it never came.
    async fn submit_opened(&self, at: Hash, inner: Vec<opaque::UncheckedExtrinsic>) {
        for inner in inner {
            if let Err(error) = self.pool.submit_one(at, TransactionSource::Local, inner).await {
                tracing::debug!(%error, "what a carrier held was refused");
            }
        }
    }
}

/// Fires at the interval, if blocks are sealed by it.
fn timer(pace: Pace) -> Option<Interval> {
    (pace.effective() == Sealing::Interval).then(|| {
        let mut timer = interval(pace.block_time);
        // After a late block the next one comes at its own time, not in a burst.
        timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // Not at once, but after the first block time.
        timer.reset();
        timer
    })
}

async fn tick(timer: &mut Option<Interval>) {
    match timer {
        Some(timer) => drop(timer.tick().await),
        None => pending().await,
    }
}

/// Waits for a transaction, and takes those that came with it: one block serves them all.
async fn arrival(arrivals: &mut Option<Arrivals>) {
    let Some(arrivals) = arrivals else { return pending().await };
    if arrivals.next().await.is_none() {
        // The pool is gone; so is the node, soon.
        return pending().await;
    }
    while let Some(Some(_)) = arrivals.next().now_or_never() {}
}

/// Why a block was not sealed.
#[derive(Debug, thiserror::Error)]
enum SealError {
    #[error(transparent)]
    Seal(#[from] sc_consensus_manual_seal::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(
        "the chain cannot be kept: {0}; see to it (make room, if it is that) and start again: it goes on from its last block"
    )]
    Unkept(String),
    #[error("old headers stay: {0}")]
    Forget(#[from] sp_database::error::DatabaseError),
    #[error("sealing ended without a reply")]
    NoReply,
}
