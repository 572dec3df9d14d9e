//! How a running chain is steered: commands that the sealing task carries out between two blocks.

use std::path::PathBuf;
use std::time::Duration;

use futures::channel::oneshot;
use narrows_runtime::BlockNumber;
use tokio::sync::{mpsc, watch};

use crate::config::{self, BlockTimeError};
use crate::dump::DumpError;
use crate::sealing::SealedBlock;

/// The most blocks that one command may ask for. Some take a minute; more than a hundred thousand take hours, during
/// which the chain answers no other command.
pub const MAX_ADVANCE_BLOCKS: u32 = 100_000;

/// Commands that wait for the one before them.
pub(crate) const COMMANDS_WAITING: usize = 64;

/// When blocks are sealed. Whatever it is, each block's timestamp is one block time after its parent's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sealing {
    /// One per block time.
    #[default]
    Interval,
    /// One as soon as a transaction is ready, and none without.
    Instant,
    /// Only those that [`Control::advance`] asks for.
    Manual,
}

/// How blocks come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Time between blocks: on the chain always, on the wall with [`Sealing::Interval`].
    pub(crate) block_time: Duration,
    /// When they are sealed, unless paused.
    pub(crate) sealing: Sealing,
    /// Whether none are sealed but those asked for.
    pub(crate) paused: bool,
}

impl Pace {
    /// What is in force.
    pub(crate) fn effective(&self) -> Sealing {
        if self.paused { Sealing::Manual } else { self.sealing }
    }
}

/// A state of the chain that was named to come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId(pub u32);

/// Where the outcome of a command goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, ControlError>>;

