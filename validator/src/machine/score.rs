//! From verified work to weights.
//!
//! ```text
//! score = Σ over the last windows (passes · FLOPs of the stage's pass)  ·  ramp  ·  hardware      (0 when convicted)
//! ```
//!
//! Passes are those of settled paths, cross-checked between neighbours' committed leaves (`path`), less those that an
//! audit found corrupted. A window counts when its audits have closed and its verdicts are ruled. Every factor is kept, so
//! that `explain` can show why a miner has the weight it has.
//!
//! Why a ramp: a new hotkey costs a burn, and what can be gained by cheating under one until it is caught has to stay
//! below that burn and what the ramp withholds.

use std::collections::VecDeque;
use std::fmt;

use bincode::{Decode, Encode};
use neuron::message::names::{BlockNumber, StageId, WindowId};

use super::audit::{Standing, WindowReport};
use super::identity::Identity;
use super::verdict::{Verdict, VerdictBook, VoidReason};

/// Most windows that a score looks back on.
pub const MAX_MEMORY_WINDOWS: usize = 256;
/// A factor of one.
pub const FULL_PER_MILLE: u64 = 1000;

/// What a score goes by.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ScoreRules {
    /// What one pass, forward and backward, costs in each stage; only their ratios matter. The first stage embeds, the
    /// last computes the loss, so passes are not worth the same.
    pub stage_flops: Vec<u64>,
    /// Windows that count, at most [`MAX_MEMORY_WINDOWS`]. Few: weights jump. Many: who stops working is paid on.
    pub memory_windows: usize,
    /// Blocks from registration until a miner has its full score, growing evenly.
    pub ramp_blocks: u64,
}

/// Reports of the windows that count, to be persisted whole.
#[derive(Clone, PartialEq, Debug, Default, Encode, Decode)]
pub struct ScoreBook {
    reports: VecDeque<WindowReport>,
}

/// A window in a miner's explanation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WindowRow {
    /// The window.
    pub window: WindowId,
    /// The stage hosted.
    pub stage: StageId,
    /// How the miner stood.
    pub standing: Standing,
    /// Leaves that it committed to.
    pub leaves: u32,
    /// Passes that count.
    pub passes: u32,
    /// Passes that this validator recomputed and confirmed.
    pub confirmed: u32,
    /// Worth of a pass.
    pub flops_per_pass: u64,
    /// Why nothing is paid, if nothing is.
    pub void: Option<VoidReason>,
    /// What the window adds.
    pub work: u64,
}

/// Every factor of a miner's score.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// Who.
    pub identity: Identity,
    /// The windows that count, oldest first.
    pub windows: Vec<WindowRow>,
    /// Their sum.
    pub work: u64,
    /// Of a thousand, what the miner's age leaves it.
    pub ramp_per_mille: u64,
    /// Of a thousand, what its hardware proof leaves it.
    pub hardware_per_mille: u64,
    /// The verdict that makes all of it nothing.
    pub conviction: Option<Verdict>,
    /// The product.
    pub score: u64,
}

impl ScoreBook {
    /// A window's audits are closed and ruled on. Windows that could not be audited, and second reports of one, are not
    /// taken in.
    pub fn close(&mut self, rules: &ScoreRules, report: WindowReport) {
        let is_known = self.reports.iter().any(|known| known.window == report.window);
        if is_known || !report.is_payable() {
            return;
        }
        let place = self.reports.partition_point(|known| known.window < report.window);
        self.reports.insert(place, report);
        while self.reports.len() > rules.memory_windows.min(MAX_MEMORY_WINDOWS) {
            self.reports.pop_front();
        }
    }

    /// The oldest window that counts.
    pub fn oldest(&self) -> Option<WindowId> {
        self.reports.front().map(|report| report.window)
    }

    /// Miners that did not show what they were asked for in a window that counts: who hides is to be looked at by everybody.
    pub fn silent(&self) -> impl Iterator<Item = &Identity> {
        let miners = self.reports.iter().flat_map(|report| &report.miners);
        miners.filter(|miner| miner.standing == Standing::Silent).map(|miner| &miner.identity)
    }

