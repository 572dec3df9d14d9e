//! What a chain is started with, and why it may refuse.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use narrows_runtime::EXISTENTIAL_DEPOSIT_RAO;
use sp_core::crypto::{AccountId32, Ss58Codec};

use crate::control::Sealing;
use crate::dump::DumpError;

/// The port that Bittensor's clients look for first.
pub const DEFAULT_PORT: u16 = 9944;

/// How many ports after [`DEFAULT_PORT`] are tried when none is pinned.
pub(crate) const PORTS_TRIED: u16 = 100;

/// The shortest time between blocks. Sealing an empty block takes a few milliseconds.
pub const MIN_BLOCK_TIME: Duration = Duration::from_millis(5);

/// The longest time between blocks.
pub const MAX_BLOCK_TIME: Duration = Duration::from_secs(600);

/// When chain time begins unless told otherwise: 2026-01-01, Unix seconds.
pub const DEFAULT_GENESIS_TIME_SECS: u32 = 1_767_225_600;

/// How a chain begins and runs. Everything before `state_dir` is part of the genesis: chains that agree in it have the same
/// genesis hash, the same beacon and the same timestamps.
#[derive(Clone, Debug)]
pub struct DevNodeConfig {
    /// Accounts that hold rao from the start.
    pub endowed: Vec<([u8; 32], u64)>,
    /// The account that may call as root.
    pub sudo: [u8; 32],
    /// Whether alpha is worth TAO one to one on the subnets that will be created: stakes of any size move no price. As on
    /// Bittensor, each has a pool otherwise.
    pub stable_subnets: bool,
    /// Fixes the beacon's key and so every pulse.
    pub beacon_seed: [u8; 32],
    /// Time between blocks, in whole milliseconds. Also the length of a beacon's round.
    pub block_time: Duration,
    /// When chain time begins, Unix seconds. Block n has the timestamp `genesis_time + n · block_time`: chain time is
    /// counted, not read from a clock, so that a seeded chain repeats itself.
    pub genesis_time_secs: u32,
    /// Where the chain is kept, so that a later start goes on from its last block. In memory where absent.
    pub state_dir: Option<PathBuf>,
    /// A dump (see [`crate::Control::dump`]) to go on from; the genesis must be the same. Only for chains in memory.
    pub load: Option<PathBuf>,
    /// When blocks are sealed; may be changed while the chain runs.
    pub sealing: Sealing,
    /// Whether the endpoint offers the methods `dev_*`, by which any client steers the chain as [`crate::Control`] does.
    pub dev_methods: bool,
    /// Where `dev_dump` may write; without, it may not.
    pub dumps_dir: Option<PathBuf>,
    /// How many blocks to keep; all where absent, as archive queries ask for. A chain that runs for days wants a bound.
    pub kept_blocks: Option<u32>,
    /// The port of the RPC endpoint on loopback: exactly this one (zero: any free one). Where absent,
    /// [`DEFAULT_PORT`] or the next free one.
    pub port: Option<u16>,
}

impl DevNodeConfig {
    /// A chain in memory with these accounts, 250 ms blocks, and the beacon of `beacon_seed`.
    pub fn new(sudo: [u8; 32], endowed: Vec<([u8; 32], u64)>, beacon_seed: [u8; 32]) -> Self {
        Self {
            endowed,
            sudo,
            stable_subnets: false,
            beacon_seed,
            block_time: Duration::from_millis(250),
            genesis_time_secs: DEFAULT_GENESIS_TIME_SECS,
            state_dir: None,
            load: None,
            sealing: Sealing::default(),
            dev_methods: false,
            dumps_dir: None,
            kept_blocks: None,
            port: None,
        }
    }

    /// Refuse what the runtime could only answer with a panic, or what could never run.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        check_block_time(self.block_time)?;
        let mut seen = BTreeSet::new();
        for (account, rao) in &self.endowed {
            if *rao < EXISTENTIAL_DEPOSIT_RAO {
                return Err(StartError::EndowedTooLittle { account: ss58(account), rao: *rao });
            }
            if !seen.insert(account) {
                return Err(StartError::EndowedTwice { account: ss58(account) });
            }
        }
        if self.endowed.iter().try_fold(0u64, |sum, (_, rao)| sum.checked_add(*rao)).is_none() {
            return Err(StartError::EndowedTooMuch);
        }
        if let (Some(dir), Some(_)) = (&self.state_dir, &self.load) {
            return Err(StartError::LoadOntoDisk { dir: dir.clone() });
        }
        if self.kept_blocks == Some(0) {
            return Err(StartError::NothingKept);
        }
        Ok(())
    }
}

/// A block time in whole milliseconds, within bounds.
pub(crate) fn check_block_time(block_time: Duration) -> Result<u64, BlockTimeError> {
    let whole = block_time.subsec_nanos().is_multiple_of(1_000_000);
    if !whole || !(MIN_BLOCK_TIME..=MAX_BLOCK_TIME).contains(&block_time) {
        return Err(BlockTimeError::OutOfBounds { block_time });
    }
    // At most ten minutes.
    Ok(block_time.as_millis() as u64)
}

fn ss58(account: &[u8; 32]) -> String {
    AccountId32::new(*account).to_ss58check()
}

/// A block time that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockTimeError {
    /// Too short, too long, or no whole number of milliseconds.
    #[error(
        "block time {block_time:?} is not a whole number of milliseconds between {MIN_BLOCK_TIME:?} and {MAX_BLOCK_TIME:?}"
    )]
    OutOfBounds {
        /// What was asked for.
        block_time: Duration,
    },
    /// Blocks would come so seldom that the beacon's rounds no longer fit in them.
    #[error(
        "block time {block_time:?} is more than {} rounds of the beacon ({round_millis} ms each); \
         choose a shorter one, or start a chain with it",
        pallet_drand::MAX_PULSES_PER_BLOCK
    )]
    TooManyRounds {
        /// What was asked for.
        block_time: Duration,
        /// The beacon's round, fixed at genesis.
        round_millis: u64,
    },
}