/// What the sealing task is asked to do between two blocks.
pub(crate) enum Command {
    /// Stop or start sealing.
    Pause(bool, Reply<()>),
    /// Change the time between blocks.
    BlockTime(Duration, Reply<()>),
    /// Change when blocks are sealed.
    Sealing(Sealing, Reply<()>),
    /// Seal so many blocks at once.
    Advance(u32, Reply<SealedBlock>),
    /// Seal blocks until a subnet's next epoch has run.
    AdvanceToEpoch(u16, Reply<SealedBlock>),
    /// Name the present state.
    Snapshot(Reply<SnapshotId>),
    /// Go back to a named state.
    Revert(SnapshotId, Reply<SealedBlock>),
    /// Write the chain to a file.
    Dump(PathBuf, Reply<SealedBlock>),
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The node ended before it answered.
    #[error("the chain has stopped; start it again")]
    Stopped,
    /// The block time cannot be.
    #[error(transparent)]
    BlockTime(#[from] BlockTimeError),
    /// Too many blocks in one command.
    #[error("{blocks} blocks are more than one command may ask for ({MAX_ADVANCE_BLOCKS}); ask several times")]
    TooManyBlocks {
        /// How many were asked for.
        blocks: u32,
    },
    /// A block could not be sealed; those before it stand.
    #[error("block {number} was not sealed: {reason}")]
    NotSealed {
        /// Which.
        number: BlockNumber,
        /// Why.
        reason: String,
    },
    /// There is no such subnet, or it never has epochs.
    #[error("subnet {netuid} has no epochs: it does not exist, or its tempo is 0")]
    NoEpochs {
        /// Which.
        netuid: u16,
    },
    /// The epoch did not come when it was due.
    #[error("subnet {netuid} had no epoch in {blocks} blocks")]
    EpochMissed {
        /// Which.
        netuid: u16,
        /// How many blocks were sealed in vain.
        blocks: u32,
    },
    /// Nobody took that snapshot, or a revert to an older one took it away.
    #[error("there is no snapshot {id}; {}", known(*count))]
    NoSnapshot {
        /// Which was asked for.
        id: u32,
        /// How many there are.
        count: u32,
    },
    /// The states of old blocks are dropped.
    #[error("this chain drops old states (kept_blocks), so it cannot go back; start it without")]
    Pruned,
    /// The database would not go back.
    #[error("the chain stands at block {reached} and cannot go back to {wanted}: {reason}")]
    NotReverted {
        /// Where it stands.
        reached: BlockNumber,
        /// Where it should.
        wanted: BlockNumber,
        /// Why.
        reason: String,
    },
    /// The chain could not be written.
    #[error(transparent)]
    Dump(#[from] DumpError),
}

fn known(count: u32) -> String {
    match count.checked_sub(1) {
        None => "none was taken".into(),
        Some(0) => "there is 0".into(),
        Some(last) => format!("there are 0 to {last}"),
    }
}

/// Steers a running chain. Commands are carried out one after the other, each between two blocks: when one returns, what
/// it asked for holds.
#[derive(Clone)]
pub struct Control {
    /// Weak, so that what a connection still holds does not keep a dropped node sealing.
    commands: mpsc::WeakSender<Command>,
    pace: watch::Receiver<Pace>,
    round_millis: u64,
}

impl Control {
    pub(crate) fn new(commands: &mpsc::Sender<Command>, pace: watch::Receiver<Pace>, round_millis: u64) -> Self {
        Self { commands: commands.downgrade(), pace, round_millis }
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, ControlError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.upgrade().ok_or(ControlError::Stopped)?;
        commands.send(command(reply)).await.map_err(|_| ControlError::Stopped)?;
        // Not held while waiting: a node that is dropped meanwhile must see its last sender go.
        drop(commands);
        answer.await.map_err(|_| ControlError::Stopped)?
    }

    /// Whether [`Control::pause`] is in force.
    pub fn is_paused(&self) -> bool {
        self.pace.borrow().paused
    }

    /// Stop sealing blocks; the endpoint still answers, and [`Control::advance`] still seals.
    ///
    /// # Errors
    ///
    /// [`ControlError::Stopped`], as all commands.
    pub async fn pause(&self) -> Result<(), ControlError> {
        self.ask(|reply| Command::Pause(true, reply)).await
    }

    /// Seal blocks again, at the interval the first one after a block time.
    ///
    /// # Errors
    ///
    /// [`ControlError::Stopped`].
    pub async fn resume(&self) -> Result<(), ControlError> {
        self.ask(|reply| Command::Pause(false, reply)).await
    }

    /// From now on, seal at this pace. What genesis fixed stays: the length of a beacon's round, so that
    /// several blocks share a round or one brings several, and the constant `Aura.SlotDuration`.
    ///
    /// # Errors
    ///
    /// [`ControlError::BlockTime`] where it is out of bounds or more rounds fall due in it than a block brings.
    pub async fn set_block_time(&self, block_time: Duration) -> Result<(), ControlError> {
        let millis = config::check_block_time(block_time)?;
        let round_millis = self.round_millis;
        if millis / round_millis >= u64::from(pallet_drand::MAX_PULSES_PER_BLOCK) {
            return Err(BlockTimeError::TooManyRounds { block_time, round_millis }.into());
        }
        self.ask(|reply| Command::BlockTime(block_time, reply)).await
    }

    /// From now on, seal blocks at the interval, on transactions, or on demand.
    ///
    /// # Errors
    ///
    /// [`ControlError::Stopped`].
    pub async fn set_sealing(&self, sealing: Sealing) -> Result<(), ControlError> {
        self.ask(|reply| Command::Sealing(sealing, reply)).await
    }

    /// Seal so many blocks now, as fast as they can be made. Returns the last one.
    ///
    /// # Errors
    ///
    /// [`ControlError::TooManyBlocks`]; [`ControlError::NotSealed`], when those before the one named stand.
    pub async fn advance(&self, blocks: u32) -> Result<SealedBlock, ControlError> {
        if blocks > MAX_ADVANCE_BLOCKS {
            return Err(ControlError::TooManyBlocks { blocks });
        }
        self.ask(|reply| Command::Advance(blocks, reply)).await
    }

    /// Seal blocks until a subnet's next epoch has run. Returns the block in which it ran.
    ///
    /// # Errors
    ///
    /// [`ControlError::NoEpochs`] for a subnet without any; [`ControlError::NotSealed`].
    pub async fn advance_to_epoch(&self, netuid: u16) -> Result<SealedBlock, ControlError> {
        self.ask(|reply| Command::AdvanceToEpoch(netuid, reply)).await
    }

    /// Name the present state, to come back to it any number of times.
    ///
    /// # Errors
    ///
    /// [`ControlError::Pruned`] on a chain that drops old states.
    pub async fn snapshot(&self) -> Result<SnapshotId, ControlError> {
        self.ask(Command::Snapshot).await
    }

    /// Go back to a snapshot: the blocks after it are gone, and so are later snapshots and all transactions that wait.
    /// Whoever follows the chain sees its height fall.
    ///
    /// # Errors
    ///
    /// [`ControlError::NoSnapshot`], [`ControlError::NotReverted`].
    pub async fn revert(&self, snapshot: SnapshotId) -> Result<SealedBlock, ControlError> {
        self.ask(|reply| Command::Revert(snapshot, reply)).await
    }

    /// Write the whole chain to a file, from which [`crate::DevNodeConfig::load`] goes on. The file appears complete
    /// or not at all; one of that name is replaced. Returns the last block in it.
    ///
    /// # Errors
    ///
    /// [`ControlError::Dump`]: the file cannot be written, or the chain's database not read.
    pub async fn dump(&self, path: PathBuf) -> Result<SealedBlock, ControlError> {
        self.ask(|reply| Command::Dump(path, reply)).await
    }
}
