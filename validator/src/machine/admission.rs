//! "This machine has this compute": challenge, commit, draw, open, verify, per miner and sans-IO.
//!
//! 1. The validator sends fresh matrices (nonce, beacon and the miner's identity fix them). Its clock starts.
//! 2. The miner multiplies and answers with a Merkle root over the product. The clock stops.
//! 3. Only now the validator draws a second nonce, which picks tiles; the miner opens them; each is recomputed.
//!
//! A miner proves itself when it is new and whenever its last proof failed. On top the beacon draws windows in which the
//! *whole fleet* is challenged at the same moment: identities that share a machine then fall short together. What is
//! measured is compared with what the miner declared (a localnet: with the quota that it was given).
//!
//! Time is the validator's own clock, passed in; nonces are the shell's fresh randomness, passed in. The round trip is
//! inside what is measured: the rules allow for it once. Recomputing tiles takes a while, so the machine hands it out
//! ([`Check`]) and takes back what came of it ([`Checked`]): the shell chooses the thread.
//!
//! Invariant: a proof is named by its [`Ask`], whose nonce is never used twice, so that what arrives late about an
//! earlier proof of a miner means nothing to the present one.
//!
//! What it does not show: whose machine it was, or that nobody lent a hand within the deadline.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use engine::Digest;
use engine::work_proof::{Challenge, OpenedTile, WorkProofError, drawn_tiles, verify};
use keys::AccountId;
use neuron::manifest::HardwareRules;
use neuron::message::names::{Beacon, Millis, WindowId};
use thiserror::Error;

use super::draw::is_fleet_proof_window;

/// Most miners that are challenged at the same moment, and most whose proofs are remembered.
pub const MAX_PROVERS: usize = 512;
/// Bytes of a [`Proof`] on disk.
pub const MAX_PROOF_BYTES: usize = 32 + 2 * 8;
/// How many times the time allowed is waited before a miner counts as not having answered. Longer than the time allowed,
/// so that a slow machine is measured rather than taken for dead.
pub const GIVE_UP_FACTOR: u32 = 4;

/// A miner to be challenged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prover {
    /// Its key: challenges are bound to it, so that two identities cannot share an answer.
    pub hotkey: AccountId,
    /// Multiplications per second that it claims, or was given as a quota.
    pub declared_per_second: u64,
}

/// The first message: multiply these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// To whom.
    pub hotkey: AccountId,
    /// Side of the matrices.
    pub side: u32,
    /// Fixes them, with the beacon and the hotkey.
    pub nonce: [u8; 32],
    /// The beacon.
    pub beacon: Beacon,
}

/// What an opened product is checked against, and the answer to check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    ask: Ask,
    challenge: Challenge,
    root: Digest,
    nonce: [u8; 32],
    answer: Vec<OpenedTile>,
}

impl Check {
    /// Recomputes the drawn tiles, which for the largest matrices takes a tenth of a second: to be called off the threads
    /// that serve the network.
    pub fn run(self) -> Checked {
        Checked { ask: self.ask, result: verify(&self.challenge, &self.root, &self.nonce, &self.answer) }
    }
}

/// What came of a [`Check`]. Made by running one only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    ask: Ask,
    result: Result<(), WorkProofError>,
}

/// What a miner has proved, for the validator that restarts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Proof {
    /// Who.
    pub hotkey: AccountId,
    /// What it declared.
    pub declared_per_second: u64,
    /// What was measured, round trip included.
    pub measured_per_second: u64,
}

/// Why a proof failed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ProofFault {
    /// No root in time.
    #[error("no root within {waited_ms} ms")]
    NoRoot {
        /// How long was waited.
        waited_ms: u32,
    },
    /// A root, but too late for what was declared.
    #[error("{elapsed_ms} ms for what its declared speed does in {allowed_ms} ms, allowances included")]
    TooSlow {
        /// What it took.
        elapsed_ms: u32,
        /// What was allowed.
        allowed_ms: u32,
    },
    /// The drawn tiles were not opened in time.
    #[error("the drawn tiles were not opened within {waited_ms} ms")]
    NotOpened {
        /// How long was waited.
        waited_ms: u32,
    },
    /// The miner could not be asked, or did not give what it was asked for.
    #[error("{what} did not come: {reason}")]
    NoAnswer {
        /// What was asked for.
        what: &'static str,
        /// What came instead.
        reason: String,
    },
    /// The answer is no proof.
    #[error(transparent)]
    False(#[from] WorkProofError),
}

