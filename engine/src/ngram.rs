//! What counting alone achieves: the entropy of the best unigram and bigram models fitted on the training tokens. A model
//! that does not beat the bigram has learnt nothing that a table of pairs does not know.
//!
//! Entropies are in nats per token: what a model's loss over the same tokens may be compared with, and no other.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use crate::data::Ids;

/// Discounts tried; the one that does best on the training tokens' own tail is used.
const DISCOUNTS: [f64; 8] = [0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95];
/// Most tokens that are counted: more hardly change a table, and every new pair takes memory.
const MAX_COUNTED: usize = 1 << 28;

/// Nats per held-out token under the best unigram model of the training tokens (counts, plus one half each). Ids are
/// below `vocab`.
pub fn unigram_entropy(vocab: usize, training: Ids<'_>, held_out: Ids<'_>) -> f64 {
    let unigram = Unigram::fit(vocab, training.at(0..MAX_COUNTED));
    mean(held_out.iter().map(|id| -unigram.probability(id).ln()))
}

/// Nats per held-out token, each but the first given the one before, under the best bigram model of the training tokens:
/// absolute discounting, interpolated with the unigram; the discount is tuned on the last tenth of the training tokens
/// with a model of the rest. Ids are below `vocab`.
pub fn bigram_entropy(vocab: usize, training: Ids<'_>, held_out: Ids<'_>) -> f64 {
    let counted = training.len().min(MAX_COUNTED);
    let fit = counted - counted / 10;
    let trial = Bigram::fit(vocab, || training.at(0..fit));
    let loss = |&discount: &f64| trial.entropy(training.at(fit..counted), discount);
    let discount = DISCOUNTS.iter().copied().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap_or(DISCOUNTS[0]);
    drop(trial);
    Bigram::fit(vocab, || training.at(0..counted)).entropy(held_out.iter(), discount)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    sum / count.max(1) as f64
}

/// Each token with the one before.
fn pairs(ids: impl Iterator<Item = u32>) -> impl Iterator<Item = (u32, u32)> {
    let mut before = None;
    ids.filter_map(move |id| before.replace(id).map(|before| (before, id)))
}

struct Unigram {
    counts: Vec<u64>,
    total: u64,
}

impl Unigram {
    fn fit(vocab: usize, ids: impl Iterator<Item = u32>) -> Self {
        let (mut counts, mut total) = (vec![0; vocab], 0);
        for id in ids {
            if let Some(count) = counts.get_mut(id as usize) {
                *count += 1;
            }
            total += 1;
        }
        Self { counts, total }
    }

    fn probability(&self, id: u32) -> f64 {
        let count = self.counts.get(id as usize).copied().unwrap_or(0);
        (count as f64 + 0.5) / (self.total as f64 + self.counts.len() as f64 / 2.0)
    }
}

/// Spreads a pair over a table. Nobody gains by pairs that collide here: they cost their owner's time alone.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

struct Bigram {
    unigram: Unigram,
    /// By pair: the token before in the high half.
    counts: HashMap<u64, u32, BuildHasherDefault<Spread>>,
    /// By the token before.
    totals: Vec<u64>,
    kinds: Vec<u32>,
}

fn key((before, id): (u32, u32)) -> u64 {
    u64::from(before) << 32 | u64::from(id)
}

impl Bigram {
    fn fit<I: Iterator<Item = u32>>(vocab: usize, ids: impl Fn() -> I) -> Self {
        let mut counts = HashMap::<u64, u32, _>::default();
        let (mut totals, mut kinds) = (vec![0; vocab], vec![0; vocab]);
        for pair in pairs(ids()).filter(|(before, _)| (*before as usize) < vocab) {
            let (before, count) = (pair.0 as usize, counts.entry(key(pair)).or_default());
            if *count == 0 {
                kinds[before] += 1;
            }
            *count = count.saturating_add(1);
            totals[before] += 1;
        }
        Self { unigram: Unigram::fit(vocab, ids()), counts, totals, kinds }
    }

    fn probability(&self, before: u32, id: u32, discount: f64) -> f64 {
        let unigram = self.unigram.probability(id);
        let total = self.totals.get(before as usize).copied().unwrap_or(0);
        if total == 0 {
            return unigram;
        }
        let count = self.counts.get(&key((before, id))).copied().unwrap_or(0);
        let seen = (f64::from(count) - discount).max(0.0) / total as f64;
        seen + discount * f64::from(self.kinds[before as usize]) / total as f64 * unigram
    }

    fn entropy(&self, ids: impl Iterator<Item = u32>, discount: f64) -> f64 {
        mean(pairs(ids).map(|(before, id)| -self.probability(before, id, discount).ln()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Ids<'_> {
        bytes.into()
    }

    #[test]
    fn probabilities_sum_to_one() {
        let said = b"the quick brown fox jumps over the lazy dog, then the fox sleeps";
        let bigram = Bigram::fit(256, || text(said).iter());
        for before in [b't', b' ', b'x', 0] {
            for discount in DISCOUNTS {
                let sum: f64 = (0..=255).map(|id| bigram.probability(before.into(), id, discount)).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{before} {discount}: {sum}");
            }
        }
    }

    #[test]
    fn known_sources_have_their_known_entropy() {
        // After 'a' always 'b', after 'b' always 'a': ln 2 a byte alone, nothing in pairs.
        let alternating = b"ab".repeat(5000);
        let alternating = text(&alternating);
        assert!((unigram_entropy(256, alternating, alternating) - 2f64.ln()).abs() < 0.02);
        assert!(bigram_entropy(256, alternating, alternating) < 0.01);
        // Independent bytes, uniform over eight: ln 8 either way.
        let uniform: Vec<u8> =
            crate::ops::oracle::pseudo_random(5, 60_000).iter().map(|v| ((v + 1.0) * 3.999) as u8).collect();
        let (training, held_out) = (text(&uniform[..50_000]), text(&uniform[50_000..]));
        assert!((unigram_entropy(256, text(&uniform), text(&uniform)) - 8f64.ln()).abs() < 0.01);
        assert!((bigram_entropy(256, training, held_out) - 8f64.ln()).abs() < 0.01);
    }

    /// A bigram model of few words is exact whatever ids stand for them.
    #[test]
    fn what_an_id_is_called_changes_nothing_but_the_prior() {
        let words = [3u16, 60_000, 3, 7, 60_000, 7].repeat(4_000);
        let wide: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let narrow: Vec<u8> = words.iter().map(|word| (word % 251) as u8).collect();
        let corpus =
            crate::data::Corpus::held_by(std::sync::Arc::new(wide.repeat(4)), crate::data::IdWidth::Two).unwrap();
        let (training, held_out) = (corpus.training(), corpus.held_out());
        let narrow = crate::data::Corpus::new(&narrow.repeat(4)).unwrap();
        let same = bigram_entropy(1 << 16, training, held_out);
        assert!((same - bigram_entropy(256, narrow.training(), narrow.held_out())).abs() < 1e-3, "{same}");
        assert!((0.4..0.7).contains(&same), "{same}");
    }

    #[test]
    fn the_unseen_is_possible() {
        assert!(bigram_entropy(256, text(&[b'a'; 1000]), text(b"zebra")).is_finite());
    }
}
