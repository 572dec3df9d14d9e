//! When to commit, when to reveal: the weight setter of a validator, sans-IO.
//!
//! Weights go on chain by hash commit-reveal (Bittensor's commit-reveal v2): once an epoch a validator commits
//! `blake2_256` of its weights and a salt, and opens the commit `reveal_period` epochs later, so that a lazy validator
//! cannot copy what others found. A salt that is lost is an epoch that is lost: the shell persists
//! [`WeightSetter::state`] before a commit leaves, and a restarted validator still opens what it committed.
//!
//! The shell calls [`WeightSetter::next`] on every block and carries out the one step it may return; it reports how the
//! step ended through [`WeightSetter::committed`], [`WeightSetter::revealed`], [`WeightSetter::set_plain`] or
//! [`WeightSetter::failed`].

use bincode::{Decode, Encode};

/// Commits kept while they wait for their reveal. The chain itself refuses more than ten unrevealed ones.
pub const MAX_PENDING_COMMITS: usize = 10;

/// Length of a salt in `u16` words, as Bittensor's clients draw it.
pub const SALT_WORDS: usize = 8;

/// The chain's side of the decision, read at one finalized block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The block this was read at.
    pub block: u64,
    /// The subnet's epoch counter.
    pub epoch: u64,
    /// First block of the running epoch.
    pub epoch_start: u64,
    /// Blocks in an epoch.
    pub tempo: u64,
    /// Epochs between a commit and its reveal.
    pub reveal_period: u64,
    /// Whether the subnet demands commit-reveal; otherwise weights are set in the plain.
    pub commit_reveal: bool,
    /// The subnet's weights version.
    pub version_key: u64,
    /// Whether our hotkey holds a validator permit.
    pub permitted: bool,
}

/// One set of weights, committed or about to be.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Sealed {
    /// Receiving uids, ascending.
    pub uids: Vec<u16>,
    /// Weight of each uid, max-upscaled: the largest is 65,535.
    pub values: Vec<u16>,
    /// Secret until the reveal.
    pub salt: [u16; SALT_WORDS],
    /// Weights version at the commit.
    pub version_key: u64,
    /// Epoch in which the chain included the commit; `None` until it is known.
    pub epoch: Option<u64>,
}

/// What the shell is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Persist the state, then commit the hash of these weights.
    Commit(Sealed),
    /// Open this commit.
    Reveal(Sealed),
    /// Set weights in the plain (commit-reveal is off).
    Plain {
        /// Receiving uids, ascending.
        uids: Vec<u16>,
        /// Weight of each uid.
        values: Vec<u16>,
        /// Weights version.
        version_key: u64,
    },
}

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct WeightState {
    /// Commits that are not opened yet, oldest first.
    pub pending: Vec<Sealed>,
    /// The last epoch in which weights were committed or set.
    pub last_epoch: Option<u64>,
}

/// The weight setter.
#[derive(Debug, Default)]
pub struct WeightSetter {
    state: WeightState,
    in_flight: Option<Step>,
    /// No new attempt before this block, after a failure.
    retry_at: u64,
}

/// Blocks between a failed step and the next attempt.
const RETRY_BLOCKS: u64 = 3;

impl WeightSetter {
    /// Resumes from what was persisted.
    pub fn new(state: WeightState) -> Self {
        Self { state, in_flight: None, retry_at: 0 }
    }

    /// What to persist before a [`Step::Commit`] is carried out, and after every report.
    pub fn state(&self) -> &WeightState {
        &self.state
    }

    /// The step to take now, if any. `weights` are (uid, max-upscaled weight), ascending by uid; an empty slice means
    /// that nothing is known yet, and nothing is committed. `salt` is fresh randomness, used only if a commit results.
    pub fn next(&mut self, now: Schedule, weights: &[(u16, u16)], salt: [u16; SALT_WORDS]) -> Option<Step> {
        if self.in_flight.is_some() || now.block < self.retry_at {
            return None;
        }
        // A commit whose reveal epoch has passed can never be opened.
        self.state.pending.retain(|sealed| sealed.epoch.is_none_or(|e| now.epoch <= e + now.reveal_period));
        let due = self.state.pending.iter().find(|s| s.epoch.is_some_and(|e| now.epoch == e + now.reveal_period));
        if let Some(sealed) = due {
            return Some(self.start(Step::Reveal(sealed.clone())));
        }
        let unknown = self.state.pending.iter().any(|s| s.epoch.is_none());
        let done = self.state.last_epoch.is_some_and(|e| e >= now.epoch);
        // Weights go out in the second half of an epoch: most of its evidence is in, and enough blocks are left to retry.
        let early = now.block < now.epoch_start + now.tempo / 2;
        let full = self.state.pending.len() >= MAX_PENDING_COMMITS;
        if weights.is_empty() || !now.permitted || unknown || done || early || full {
            return None;
        }
        let (uids, values): (Vec<u16>, Vec<u16>) = weights.iter().copied().unzip();
        if !now.commit_reveal {
            return Some(self.start(Step::Plain { uids, values, version_key: now.version_key }));
        }
        let sealed = Sealed { uids, values, salt, version_key: now.version_key, epoch: None };
        self.state.pending.push(sealed.clone());
        Some(self.start(Step::Commit(sealed)))
    }

