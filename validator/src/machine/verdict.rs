//! From findings to verdicts.
//!
//! | what | verdict |
//! |---|---|
//! | it said two things about one tensor | convicted at once |
//! | false leaves in two microbatches | convicted |
//! | a false leaf in one | the window is void, and more of its work is drawn in the windows after |
//! | a leaf further off than the run's tolerance | its level rises, and more of its work is drawn while it is above zero |
//! | its level reaches the limit | convicted |
//! | other weights, unsigned inputs, a commitment that cannot be | the window is void |
//! | silence, reported by validators with more than half of the stake | the window is void |
//! | it received garbage | nothing |
//!
//! In a run with a tolerance a hop beyond the bound may be an honest machine's, some day; so it raises the miner's level, every
//! microbatch without one lowers it, and the limit convicts (`engine::tolerance::Drift`).
//!
//! Why two: one false leaf can be a bit that flipped in an honest machine's memory. Why silence needs a majority: one
//! validator's line may be down. (A validator pays nobody for leaves that it has not seen, with or without a verdict.)
//!
//! Verdicts are only ever added, and each names the evidence it rests on. They follow the miner ([`Identity::is`]).

use std::collections::BTreeSet;

use bincode::{Decode, Encode};
use engine::tolerance::{Drift, DriftRules, Looks};
use keys::AccountId;
use neuron::message::names::{Hash, WindowId};

use super::audit::{Fault, Standing, WindowReport};
use super::identity::Identity;
use crate::evidence::Evidence;

/// Most verdicts that a book holds. A miner adds a handful and is convicted, a window's void lapses, so that it takes
/// tens of thousands of burnt registrations to fill it.
pub const MAX_VERDICTS: usize = 64 * 1024;
/// False leaves in so many microbatches convict.
pub const FALSE_MICROBATCHES_TO_CONVICT: usize = 2;

/// Why a window is not paid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub enum VoidReason {
    /// A false leaf.
    FalseLeaf,
    /// See [`Standing::Silent`].
    Silent,
    /// See [`Standing::BadCommitment`].
    BadCommitment,
    /// See [`Standing::OtherWeights`].
    OtherWeights,
    /// See [`Standing::UnsignedInputs`].
    UnsignedInputs,
}

/// What is ruled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub enum Ruling {
    /// The window's pay is lost.
    Void(VoidReason),
    /// A leaf of this microbatch was false.
    Strike {
        /// The microbatch.
        microbatch: u32,
    },
    /// All unpaid windows are lost, and no window is paid again.
    Convicted,
    /// A leaf of this microbatch was further off than the run's tolerance.
    Far {
        /// The microbatch.
        microbatch: u32,
    },
}

/// A verdict.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Verdict {
    /// About whom.
    pub identity: Identity,
    /// The window in which it happened.
    pub window: WindowId,
    /// What.
    pub ruling: Ruling,
    /// The names of the evidence. Silence and a miner's own words on its weights have none beyond the report.
    pub evidence: Vec<Hash>,
}

/// A validator's word that somebody did not answer it in a window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SilenceReport {
    /// Who says so; the shell has checked its signature.
    pub validator: AccountId,
    /// Its stake, in rao.
    pub stake: u64,
    /// Whom it could not reach.
    pub silent: BTreeSet<AccountId>,
}

/// All validators that have a say about a window's silence.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SilenceReports {
    /// Stake of all permitted validators, in rao, whether they reported or not.
    pub total_stake: u64,
    /// What arrived. A validator that reports twice counts once.
    pub reports: Vec<SilenceReport>,
}

impl SilenceReports {
    /// The report of a validator that is alone.
    pub fn of_one(validator: AccountId, silent: BTreeSet<AccountId>) -> Self {
        Self { total_stake: 1, reports: vec![SilenceReport { validator, stake: 1, silent }] }
    }

    /// Whether validators with more than half of the stake report a miner silent.
    pub fn stands(&self, hotkey: &AccountId) -> bool {
        let mut seen = BTreeSet::new();
        let reports = self.reports.iter().filter(|report| seen.insert(report.validator));
        let against: u128 =
            reports.filter(|report| report.silent.contains(hotkey)).map(|report| u128::from(report.stake)).sum();
        against * 2 > u128::from(self.total_stake)
    }
}