/// How a proof ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Who.
    pub hotkey: AccountId,
    /// What it declared.
    pub declared_per_second: u64,
    /// What was measured, round trip included; nothing when no valid proof came.
    pub measured_per_second: Option<u64>,
    /// Whether it proved what it declared.
    pub verdict: Result<(), ProofFault>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Until the root is here.
    Multiplying,
    /// Until the tiles are here.
    Opening { root: Digest, nonce: [u8; 32], elapsed_ms: u32, since: Millis },
    /// Until they are recomputed. The miner has done its part: nothing is late any more.
    Checking { elapsed_ms: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    ask: Ask,
    declared_per_second: u64,
    challenge: Challenge,
    since: Millis,
    allowed_ms: u32,
    stage: Stage,
}

/// The hardware verifier.
#[derive(Debug)]
pub struct Admission {
    rules: HardwareRules,
    pending: BTreeMap<AccountId, Pending>,
    last: BTreeMap<AccountId, Outcome>,
}

impl Admission {
    /// A verifier that knows what was proved before, of which it takes no more than [`MAX_PROVERS`].
    pub fn new(rules: HardwareRules, proofs: Vec<Proof>) -> Self {
        let outcome = |Proof { hotkey, declared_per_second, measured_per_second }| {
            let measured_per_second = Some(measured_per_second);
            (hotkey, Outcome { hotkey, declared_per_second, measured_per_second, verdict: Ok(()) })
        };
        let last = proofs.into_iter().take(MAX_PROVERS).map(outcome).collect();
        Self { rules, pending: BTreeMap::new(), last }
    }

    /// The proofs that hold, in the order of their hotkeys.
    pub fn proofs(&self) -> Vec<Proof> {
        let held = self.last.values().filter(|outcome| outcome.verdict.is_ok());
        let proof = |&Outcome { hotkey, declared_per_second, measured_per_second, .. }: &Outcome| {
            Some(Proof { hotkey, declared_per_second, measured_per_second: measured_per_second? })
        };
        held.filter_map(proof).take(MAX_PROVERS).collect()
    }

    /// The milliseconds that a miner of a declared speed has for the product, allowances included.
    pub fn allowed_ms(&self, declared_per_second: u64) -> u32 {
        let rules = HardwareRules { multiplications_per_second: declared_per_second, ..self.rules };
        u32::try_from(rules.allowed_ms()).unwrap_or(u32::MAX)
    }

    /// How long a miner of a declared speed is waited for, in milliseconds.
    pub fn give_up_ms(&self, declared_per_second: u64) -> u32 {
        self.allowed_ms(declared_per_second).saturating_mul(GIVE_UP_FACTOR)
    }

    /// A window begins: challenges who is due. `secret` is fresh randomness; each miner's nonce is derived from it.
    ///
    /// # Errors
    /// When the rules ask for matrices that cannot be.
    pub fn on_window(
        &mut self,
        now: Millis,
        window: WindowId,
        beacon: Beacon,
        miners: &[Prover],
        secret: &[u8; 32],
    ) -> Result<Vec<Ask>, WorkProofError> {
        self.last.retain(|hotkey, _| miners.iter().any(|miner| miner.hotkey == *hotkey));
        let is_fleet = is_fleet_proof_window(&beacon, window, self.rules.fleet_per_mille);
        let mut asks = Vec::new();
        for &prover in miners {
            let has_proved = self.last.get(&prover.hotkey).is_some_and(|outcome| {
                outcome.verdict.is_ok() && outcome.declared_per_second == prover.declared_per_second
            });
            let full = self.pending.len() >= MAX_PROVERS;
            if (has_proved && !is_fleet) || self.pending.contains_key(&prover.hotkey) || full {
                continue;
            }
            let nonce = *blake3::keyed_hash(secret, &prover.hotkey.0).as_bytes();
            let challenge = Challenge::bind(self.rules.side, &nonce, &beacon.0, &prover.hotkey.0)?;
            let allowed_ms = self.allowed_ms(prover.declared_per_second);
            let ask = Ask { hotkey: prover.hotkey, side: self.rules.side, nonce, beacon };
            let (declared_per_second, stage) = (prover.declared_per_second, Stage::Multiplying);
            let pending = Pending { ask, declared_per_second, challenge, since: now, allowed_ms, stage };
            self.pending.insert(prover.hotkey, pending);
            asks.push(ask);
        }
        Ok(asks)
    }

    /// A miner's root arrived. `nonce` is fresh randomness, unknown to the miner; it picks the tiles to be opened. A second
    /// root, or one that nobody asked for, is ignored: the first is what the miner stands by.
    pub fn on_root(&mut self, now: Millis, ask: &Ask, root: Digest, nonce: [u8; 32]) -> Option<Vec<u32>> {
        let pending = self.pending(ask)?;
        if !matches!(pending.stage, Stage::Multiplying) {
            return None;
        }
        let elapsed_ms = now.since(pending.since);
        pending.stage = Stage::Opening { root, nonce, elapsed_ms, since: now };
        Some(drawn_tiles(&pending.challenge, &root, &nonce))
    }