    /// The commit in flight was included while the subnet's epoch counter read `epoch`.
    pub fn committed(&mut self, epoch: u64) {
        if let Some(Step::Commit(sealed)) = self.in_flight.take() {
            if let Some(pending) = self.state.pending.iter_mut().find(|s| s.salt == sealed.salt) {
                pending.epoch = Some(epoch);
            }
            self.state.last_epoch = Some(epoch);
        }
    }

    /// The reveal in flight was included.
    pub fn revealed(&mut self) {
        if let Some(Step::Reveal(sealed)) = self.in_flight.take() {
            self.state.pending.retain(|s| s.salt != sealed.salt);
        }
    }

    /// The plain weights in flight were included in `epoch`.
    pub fn set_plain(&mut self, epoch: u64) {
        if let Some(Step::Plain { .. }) = self.in_flight.take() {
            self.state.last_epoch = Some(epoch);
        }
    }

    /// The step in flight was refused or got lost, at `block`. `absent` says that the chain certainly does not hold it:
    /// then a commit is forgotten and made anew; otherwise it stays until [`WeightSetter::reconcile`] learns more.
    pub fn failed(&mut self, block: u64, absent: bool) {
        self.retry_at = block.saturating_add(RETRY_BLOCKS);
        if let Some(Step::Commit(sealed)) = self.in_flight.take()
            && absent
        {
            self.state.pending.retain(|s| s.salt != sealed.salt);
        }
    }

    /// Gives up commits that are not opened yet and pay one of `convicts`; `true` when there were any. What was committed
    /// before a conviction was known is never opened after it: weights are committed anew, in the same epoch if there is
    /// room in it.
    pub fn retract(&mut self, convicts: &[u16]) -> bool {
        if self.in_flight.is_some() || convicts.is_empty() {
            return false;
        }
        let pays = |sealed: &Sealed| {
            sealed.uids.iter().zip(&sealed.values).any(|(uid, value)| *value > 0 && convicts.contains(uid))
        };
        let before = self.state.pending.len();
        let retracted = self.state.pending.iter().filter(|sealed| pays(sealed)).filter_map(|sealed| sealed.epoch).max();
        self.state.pending.retain(|sealed| !pays(sealed));
        if retracted.is_some() && retracted == self.state.last_epoch {
            self.state.last_epoch = None;
        }
        self.state.pending.len() < before
    }

    /// Whether a commit of ours is on disk whose inclusion is not known (a crash between sending and hearing).
    pub fn uncertain(&self) -> Option<&Sealed> {
        if self.in_flight.is_some() {
            return None;
        }
        self.state.pending.iter().find(|s| s.epoch.is_none())
    }

    /// Settles [`WeightSetter::uncertain`]: `epoch` is when the chain included it, `None` that the chain does not hold it.
    pub fn reconcile(&mut self, epoch: Option<u64>) {
        if self.in_flight.is_some() {
            return;
        }
        match epoch {
            Some(epoch) => {
                for sealed in self.state.pending.iter_mut().filter(|s| s.epoch.is_none()) {
                    sealed.epoch = Some(epoch);
                }
                self.state.last_epoch = Some(self.state.last_epoch.map_or(epoch, |last| last.max(epoch)));
            }
            None => self.state.pending.retain(|s| s.epoch.is_some()),
        }
    }