/// All verdicts of a validator, to be persisted whole.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct VerdictBook {
    verdicts: Vec<Verdict>,
    /// Levels above zero of miners that were further off than the run's tolerance.
    levels: Vec<(Identity, u32)>,
}

impl VerdictBook {
    /// Rules on a window's report. The evidence that it names has to be durable by now. Ruling twice on one report
    /// adds no verdict. `drift` is what levels go by in a run with a tolerance. Returns the verdicts that are new.
    pub fn rule(
        &mut self,
        report: &WindowReport,
        silence: &SilenceReports,
        drift: Option<&DriftRules>,
    ) -> Vec<Verdict> {
        let before = self.verdicts.len();
        for miner in &report.miners {
            if let Some(rules) = drift {
                // First, so that what follows weighs in full.
                for _ in 0..miner.confirmed {
                    self.note(miner.identity, rules, false);
                }
            }
            for finding in &miner.findings {
                let (identity, window, name) = (miner.identity, report.window, finding.evidence);
                match finding.fault {
                    Fault::Contradiction => self.add(identity, window, Ruling::Convicted, vec![name]),
                    Fault::FalseLeaf { microbatch, .. } => self.strike(identity, window, microbatch, name),
                    Fault::FarLeaf { microbatch, .. } => {
                        drift.into_iter().for_each(|rules| self.far(identity, window, microbatch, name, rules));
                    }
                }
            }
            let reason = match miner.standing {
                Standing::Silent if silence.stands(&miner.identity.hotkey) => Some(VoidReason::Silent),
                Standing::BadCommitment => Some(VoidReason::BadCommitment),
                Standing::OtherWeights => Some(VoidReason::OtherWeights),
                Standing::UnsignedInputs => Some(VoidReason::UnsignedInputs),
                Standing::Sound | Standing::Absent | Standing::Silent => None,
            };
            if let Some(reason) = reason {
                self.add(miner.identity, report.window, Ruling::Void(reason), Vec::new());
            }
        }
        self.verdicts.get(before..).unwrap_or_default().to_vec()
    }

    /// Adopts what another validator found. To be called only with evidence that *this* validator verified, which for a
    /// false or far leaf means that it recomputed the work itself. Returns the verdicts that are new.
    pub fn adopt(&mut self, evidence: &Evidence, name: Hash, drift: Option<&DriftRules>) -> Vec<Verdict> {
        let before = self.verdicts.len();
        let identity = *evidence.accused();
        match (evidence, evidence.window()) {
            (Evidence::Contradiction { .. }, Some(window)) => {
                self.add(identity, window, Ruling::Convicted, vec![name]);
            }
            (Evidence::FalseLeaf { opening, .. }, Some(window)) => {
                self.strike(identity, window, opening.leaf.pass.microbatch, name);
            }
            (Evidence::FarLeaf { opening, .. }, Some(window)) => {
                let microbatch = opening.leaf.pass.microbatch;
                drift.into_iter().for_each(|rules| self.far(identity, window, microbatch, name, rules));
            }
            (_, None) => {}
        }
        self.verdicts.get(before..).unwrap_or_default().to_vec()
    }

    /// A false leaf: a strike and a void window, and a conviction with the strike that is one too many.
    fn strike(&mut self, identity: Identity, window: WindowId, microbatch: u32, evidence: Hash) {
        self.add(identity, window, Ruling::Strike { microbatch }, vec![evidence]);
        self.add(identity, window, Ruling::Void(VoidReason::FalseLeaf), vec![evidence]);
        let strikes: Vec<_> = self
            .about(identity)
            .filter(|verdict| matches!(verdict.ruling, Ruling::Strike { .. }))
            .flat_map(|verdict| verdict.evidence.iter().copied())
            .collect();
        if strikes.len() >= FALSE_MICROBATCHES_TO_CONVICT {
            self.add(identity, window, Ruling::Convicted, strikes);
        }
    }

