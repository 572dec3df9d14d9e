//! All that a validator has found and goes by, in one file: verdicts, reports of the windows that count, hardware proofs.
//!
//! The file is replaced whole whenever a window closes, so that a running validator's ledger can be read by others
//! (`validator explain`), and a restarted validator goes on where it stood.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bincode::{Decode, Encode};
use neuron::message::names::{BlockNumber, RunId, WindowId};
use neuron::wire::{self, WireError};
use neuron::worker::RunPlan;
use thiserror::Error;

use crate::durable;
use crate::machine::admission::Proof;
use crate::machine::identity::Identity;
use crate::machine::score::{Explanation, FULL_PER_MILLE, ScoreBook, ScoreRules};
use crate::machine::verdict::VerdictBook;

/// Most bytes of the file.
pub const MAX_LEDGER_BYTES: usize = 256 * 1024 * 1024;
/// Stage costs are written as ratios to the dearest stage's, so that no sum of them overflows.
const DEAREST_STAGE: u64 = 1_000_000;

const FILE: &str = "ledger";
/// The layout of the file, in its first two bytes, so that another is not misread.
const VERSION: u16 = 2;

/// See the module.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Ledger {
    /// The run.
    pub run: RunId,
    /// What scores go by.
    pub rules: ScoreRules,
    /// The first window whose audits are not closed.
    pub next_window: Option<WindowId>,
    /// All verdicts.
    pub verdicts: VerdictBook,
    /// Reports of the windows that count.
    pub scores: ScoreBook,
    /// Miners whose last hardware proof holds.
    pub proofs: Vec<Proof>,
}

/// Why there is no ledger.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The disk.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// Of another version of this program, or nothing of it.
    #[error("{path} is no ledger that this version of the program reads; move it away to start a new one")]
    Version {
        /// The file.
        path: PathBuf,
    },
    /// Not a ledger.
    #[error("{path} is no ledger of this program: {error}; move it away to start a new one")]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: WireError,
    },
    /// Of another run.
    #[error("{path} is the ledger of run {found}, this is run {expected}; give each run a state directory of its own")]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// The run that is judged.
        expected: RunId,
        /// The ledger's.
        found: RunId,
    },
}

/// What a run's scores go by.
pub fn score_rules(plan: &RunPlan) -> ScoreRules {
    let (model, judging) = (plan.model(), plan.manifest().judging);
    let flops: Vec<_> = model.stage_indices().map(|stage| model.forward_flops_per_token(stage)).collect();
    let dearest = flops.iter().copied().max().unwrap_or(1).max(1);
    let ratio = |flops: u64| u64::try_from(u128::from(flops) * u128::from(DEAREST_STAGE) / u128::from(dearest));
    ScoreRules {
        stage_flops: flops.into_iter().map(|flops| ratio(flops).unwrap_or(DEAREST_STAGE)).collect(),
        memory_windows: judging.score_windows as usize,
        ramp_blocks: u64::from(judging.ramp_blocks),
    }
}

impl Ledger {
    /// A ledger in which nothing stands yet.
    pub fn new(plan: &RunPlan) -> Self {
        Self {
            run: plan.run(),
            rules: score_rules(plan),
            next_window: None,
            verdicts: VerdictBook::default(),
            scores: ScoreBook::default(),
            proofs: Vec::new(),
        }
    }

    /// Opens a run's ledger in a state directory, or begins it.
    ///
    /// # Errors
    /// When there is a file that cannot be read, or that is another run's.
    pub fn open(directory: &Path, plan: &RunPlan) -> Result<Self, LedgerError> {
        match Self::read(directory)? {
            None => Ok(Self::new(plan)),
            Some(ledger) if ledger.run == plan.run() => Ok(ledger),
            Some(ledger) => {
                Err(LedgerError::OtherRun { path: directory.join(FILE), expected: plan.run(), found: ledger.run })
            }
        }
    }

