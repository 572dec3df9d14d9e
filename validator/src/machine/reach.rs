//! Which miners answer: the first, weakest claim a validator checks, sans-IO.
//!
//! Every [`ROUND_BLOCKS`] the validator asks each miner for a signature over a fresh nonce. A miner's score is the share
//! of the last [`ROUNDS_KEPT`] rounds that it answered in time and with a good signature. This pays for being reachable
//! and for nothing else; it is what is left when no verified work is to be paid.

use std::collections::{BTreeMap, VecDeque};

use keys::AccountId;

/// Blocks between two rounds of questions.
pub const ROUND_BLOCKS: u64 = 10;

/// Rounds a score looks back on.
pub const ROUNDS_KEPT: usize = 12;

/// Weight of a miner that answered every round it was asked in.
pub const FULL_SCORE: u64 = 1_000_000;

/// A miner as the metagraph lists it: no validator permit, and an axon to be asked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miner {
    /// Its uid in the subnet.
    pub uid: u16,
    /// Its hotkey. A uid that changes hands starts anew.
    pub hotkey: AccountId,
}

/// A question to put to a miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whom to ask.
    pub hotkey: AccountId,
    /// The round the answer counts for.
    pub round: u64,
}

/// The book of who answered.
#[derive(Debug, Default)]
pub struct Reach {
    round: u64,
    last_block: Option<u64>,
    uids: BTreeMap<AccountId, u16>,
    answers: BTreeMap<AccountId, VecDeque<(u64, bool)>>,
}

impl Reach {
    /// A new finalized block, with the miners of the metagraph at it. Returns the questions of a round that begins here.
    pub fn on_block(&mut self, block: u64, miners: &[Miner]) -> Vec<Question> {
        self.uids = miners.iter().map(|m| (m.hotkey, m.uid)).collect();
        self.answers.retain(|hotkey, _| self.uids.contains_key(hotkey));
        if self.last_block.is_some_and(|last| block < last + ROUND_BLOCKS) {
            return Vec::new();
        }
        self.last_block = Some(block);
        self.round += 1;
        let round = self.round;
        for miner in miners {
            let book = self.answers.entry(miner.hotkey).or_default();
            // Silent until it answers: whoever never speaks again keeps this `false`.
            book.push_back((round, false));
            while book.len() > ROUNDS_KEPT {
                book.pop_front();
            }
        }
        miners.iter().map(|m| Question { hotkey: m.hotkey, round }).collect()
    }

    /// A miner answered a question with a good signature. An answer to a round that is forgotten counts for nothing.
    pub fn answered(&mut self, question: Question) {
        if let Some(book) = self.answers.get_mut(&question.hotkey)
            && let Some(entry) = book.iter_mut().find(|(round, _)| *round == question.round)
        {
            entry.1 = true;
        }
    }

    /// (uid, score in 0..=[`FULL_SCORE`]) of every miner that was asked at least once, ascending by uid.
    /// The running round counts only where it is answered already.
    pub fn scores(&self) -> Vec<(u16, u64)> {
        let mut scores: Vec<_> = self
            .answers
            .iter()
            .filter_map(|(hotkey, book)| {
                let settled = book.iter().filter(|(round, yes)| *yes || *round < self.round);
                let (asked, yes) = settled.fold((0u64, 0u64), |(n, y), (_, a)| (n + 1, y + u64::from(*a)));
                let uid = self.uids.get(hotkey)?;
                (asked > 0).then(|| (*uid, FULL_SCORE * yes / asked))
            })
            .collect();
        scores.sort_unstable();
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn miner(uid: u16) -> Miner {
        Miner { uid, hotkey: AccountId([uid as u8; 32]) }
    }

    #[test]
    fn scores_are_the_share_of_rounds_answered() {
        let mut reach = Reach::default();
        let miners = [miner(1), miner(2), miner(3)];
        for round in 0..4 {
            let questions = reach.on_block(round * ROUND_BLOCKS, &miners);
            assert_eq!(questions.len(), 3);
            reach.answered(questions[0]);
            if round % 2 == 0 {
                reach.answered(questions[1]);
            }
        }
        // Miner 2 answered two of three settled rounds; miner 3 none.
        assert_eq!(reach.scores(), [(1, FULL_SCORE), (2, FULL_SCORE * 2 / 3), (3, 0)]);
    }

    #[test]
    fn no_round_before_its_time_and_old_rounds_are_forgotten() {
        let mut reach = Reach::default();
        let miners = [miner(1)];
        let first = reach.on_block(100, &miners)[0];
        assert!(reach.on_block(100 + ROUND_BLOCKS - 1, &miners).is_empty());
        for round in 1..=ROUNDS_KEPT as u64 {
            reach.on_block(100 + round * ROUND_BLOCKS, &miners);
        }
        reach.answered(first);
        assert_eq!(reach.scores(), [(1, 0)], "an answer to a forgotten round counts for nothing");
    }

    #[test]
    fn a_uid_that_changes_hands_starts_anew() {
        let mut reach = Reach::default();
        let old = reach.on_block(0, &[miner(1)])[0];
        reach.answered(old);
        let taken_over = Miner { uid: 1, hotkey: AccountId([9; 32]) };
        reach.on_block(ROUND_BLOCKS, &[taken_over]);
        reach.answered(old);
        assert_eq!(reach.scores(), []);
    }
}