    /// A leaf that is too far off: the level rises, once for a microbatch, and at the limit convicts on all that raised it.
    fn far(&mut self, identity: Identity, window: WindowId, microbatch: u32, evidence: Hash, rules: &DriftRules) {
        let ruling = Ruling::Far { microbatch };
        if self.about(identity).any(|verdict| verdict.window == window && verdict.ruling == ruling) {
            return;
        }
        self.add(identity, window, ruling, vec![evidence]);
        if self.note(identity, rules, true) == Looks::Dishonest {
            let far = self.about(identity).filter(|verdict| matches!(verdict.ruling, Ruling::Far { .. }));
            let all = far.flat_map(|verdict| verdict.evidence.iter().copied()).collect();
            self.add(identity, window, Ruling::Convicted, all);
        }
    }

    /// Moves a miner's level by one compared hop.
    fn note(&mut self, identity: Identity, rules: &DriftRules, exceeds: bool) -> Looks {
        let place = self.levels.iter().position(|(known, _)| known.is(&identity));
        let mut drift = Drift::at(place.map_or(0, |place| self.levels[place].1));
        let looks = drift.note(rules, exceeds);
        match (place, drift.level()) {
            (Some(place), 0) => {
                self.levels.swap_remove(place);
            }
            (Some(place), level) => self.levels[place].1 = level,
            (None, 0) => {}
            (None, level) => self.levels.push((identity, level)),
        }
        looks
    }

    /// How suspicious a miner is, in a run with a tolerance; at its limit it is convicted.
    pub fn level(&self, identity: &Identity) -> u32 {
        self.levels.iter().find(|(known, _)| known.is(identity)).map_or(0, |(_, level)| *level)
    }

    /// Adds a verdict, unless the same was ruled before or the miner is convicted anyway.
    fn add(&mut self, identity: Identity, window: WindowId, ruling: Ruling, evidence: Vec<Hash>) {
        let is_old = |verdict: &Verdict| {
            verdict.ruling == Ruling::Convicted || (verdict.window == window && verdict.ruling == ruling)
        };
        if self.verdicts.len() < MAX_VERDICTS && !self.about(identity).any(is_old) {
            self.verdicts.push(Verdict { identity, window, ruling, evidence });
        }
    }

    /// Verdicts about a miner, oldest first.
    pub fn about(&self, identity: Identity) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(move |verdict| verdict.identity.is(&identity))
    }

    /// All verdicts, oldest first.
    pub fn all(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// The verdict that convicts a miner.
    pub fn conviction(&self, identity: &Identity) -> Option<&Verdict> {
        self.about(*identity).find(|verdict| verdict.ruling == Ruling::Convicted)
    }

    /// Why a miner's window is void, if it is.
    pub fn void(&self, identity: &Identity, window: WindowId) -> Option<VoidReason> {
        self.about(*identity).filter(|verdict| verdict.window == window).find_map(|verdict| match verdict.ruling {
            Ruling::Void(reason) => Some(reason),
            Ruling::Strike { .. } | Ruling::Far { .. } | Ruling::Convicted => None,
        })
    }

    /// Those among `miners` that hold a strike, or whose level is above zero, and that are not convicted: more of their work is
    /// drawn.
    pub fn suspects<'a>(&self, miners: impl Iterator<Item = &'a Identity>) -> Vec<AccountId> {
        let is_suspect = |identity: &&Identity| {
            let mut struck = self.level(identity) > 0;
            for verdict in self.about(**identity) {
                match verdict.ruling {
                    Ruling::Convicted => return false,
                    Ruling::Strike { .. } => struck = true,
                    Ruling::Void(_) | Ruling::Far { .. } => {}
                }
            }
            struck
        };
        miners.filter(is_suspect).map(|identity| identity.hotkey).collect()
    }

    /// Drops voids of windows before `oldest`, which no score looks at any more, and what raised a level that is back at zero.
    /// Strikes and convictions stay.
    pub fn forget(&mut self, oldest: WindowId) {
        let levels = &self.levels;
        self.verdicts.retain(|verdict| {
            verdict.window >= oldest
                || match verdict.ruling {
                    Ruling::Void(_) => false,
                    Ruling::Far { .. } => levels.iter().any(|(known, _)| known.is(&verdict.identity)),
                    Ruling::Strike { .. } | Ruling::Convicted => true,
                }
        });
    }
}

#[cfg(test)]
mod tests {
    use neuron::message::names::{BlockNumber, StageId, Uid};
    use neuron::message::transfer::Direction;