    /// Reads the ledger in a state directory; `None` when there is none.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub fn read(directory: &Path) -> Result<Option<Self>, LedgerError> {
        let path = directory.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LedgerError::Io { path, error }),
        };
        let mut bytes = Vec::new();
        match file.take(MAX_LEDGER_BYTES as u64 + 1).read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) => return Err(LedgerError::Io { path, error }),
        }
        match bytes.split_first_chunk() {
            Some((version, rest)) if u16::from_le_bytes(*version) == VERSION => {
                match wire::decode::<Self, MAX_LEDGER_BYTES>(rest) {
                    Ok(ledger) => Ok(Some(ledger)),
                    Err(error) => Err(LedgerError::Encoding { path, error }),
                }
            }
            _ => Err(LedgerError::Version { path }),
        }
    }

    /// Writes the ledger into a state directory, durably and whole.
    ///
    /// # Errors
    /// When the disk fails; then the ledger on disk is as it was.
    pub fn write(&self, directory: &Path) -> Result<(), LedgerError> {
        let path = directory.join(FILE);
        match wire::encode::<_, MAX_LEDGER_BYTES>(self) {
            Ok(bytes) => {
                let bytes = [&VERSION.to_le_bytes(), bytes.as_slice()].concat();
                durable::write(&path, &bytes).map_err(|error| LedgerError::Io { path, error })
            }
            Err(error) => Err(LedgerError::Encoding { path, error }),
        }
    }

    /// The factor of a miner's last proof in its score: all or nothing, since every miner is measured against one speed.
    pub fn hardware_per_mille(&self, miner: &Identity) -> u64 {
        if self.proofs.iter().any(|proof| proof.hotkey == miner.hotkey) { FULL_PER_MILLE } else { 0 }
    }

    /// Every factor of a miner's score at a block.
    pub fn explain(&self, now: BlockNumber, miner: Identity) -> Explanation {
        self.scores.explain(&self.rules, &self.verdicts, now, miner, self.hardware_per_mille(&miner))
    }

    /// (uid, score) of every miner, ascending by uid.
    pub fn weigh(&self, now: BlockNumber, miners: &[Identity]) -> Vec<(u16, u64)> {
        self.scores.scores(&self.rules, &self.verdicts, now, miners, |miner| self.hardware_per_mille(miner))
    }
}

#[cfg(test)]
mod tests {
    use keys::AccountId;
    use neuron::message::names::{Hash, Uid};

    use super::*;
    use crate::machine::audit::WindowReport;
    use crate::machine::audit::{MinerReport, Standing};
    use neuron::message::names::StageId;

    fn miner(n: u8) -> Identity {
        Identity { hotkey: AccountId([n; 32]), uid: Uid(n.into()), registered_at: BlockNumber(1) }
    }

    fn ledger() -> Ledger {
        let rules = ScoreRules { stage_flops: vec![10], memory_windows: 4, ramp_blocks: 0 };
        let report = |n| MinerReport {
            identity: miner(n),
            stage: StageId(0),
            standing: Standing::Sound,
            leaves: 3,
            passes: 3,
            confirmed: 0,
            findings: vec![],
        };
        let mut scores = ScoreBook::default();
        let miners = vec![report(1), report(2)];
        let window =
            WindowReport { window: WindowId(3), drawn: vec![], audited: vec![], states: None, settled: 3, miners };
        scores.close(&rules, window);
        Ledger {
            run: RunId(Hash([7; 32])),
            rules,
            next_window: Some(WindowId(4)),
            verdicts: VerdictBook::default(),
            scores,
            proofs: vec![Proof { hotkey: miner(1).hotkey, declared_per_second: 5, measured_per_second: 6 }],
        }
    }

    #[test]
    fn a_ledger_is_read_back_and_a_broken_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Ledger::read(directory.path()).unwrap(), None);
        ledger().write(directory.path()).unwrap();
        assert_eq!(Ledger::read(directory.path()).unwrap(), Some(ledger()));
        let path = directory.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let error = Ledger::read(directory.path()).unwrap_err();
        assert!(matches!(error, LedgerError::Encoding { .. }) && error.to_string().contains("move it away"), "{error}");
        std::fs::write(&path, [0xff; 64]).unwrap();
        assert!(Ledger::read(directory.path()).is_err());
    }

    #[test]
    fn only_a_machine_that_proved_itself_is_weighed() {
        let weights = ledger().weigh(BlockNumber(9), &[miner(1), miner(2)]);
        assert_eq!(weights, [(1, 3 * 10 * 1_000_000), (2, 0)]);
        assert_eq!(ledger().explain(BlockNumber(9), miner(2)).hardware_per_mille, 0);
    }
}