/// Why a chain did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The block time cannot be.
    #[error(transparent)]
    BlockTime(#[from] BlockTimeError),
    /// An endowment below the existential deposit.
    #[error("{account} is endowed with {rao} rao; give it at least {EXISTENTIAL_DEPOSIT_RAO}, or leave it out")]
    EndowedTooLittle {
        /// Whose, as SS58.
        account: String,
        /// How much.
        rao: u64,
    },
    /// The same account is endowed twice.
    #[error("{account} is endowed twice; name each account once")]
    EndowedTwice {
        /// Whose, as SS58.
        account: String,
    },
    /// All endowments together do not fit.
    #[error("the endowments sum to more than {} rao; endow less", u64::MAX)]
    EndowedTooMuch,
    /// A history of no blocks.
    #[error("kept_blocks is 0; keep at least one block, or leave it out to keep all")]
    NothingKept,
    /// A dump is of a chain in memory, and goes on in memory.
    #[error("a dump cannot be loaded into {}; leave out the one or the other", dir.display())]
    LoadOntoDisk {
        /// The state folder.
        dir: PathBuf,
    },
    /// The dump cannot be read.
    #[error(transparent)]
    Load(#[from] DumpError),
    /// The pinned port is in use.
    #[error("port {port} on {} is taken; stop what listens there, or choose another port", Ipv4Addr::LOCALHOST)]
    PortTaken {
        /// Which.
        port: u16,
    },
    /// No port was pinned, and none is free.
    #[error(
        "no free port on {} from {first} to {last}; stop what listens there, or pin another port",
        Ipv4Addr::LOCALHOST
    )]
    NoFreePort {
        /// The first tried.
        first: u16,
        /// The last tried.
        last: u16,
    },
    /// The folder, or the dump, holds another chain.
    #[error(
        "{} holds a chain with genesis {found}, but this configuration makes {made}; \
         start with the same accounts, seed and block time, or begin anew elsewhere",
        path.display()
    )]
    OtherGenesis {
        /// The state folder, or the dump.
        path: PathBuf,
        /// The stored chain's genesis hash.
        found: sp_core::H256,
        /// The configured chain's genesis hash.
        made: sp_core::H256,
    },
    /// The folder cannot be made or written.
    #[error("cannot use {} for the chain's state: {source}", dir.display())]
    StateDir {
        /// The state folder.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The chain's file does not open: it is damaged, or another node has it open.
    #[error("the chain in {} does not open: {reason}; stop the node that has it open, or begin anew elsewhere", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why, in the database's words.
        reason: String,
    },
    /// The folder holds a chain of an earlier version.
    #[error("{} holds a chain that an earlier version has written; begin anew elsewhere", dir.display())]
    OldChain {
        /// The state folder.
        dir: PathBuf,
    },
    /// What the database holds is no chain that can be gone on with.
    #[error("the chain's database cannot be gone on with: {0}")]
    Database(#[source] Box<sp_blockchain::Error>),
    /// The genesis state cannot be made.
    #[error("the genesis state cannot be made: {0}")]
    Genesis(String),
    /// A part of the node does not start.
    #[error("the node does not start: {0}")]
    Service(#[source] Box<sc_service::Error>),
    /// The RPC endpoint does not start, for another reason than a taken port.
    #[error("the RPC endpoint does not start: {0}")]
    Rpc(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no tokio runtime to run in.
    #[error("the node runs in the caller's tokio runtime, and there is none here: {0}")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
}

impl From<sc_service::Error> for StartError {
    fn from(error: sc_service::Error) -> Self {
        Self::Service(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> DevNodeConfig {
        DevNodeConfig::new([1; 32], vec![([1; 32], 1_000), ([2; 32], 500)], [0; 32])
    }

    #[test]
    fn what_could_never_run_is_refused() {
        assert!(config().check().is_ok());
        let check = |change: fn(&mut DevNodeConfig)| {
            let mut config = config();
            change(&mut config);
            config.check().expect_err("refused")
        };
        assert!(matches!(check(|c| c.endowed[1].1 = 499), StartError::EndowedTooLittle { rao: 499, .. }));
        assert!(matches!(check(|c| c.endowed[1].0 = [1; 32]), StartError::EndowedTwice { .. }));
        assert!(matches!(check(|c| c.endowed[1].1 = u64::MAX), StartError::EndowedTooMuch));
        assert!(matches!(check(|c| c.kept_blocks = Some(0)), StartError::NothingKept));
        let onto_disk = check(|c| (c.state_dir, c.load) = (Some("state".into()), Some("dump".into())));
        assert!(matches!(onto_disk, StartError::LoadOntoDisk { .. }));
        assert!(matches!(check(|c| c.block_time = Duration::ZERO), StartError::BlockTime(_)));
        assert!(matches!(check(|c| c.block_time = Duration::from_micros(10_500)), StartError::BlockTime(_)));
        assert!(matches!(check(|c| c.block_time = Duration::MAX), StartError::BlockTime(_)));
    }

    #[test]
    fn errors_name_the_account() {
        let error = StartError::EndowedTwice { account: ss58(&[1; 32]) };
        assert!(error.to_string().starts_with("5C62Ck4UrFPiBtoCmeSrgF7x9yv9mn38446dhCpsi2mLHiFT"), "{error}");
    }
}