    use super::*;
    use crate::machine::audit::{Finding, MinerReport};

    fn miner(n: u8) -> Identity {
        Identity { hotkey: AccountId([n; 32]), uid: Uid(n.into()), registered_at: BlockNumber(10) }
    }

    fn finding(microbatch: u32) -> Finding {
        let fault = Fault::FalseLeaf { microbatch, direction: Direction::Forward };
        Finding { fault, evidence: Hash([u8::try_from(microbatch).unwrap(); 32]) }
    }

    fn report(window: u32, identity: Identity, standing: Standing, findings: Vec<Finding>) -> WindowReport {
        let miner = MinerReport { identity, stage: StageId(0), standing, leaves: 4, passes: 4, confirmed: 0, findings };
        WindowReport {
            window: WindowId(window),
            drawn: vec![],
            audited: vec![],
            states: None,
            settled: 4,
            miners: vec![miner],
        }
    }

    fn nobody() -> SilenceReports {
        SilenceReports::default()
    }

    #[test]
    fn one_false_leaf_voids_and_marks_and_a_second_convicts() {
        let mut book = VerdictBook::default();
        book.rule(&report(1, miner(1), Standing::Sound, vec![finding(3)]), &nobody(), None);
        assert_eq!(book.void(&miner(1), WindowId(1)), Some(VoidReason::FalseLeaf));
        assert_eq!(book.void(&miner(1), WindowId(2)), None);
        assert_eq!(book.conviction(&miner(1)), None);
        assert_eq!(book.suspects([miner(1), miner(2)].iter()), [miner(1).hotkey]);
        book.rule(&report(4, miner(1), Standing::Sound, vec![finding(5)]), &nobody(), None);
        let conviction = book.conviction(&miner(1)).unwrap();
        assert_eq!(conviction.evidence, [finding(3).evidence, finding(5).evidence]);
        assert!(book.suspects([miner(1)].iter()).is_empty(), "nothing more is to be learnt about a convict");
    }

    #[test]
    fn the_same_microbatch_counts_once_and_the_same_report_too() {
        let mut book = VerdictBook::default();
        let twice = report(1, miner(1), Standing::Sound, vec![finding(3), finding(3)]);
        assert_eq!(book.rule(&twice, &nobody(), None).len(), 2);
        assert_eq!(book.rule(&twice, &nobody(), None), []);
        assert_eq!(book.conviction(&miner(1)), None);
        // The same index in another window is another microbatch.
        book.rule(&report(2, miner(1), Standing::Sound, vec![finding(3)]), &nobody(), None);
        assert!(book.conviction(&miner(1)).is_some());
    }

    #[test]
    fn levels_rise_by_what_is_far_fall_by_what_is_near_and_convict_at_the_limit() {
        let drift = DriftRules::new(100, 201).unwrap();
        let far = |microbatch: u32| Finding {
            fault: Fault::FarLeaf { microbatch, direction: Direction::Backward },
            evidence: Hash([u8::try_from(microbatch).unwrap(); 32]),
        };
        let window = |window: u32, confirmed: u32, findings: Vec<Finding>| {
            let mut report = report(window, miner(1), Standing::Sound, findings);
            report.miners[0].confirmed = confirmed;
            report
        };
        let mut book = VerdictBook::default();
        book.rule(&window(1, 10, vec![far(3), far(3)]), &nobody(), Some(&drift));
        assert_eq!(book.level(&miner(1)), 100, "nothing below zero, and a microbatch counts once");
        assert_eq!(book.void(&miner(1), WindowId(1)), None);
        assert_eq!(book.suspects([miner(1), miner(2)].iter()), [miner(1).hotkey]);
        book.rule(&window(2, 100, vec![]), &nobody(), Some(&drift));
        assert_eq!((book.level(&miner(1)), book.suspects([miner(1)].iter()).len()), (0, 0), "it was chance");
        book.forget(WindowId(2));
        assert_eq!(book.all(), [], "and is forgotten");

        book.rule(&window(3, 0, vec![far(4)]), &nobody(), Some(&drift));
        book.rule(&window(4, 30, vec![far(5)]), &nobody(), Some(&drift));
        book.forget(WindowId(9));
        assert_eq!((book.level(&miner(1)), book.conviction(&miner(1))), (170, None));
        book.rule(&window(9, 0, vec![far(6)]), &nobody(), Some(&drift));
        let conviction = book.conviction(&miner(1)).unwrap();
        assert_eq!(conviction.evidence, [far(4).evidence, far(5).evidence, far(6).evidence]);
        assert!(book.suspects([miner(1)].iter()).is_empty());
        // An exact run has no levels.
        let mut exact = VerdictBook::default();
        assert_eq!(exact.rule(&window(1, 0, vec![far(3), far(4), far(5)]), &nobody(), None), []);
    }