    /// Every factor of a miner's score at a block. `hardware_per_mille` comes from its last proof.
    pub fn explain(
        &self,
        rules: &ScoreRules,
        verdicts: &VerdictBook,
        now: BlockNumber,
        identity: Identity,
        hardware_per_mille: u64,
    ) -> Explanation {
        let row_of = |report: &WindowReport| {
            let miner = report.miners.iter().find(|miner| miner.identity.is(&identity))?;
            let flops_per_pass = rules.stage_flops.get(usize::from(miner.stage.0)).copied().unwrap_or(0);
            let void = verdicts.void(&identity, report.window);
            let passes = if void.is_some() { 0 } else { miner.passes };
            Some(WindowRow {
                window: report.window,
                stage: miner.stage,
                standing: miner.standing,
                leaves: miner.leaves,
                passes: miner.passes,
                confirmed: miner.confirmed,
                flops_per_pass,
                void,
                work: u64::from(passes).saturating_mul(flops_per_pass),
            })
        };
        let windows: Vec<_> = self.reports.iter().filter_map(row_of).collect();
        let work = windows.iter().fold(0u64, |sum, row| sum.saturating_add(row.work));
        let age_blocks = now.0.saturating_sub(identity.registered_at.0);
        let ramp_per_mille = match rules.ramp_blocks {
            0 => FULL_PER_MILLE,
            ramp => age_blocks.min(ramp).saturating_mul(FULL_PER_MILLE) / ramp,
        };
        let hardware_per_mille = hardware_per_mille.min(FULL_PER_MILLE);
        let conviction = verdicts.conviction(&identity).cloned();
        let product = u128::from(work) * u128::from(ramp_per_mille) * u128::from(hardware_per_mille);
        let score = if conviction.is_some() { 0 } else { u64::try_from(product).unwrap_or(u64::MAX) };
        Explanation { identity, windows, work, ramp_per_mille, hardware_per_mille, conviction, score }
    }

    /// (uid, score) of every miner, ascending by uid.
    pub fn scores(
        &self,
        rules: &ScoreRules,
        verdicts: &VerdictBook,
        now: BlockNumber,
        miners: &[Identity],
        hardware_per_mille: impl Fn(&Identity) -> u64,
    ) -> Vec<(u16, u64)> {
        let score = |miner: &Identity| {
            (miner.uid.0, self.explain(rules, verdicts, now, *miner, hardware_per_mille(miner)).score)
        };
        let mut scores: Vec<_> = miners.iter().map(score).collect();
        scores.sort_unstable();
        scores
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.identity)?;
        for row in &self.windows {
            write!(
                f,
                "  window {:>6}  stage {:>3}  {} of {} leaves settled, {} recomputed, x {} = {}",
                row.window.0, row.stage.0, row.passes, row.leaves, row.confirmed, row.flops_per_pass, row.work
            )?;
            match (row.void, row.standing) {
                (Some(void), _) => writeln!(f, "  void: {void:?}")?,
                (None, Standing::Sound) => writeln!(f)?,
                (None, standing) => writeln!(f, "  not paid: {standing:?}")?,
            }
        }
        writeln!(f, "  work      {}", self.work)?;
        writeln!(f, "  ramp      {} of {FULL_PER_MILLE}", self.ramp_per_mille)?;
        writeln!(f, "  hardware  {} of {FULL_PER_MILLE}", self.hardware_per_mille)?;
        if let Some(conviction) = &self.conviction {
            writeln!(f, "  convicted in window {}, on evidence:", conviction.window.0)?;
            for evidence in &conviction.evidence {
                writeln!(f, "    {evidence}")?;
            }
        }
        write!(f, "  score     {}", self.score)
    }
}

#[cfg(test)]
mod tests {
    use keys::AccountId;
    use neuron::message::names::{Hash, Uid};

    use super::*;
    use crate::machine::audit::{Fault, Finding, MinerReport};
    use crate::machine::verdict::SilenceReports;

    fn miner(n: u8) -> Identity {
        Identity { hotkey: AccountId([n; 32]), uid: Uid(n.into()), registered_at: BlockNumber(100) }
    }

    fn rules() -> ScoreRules {
        ScoreRules { stage_flops: vec![10, 30], memory_windows: 3, ramp_blocks: 1000 }
    }

    fn of(identity: Identity, stage: u16, passes: u32, findings: Vec<Finding>) -> MinerReport {
        let stage = StageId(stage);
        MinerReport { identity, stage, standing: Standing::Sound, leaves: passes, passes, confirmed: 1, findings }
    }

    fn report(window: u32, miners: Vec<MinerReport>) -> WindowReport {
        WindowReport { window: WindowId(window), drawn: vec![1], audited: vec![1], states: None, settled: 8, miners }
    }

    fn scores(book: &ScoreBook, verdicts: &VerdictBook, now: u64, miners: &[Identity]) -> Vec<(u16, u64)> {
        book.scores(&rules(), verdicts, BlockNumber(now), miners, |_| FULL_PER_MILLE)
    }