    /// A miner opened its tiles: what is to be checked before [`on_checked`](Self::on_checked).
    pub fn on_opened(&mut self, ask: &Ask, answer: Vec<OpenedTile>) -> Option<Check> {
        let pending = self.pending(ask)?;
        let Stage::Opening { root, nonce, elapsed_ms, .. } = pending.stage else { return None };
        pending.stage = Stage::Checking { elapsed_ms };
        Some(Check { ask: *ask, challenge: pending.challenge, root, nonce, answer })
    }

    /// The opened tiles were recomputed.
    pub fn on_checked(&mut self, Checked { ask, result }: Checked) -> Option<Outcome> {
        let pending = *self.pending(&ask)?;
        let Stage::Checking { elapsed_ms } = pending.stage else { return None };
        let (measured, verdict) = match result {
            Err(error) => (None, Err(ProofFault::False(error))),
            Ok(()) => {
                let per_second = u128::from(pending.challenge.multiplications()) * 1000 / u128::from(elapsed_ms.max(1));
                let measured = u64::try_from(per_second).unwrap_or(u64::MAX);
                let allowed_ms = pending.allowed_ms;
                let in_time = elapsed_ms <= allowed_ms;
                let verdict = if in_time { Ok(()) } else { Err(ProofFault::TooSlow { elapsed_ms, allowed_ms }) };
                (Some(measured), verdict)
            }
        };
        Some(self.end(&pending, measured, verdict))
    }

    /// There will be no answer, or none that could be read: ends the proof at whichever of its steps it is.
    pub fn on_no_answer(&mut self, ask: &Ask, reason: String) -> Option<Outcome> {
        let pending = *self.pending(ask)?;
        let what = match pending.stage {
            Stage::Multiplying => "the root",
            Stage::Opening { .. } => "the drawn tiles",
            Stage::Checking { .. } => "a result of the check",
        };
        Some(self.end(&pending, None, Err(ProofFault::NoAnswer { what, reason })))
    }

    /// Time passed: ends proofs whose miner is not heard of any more. To be called at [`wake_at`](Self::wake_at).
    pub fn on_tick(&mut self, now: Millis) -> Vec<Outcome> {
        let open_ms = self.rules.open_ms;
        let late = self.pending.values().filter_map(|pending| match pending.stage {
            Stage::Multiplying => {
                let waited_ms = now.since(pending.since);
                let is_over = waited_ms >= pending.allowed_ms.saturating_mul(GIVE_UP_FACTOR);
                is_over.then_some((*pending, ProofFault::NoRoot { waited_ms }))
            }
            Stage::Opening { since, .. } => {
                let waited_ms = now.since(since);
                (waited_ms >= open_ms).then_some((*pending, ProofFault::NotOpened { waited_ms }))
            }
            Stage::Checking { .. } => None,
        });
        let late: Vec<_> = late.collect();
        late.into_iter().map(|(pending, fault)| self.end(&pending, None, Err(fault))).collect()
    }

    /// When [`on_tick`](Self::on_tick) has something to do.
    pub fn wake_at(&self) -> Option<Millis> {
        let deadline = |pending: &Pending| match pending.stage {
            Stage::Multiplying => Some(pending.since.plus(pending.allowed_ms.saturating_mul(GIVE_UP_FACTOR))),
            Stage::Opening { since, .. } => Some(since.plus(self.rules.open_ms)),
            Stage::Checking { .. } => None,
        };
        self.pending.values().filter_map(deadline).min()
    }

    /// How a miner's last proof ended.
    pub fn last(&self, hotkey: &AccountId) -> Option<&Outcome> {
        self.last.get(hotkey)
    }

    /// The factor in a miner's score: all or nothing, since whoever declares less is measured against less. Nothing until
    /// a first proof has held.
    pub fn factor_per_mille(&self, hotkey: &AccountId) -> u64 {
        if self.last.get(hotkey).is_some_and(|outcome| outcome.verdict.is_ok()) { 1000 } else { 0 }
    }

    /// The proof of that name, unless it has ended.
    fn pending(&mut self, ask: &Ask) -> Option<&mut Pending> {
        self.pending.get_mut(&ask.hotkey).filter(|pending| pending.ask == *ask)
    }

    fn end(&mut self, pending: &Pending, measured: Option<u64>, verdict: Result<(), ProofFault>) -> Outcome {
        let hotkey = pending.ask.hotkey;
        self.pending.remove(&hotkey);
        let outcome = Outcome {
            hotkey,
            declared_per_second: pending.declared_per_second,
            measured_per_second: measured,
            verdict,
        };
        self.last.insert(hotkey, outcome.clone());
        outcome
    }
}

#[cfg(test)]
mod tests;