    #[test]
    fn a_contradiction_convicts_at_once_and_the_verdict_follows_the_miner() {
        let mut book = VerdictBook::default();
        let fault = Finding { fault: Fault::Contradiction, evidence: Hash([9; 32]) };
        book.rule(&report(1, miner(1), Standing::Sound, vec![fault]), &nobody(), None);
        assert!(book.conviction(&miner(1)).is_some());
        let swapped = Identity { hotkey: AccountId([7; 32]), ..miner(1) };
        assert!(book.conviction(&swapped).is_some());
        let again = Identity { uid: Uid(99), registered_at: BlockNumber(500), ..miner(1) };
        assert!(book.conviction(&again).is_some());
        let successor = Identity { registered_at: BlockNumber(500), ..swapped };
        assert_eq!(book.conviction(&successor), None);
    }

    #[test]
    fn silence_needs_more_than_half_of_the_stake() {
        let silent: BTreeSet<_> = [miner(1).hotkey].into();
        let says = |validator: u8, stake, silent: &BTreeSet<AccountId>| SilenceReport {
            validator: AccountId([validator; 32]),
            stake,
            silent: silent.clone(),
        };
        let report = report(1, miner(1), Standing::Silent, vec![]);
        let ruled = |reports: Vec<SilenceReport>| {
            let mut book = VerdictBook::default();
            book.rule(&report, &SilenceReports { total_stake: 100, reports }, None);
            assert_eq!(book.conviction(&miner(1)), None, "silence convicts nobody");
            book.void(&miner(1), WindowId(1))
        };
        assert_eq!(ruled(vec![says(1, 50, &silent)]), None);
        assert_eq!(ruled(vec![says(1, 50, &silent), says(2, 1, &silent)]), Some(VoidReason::Silent));
        assert_eq!(ruled(vec![says(1, 30, &silent), says(1, 30, &silent)]), None, "one validator, one voice");
        assert_eq!(ruled(vec![says(1, 50, &silent), says(2, 50, &BTreeSet::new())]), None);
        let mut book = VerdictBook::default();
        book.rule(&report, &SilenceReports::of_one(AccountId([1; 32]), silent), None);
        assert_eq!(book.void(&miner(1), WindowId(1)), Some(VoidReason::Silent));
    }

    #[test]
    fn other_standings_void_one_window_and_absence_none() {
        for (standing, void) in [
            (Standing::BadCommitment, Some(VoidReason::BadCommitment)),
            (Standing::OtherWeights, Some(VoidReason::OtherWeights)),
            (Standing::UnsignedInputs, Some(VoidReason::UnsignedInputs)),
            (Standing::Absent, None),
            (Standing::Sound, None),
        ] {
            let mut book = VerdictBook::default();
            for window in 0..20 {
                book.rule(&report(window, miner(1), standing, vec![]), &nobody(), None);
            }
            assert_eq!(book.void(&miner(1), WindowId(7)), void);
            assert_eq!(book.conviction(&miner(1)), None, "no number of them convicts");
            book.forget(WindowId(18));
            assert_eq!(book.all().len(), if void.is_some() { 2 } else { 0 });
        }
    }

    #[test]
    fn a_book_survives_its_encoding() {
        let mut book = VerdictBook::default();
        book.rule(&report(1, miner(1), Standing::OtherWeights, vec![finding(3)]), &nobody(), None);
        let bytes = neuron::wire::encode::<_, 4096>(&book).unwrap();
        assert_eq!(neuron::wire::decode::<VerdictBook, 4096>(&bytes).unwrap(), book);
    }
}
