//! What counting alone achieves: the entropy of the best unigram and bigram models fitted on the training bytes. A model
//! that does not beat the bigram has learnt nothing that a table of 65,536 counts does not know.

/// Discounts tried; the one that does best on the training bytes' own tail is used.
const DISCOUNTS: [f64; 8] = [0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95];

/// Nats per byte of the held-out bytes under the best unigram model of the training bytes (counts, plus one half each).
pub fn unigram_entropy(training: &[u8], held_out: &[u8]) -> f64 {
    let unigram = Unigram::fit(training);
    mean(held_out.iter().map(|&byte| -unigram.probability(byte).ln()))
}

/// Nats per byte of the held-out bytes, each but the first given the one before, under the best bigram model of the
/// training bytes: absolute discounting, interpolated with the unigram; the discount is tuned on the last tenth of
/// the training bytes with a model of the rest.
pub fn bigram_entropy(training: &[u8], held_out: &[u8]) -> f64 {
    let (fit, tune) = training.split_at(training.len() - training.len() / 10);
    let trial = Bigram::fit(fit);
    let loss = |&discount: &f64| trial.entropy(tune, discount);
    let discount = DISCOUNTS.iter().copied().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap_or(DISCOUNTS[0]);
    Bigram::fit(training).entropy(held_out, discount)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    sum / count.max(1) as f64
}

struct Unigram {
    counts: [u64; 256],
    total: u64,
}

impl Unigram {
    fn fit(bytes: &[u8]) -> Self {
        let mut counts = [0; 256];
        for &byte in bytes {
            counts[usize::from(byte)] += 1;
        }
        Self { counts, total: bytes.len() as u64 }
    }

    fn probability(&self, byte: u8) -> f64 {
        (self.counts[usize::from(byte)] as f64 + 0.5) / (self.total as f64 + 128.0)
    }
}

struct Bigram {
    unigram: Unigram,
    /// Row: the byte before.
    counts: Vec<[u32; 256]>,
    totals: [u64; 256],
    kinds: [u32; 256],
}

impl Bigram {
    fn fit(bytes: &[u8]) -> Self {
        let mut counts = vec![[0u32; 256]; 256];
        for pair in bytes.windows(2) {
            let count = &mut counts[usize::from(pair[0])][usize::from(pair[1])];
            *count = count.saturating_add(1);
        }
        let (mut totals, mut kinds) = ([0; 256], [0; 256]);
        for (row, (total, kinds)) in counts.iter().zip(totals.iter_mut().zip(&mut kinds)) {
            *total = row.iter().map(|&count| u64::from(count)).sum();
            *kinds = row.iter().filter(|&&count| count > 0).count() as u32;
        }
        Self { unigram: Unigram::fit(bytes), counts, totals, kinds }
    }

    fn probability(&self, before: u8, byte: u8, discount: f64) -> f64 {
        let (before, unigram) = (usize::from(before), self.unigram.probability(byte));
        if self.totals[before] == 0 {
            return unigram;
        }
        let total = self.totals[before] as f64;
        let seen = (f64::from(self.counts[before][usize::from(byte)]) - discount).max(0.0) / total;
        seen + discount * f64::from(self.kinds[before]) / total * unigram
    }

    fn entropy(&self, bytes: &[u8], discount: f64) -> f64 {
        mean(bytes.windows(2).map(|pair| -self.probability(pair[0], pair[1], discount).ln()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let bigram = Bigram::fit(b"the quick brown fox jumps over the lazy dog, then the fox sleeps");
        for before in [b't', b' ', b'x', 0] {
            for discount in DISCOUNTS {
                let sum: f64 = (0..=255).map(|byte| bigram.probability(before, byte, discount)).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{before} {discount}: {sum}");
            }
        }
    }

    #[test]
    fn known_sources_have_their_known_entropy() {
        // After 'a' always 'b', after 'b' always 'a': ln 2 a byte alone, nothing in pairs.
        let alternating = b"ab".repeat(5000);
        assert!((unigram_entropy(&alternating, &alternating) - 2f64.ln()).abs() < 0.02);
        assert!(bigram_entropy(&alternating, &alternating) < 0.01);
        // Independent bytes, uniform over eight: ln 8 either way.
        let uniform: Vec<u8> =
            crate::ops::oracle::pseudo_random(5, 60_000).iter().map(|v| ((v + 1.0) * 3.999) as u8).collect();
        assert!((unigram_entropy(&uniform, &uniform) - 8f64.ln()).abs() < 0.01);
        assert!((bigram_entropy(&uniform[..50_000], &uniform[50_000..]) - 8f64.ln()).abs() < 0.01);
    }

    #[test]
    fn the_unseen_is_possible() {
        assert!(bigram_entropy(&[b'a'; 1000], b"zebra").is_finite());
    }
}