    #[test]
    fn passes_are_weighed_by_their_stage_over_the_last_windows() {
        let (mut book, verdicts) = (ScoreBook::default(), VerdictBook::default());
        for window in [1, 0, 2, 3] {
            book.close(&rules(), report(window, vec![of(miner(1), 0, 6, vec![]), of(miner(2), 1, 2, vec![])]));
        }
        book.close(&rules(), report(3, vec![of(miner(1), 0, 600, vec![])]));
        assert_eq!(book.oldest(), Some(WindowId(1)));
        let full = scores(&book, &verdicts, 5000, &[miner(2), miner(1), miner(3)]);
        assert_eq!(full, [(1, 3 * 60 * 1_000_000), (2, 3 * 60 * 1_000_000), (3, 0)]);
        let young = scores(&book, &verdicts, 350, &[miner(1)]);
        assert_eq!(young, [(1, 3 * 60 * 250 * 1000)], "a quarter of the ramp");
        assert_eq!(scores(&book, &verdicts, 100, &[miner(1)]), [(1, 0)]);
    }

    #[test]
    fn a_window_that_could_not_be_audited_is_not_paid_to_anybody() {
        let (mut book, verdicts) = (ScoreBook::default(), VerdictBook::default());
        let blind = WindowReport { audited: vec![], ..report(1, vec![of(miner(1), 0, 6, vec![])]) };
        book.close(&rules(), blind.clone());
        assert_eq!(scores(&book, &verdicts, 5000, &[miner(1)]), [(1, 0)]);
        book.close(&rules(), WindowReport { drawn: vec![], ..blind });
        assert_eq!(scores(&book, &verdicts, 5000, &[miner(1)]), [(1, 60_000_000)], "nothing fell to us");
    }

    #[test]
    fn voids_take_one_window_and_a_conviction_takes_all() {
        let (mut book, mut verdicts) = (ScoreBook::default(), VerdictBook::default());
        let finding = |fault| Finding { fault, evidence: Hash([1; 32]) };
        let direction = neuron::message::transfer::Direction::Backward;
        let strike = finding(Fault::FalseLeaf { microbatch: 1, direction });
        for (window, findings) in [(1, vec![]), (2, vec![strike]), (3, vec![])] {
            let report = report(window, vec![of(miner(1), 0, 6, findings)]);
            verdicts.rule(&report, &SilenceReports::default(), None);
            book.close(&rules(), report);
        }
        assert_eq!(scores(&book, &verdicts, 5000, &[miner(1)]), [(1, 2 * 60 * 1_000_000)]);
        let explained = book.explain(&rules(), &verdicts, BlockNumber(5000), miner(1), FULL_PER_MILLE);
        assert_eq!(explained.windows[1].void, Some(VoidReason::FalseLeaf));
        assert!(explained.to_string().contains("void: FalseLeaf"), "{explained}");
        let contradiction = report(4, vec![of(miner(1), 0, 6, vec![finding(Fault::Contradiction)])]);
        verdicts.rule(&contradiction, &SilenceReports::default(), None);
        assert_eq!(scores(&book, &verdicts, 5000, &[miner(1)]), [(1, 0)]);
        let explained = book.explain(&rules(), &verdicts, BlockNumber(5000), miner(1), FULL_PER_MILLE);
        assert!(explained.to_string().contains(&Hash([1; 32]).to_string()), "{explained}");
    }

    #[test]
    fn a_successor_in_the_slot_inherits_neither_pay_nor_blame() {
        let (mut book, verdicts) = (ScoreBook::default(), VerdictBook::default());
        book.close(&rules(), report(1, vec![of(miner(1), 0, 6, vec![])]));
        let successor = Identity { hotkey: AccountId([9; 32]), registered_at: BlockNumber(101), ..miner(1) };
        assert_eq!(scores(&book, &verdicts, 5000, &[successor]), [(1, 0)]);
    }

    #[test]
    fn hardware_scales_and_nothing_overflows() {
        let (mut book, verdicts) = (ScoreBook::default(), VerdictBook::default());
        book.close(&rules(), report(1, vec![of(miner(1), 0, 6, vec![])]));
        let half = book.explain(&rules(), &verdicts, BlockNumber(5000), miner(1), 500);
        assert_eq!(half.score, 60 * 1000 * 500);
        let huge = ScoreRules { stage_flops: vec![u64::MAX], ..rules() };
        assert_eq!(book.explain(&huge, &verdicts, BlockNumber(5000), miner(1), 9999).score, u64::MAX);
    }
}