    fn start(&mut self, step: Step) -> Step {
        self.in_flight = Some(step.clone());
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: &[(u16, u16)] = &[(3, 65_535), (4, 32_768)];

    fn at(block: u64) -> Schedule {
        Schedule {
            block,
            epoch: block / 100,
            epoch_start: block / 100 * 100,
            tempo: 100,
            reveal_period: 1,
            commit_reveal: true,
            version_key: 0,
            permitted: true,
        }
    }

    #[test]
    fn commits_once_an_epoch_and_reveals_in_the_next() {
        let mut setter = WeightSetter::default();
        assert_eq!(setter.next(at(120), WEIGHTS, [1; 8]), None, "the first half of an epoch is for evidence");
        let Some(Step::Commit(sealed)) = setter.next(at(150), WEIGHTS, [1; 8]) else { panic!("no commit") };
        assert_eq!(sealed.uids, [3, 4]);
        assert_eq!(setter.next(at(151), WEIGHTS, [2; 8]), None, "one step at a time");
        setter.committed(1);
        assert_eq!(setter.next(at(160), WEIGHTS, [2; 8]), None, "one commit an epoch");
        let Some(Step::Reveal(opened)) = setter.next(at(200), WEIGHTS, [2; 8]) else { panic!("no reveal") };
        assert_eq!((opened.salt, opened.epoch), ([1; 8], Some(1)));
        setter.revealed();
        assert!(setter.state().pending.is_empty());
        assert!(matches!(setter.next(at(250), WEIGHTS, [2; 8]), Some(Step::Commit(_))));
    }

    #[test]
    fn a_commit_that_slips_into_the_next_epoch_is_opened_one_later() {
        let mut setter = WeightSetter::default();
        setter.next(at(199), WEIGHTS, [1; 8]).expect("commit");
        setter.committed(2);
        assert_eq!(setter.next(at(210), WEIGHTS, [2; 8]), None);
        assert!(matches!(setter.next(at(300), WEIGHTS, [2; 8]), Some(Step::Reveal(_))));
    }

    #[test]
    fn a_restart_between_commit_and_inclusion_keeps_the_salt() {
        let mut setter = WeightSetter::default();
        setter.next(at(150), WEIGHTS, [7; 8]).expect("commit");
        let mut restarted = WeightSetter::new(setter.state().clone());
        assert_eq!(restarted.uncertain().map(|s| s.salt), Some([7; 8]));
        assert_eq!(restarted.next(at(160), WEIGHTS, [8; 8]), None, "no second commit while the first is uncertain");
        restarted.reconcile(Some(1));
        assert!(matches!(restarted.next(at(200), WEIGHTS, [8; 8]), Some(Step::Reveal(s)) if s.salt == [7; 8]));
    }

    #[test]
    fn a_commit_the_chain_never_saw_is_made_anew() {
        let mut setter = WeightSetter::default();
        setter.next(at(150), WEIGHTS, [1; 8]).expect("commit");
        setter.failed(150, true);
        assert_eq!(setter.next(at(151), WEIGHTS, [2; 8]), None, "a failure is not retried in the next block");
        assert!(matches!(setter.next(at(153), WEIGHTS, [2; 8]), Some(Step::Commit(s)) if s.salt == [2; 8]));
    }

    #[test]
    fn what_pays_a_convict_is_not_opened_but_committed_anew() {
        let mut setter = WeightSetter::default();
        setter.next(at(150), WEIGHTS, [1; 8]).expect("commit");
        assert!(!setter.retract(&[4]), "not while it is on its way");
        setter.committed(1);
        assert!(!setter.retract(&[5]) && !setter.retract(&[]));
        assert!(setter.retract(&[4]));
        let honest = &WEIGHTS[..1];
        assert!(matches!(setter.next(at(160), honest, [2; 8]), Some(Step::Commit(s)) if s.uids == [3]));
        setter.committed(1);
        assert!(matches!(setter.next(at(200), honest, [3; 8]), Some(Step::Reveal(s)) if s.salt == [2; 8]));
        setter.revealed();
        // One of an earlier epoch goes without another in its place: this epoch has its own.
        setter.next(at(250), WEIGHTS, [4; 8]).expect("commit");
        setter.committed(2);
        assert!(setter.retract(&[3]));
        assert!(matches!(setter.next(at(350), honest, [5; 8]), Some(Step::Commit(_))));
    }

    #[test]
    fn an_expired_commit_is_dropped_and_no_permit_means_no_commit() {
        let mut setter = WeightSetter::default();
        setter.next(at(150), WEIGHTS, [1; 8]).expect("commit");
        setter.committed(1);
        let without = Schedule { permitted: false, ..at(390) };
        assert_eq!(setter.next(without, WEIGHTS, [2; 8]), None);
        assert!(setter.state().pending.is_empty());
        assert_eq!(setter.next(at(390), &[], [2; 8]), None, "no evidence, no weights");
    }

    #[test]
    fn plain_weights_where_commit_reveal_is_off() {
        let mut setter = WeightSetter::default();
        let plain = Schedule { commit_reveal: false, ..at(150) };
        assert!(matches!(setter.next(plain, WEIGHTS, [1; 8]), Some(Step::Plain { .. })));
        setter.set_plain(1);
        assert_eq!(setter.next(plain, WEIGHTS, [1; 8]), None);
    }
}
