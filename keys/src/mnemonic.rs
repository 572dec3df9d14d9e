//! Recovery phrases: BIP-39 words, read Substrate's way.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::{CryptoType, Keypair};

/// How many words a phrase may have.
pub const WORD_COUNTS: [usize; 5] = [12, 15, 18, 21, 24];

/// Longest text that is tried as a phrase: 24 words of at most 8 letters, with room for untidy spacing.
const MAX_PHRASE_BYTES: usize = 1024;

/// Room for the longest phrase: 24 words of at most 8 letters, and the spaces between them.
const PHRASE_CAPACITY_BYTES: usize = 24 * 8 + 23;

/// A recovery phrase: English BIP-39 words that a key can be made from again.
///
/// The key comes from the phrase's *entropy* (Substrate's way), not from the words' PBKDF2 seed (Bitcoin's): the same
/// words give other keys in other ecosystems.
///
/// Wiped from memory on drop; `Debug` shows the number of words only.
#[derive(Clone)]
pub struct Mnemonic {
    phrase: Zeroizing<String>,
    entropy: Zeroizing<Vec<u8>>,
}

/// Why words are no recovery phrase. No message shows any of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MnemonicError {
    /// Not a phrase's length.
    #[error("a recovery phrase has 12, 15, 18, 21 or 24 words, this one has {words} words")]
    WordCount {
        /// How many words were given.
        words: usize,
    },
    /// Longer than any phrase.
    #[error("a recovery phrase has at most {MAX_PHRASE_BYTES} bytes, this text has {bytes}")]
    TooLong {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// A word outside the list.
    #[error("word {position} is not in the English BIP-39 word list; check its spelling")]
    UnknownWord {
        /// Its place, counted from 1.
        position: usize,
    },
    /// The words are known, their checksum does not fit.
    #[error("the words are known but their checksum is wrong: one is another word, or two changed places")]
    Checksum,
    /// The system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl MnemonicError {
    /// What is wrong with the phrase that opens a secret URI.
    pub(crate) fn of_uri(uri: &str) -> Self {
        let phrase = uri.split('/').next().unwrap_or_default();
        phrase.parse::<Mnemonic>().err().unwrap_or(Self::Checksum)
    }
}

impl Mnemonic {
    /// A new phrase of 12, 15, 18, 21 or 24 words, from the operating system's randomness.
    pub fn generate(words: usize) -> Result<Self, MnemonicError> {
        if !WORD_COUNTS.contains(&words) {
            return Err(MnemonicError::WordCount { words });
        }
        // Three words carry 32 bits of entropy and one of checksum.
        let mut entropy = Zeroizing::new(vec![0; words / 3 * 4]);
        getrandom::fill(&mut entropy)?;
        Self::from_entropy(&entropy)
    }

    /// The phrase for given entropy of 16, 20, 24, 28 or 32 bytes.
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, MnemonicError> {
        let words = entropy.len() / 4 * 3;
        let mnemonic = bip39::Mnemonic::from_entropy(entropy).map_err(|_| MnemonicError::WordCount { words })?;
        let phrase = joined(mnemonic.words(), PHRASE_CAPACITY_BYTES);
        Ok(Self { phrase, entropy: Zeroizing::new(entropy.to_vec()) })
    }

    /// The words, separated by single spaces. A secret.
    pub fn phrase(&self) -> &str {
        &self.phrase
    }

    /// The 32-byte seed that key files call `secretSeed`. A secret.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        let mut seed = Zeroizing::new([0; 32]);
        #[expect(clippy::expect_used, reason = "the entropy is that of a checked phrase, 16 to 32 bytes")]
        let long = Zeroizing::new(substrate_bip39::seed_from_entropy(&self.entropy, "").expect("checked entropy"));
        seed.copy_from_slice(&long[..32]);
        seed
    }

    /// The key of this phrase, without password or path.
    pub fn keypair(&self, crypto_type: CryptoType) -> Keypair {
        Keypair::from_seed_with(crypto_type, *self.seed())
    }
}

impl FromStr for Mnemonic {
    type Err = MnemonicError;

    /// Reads a phrase; case and spacing do not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_PHRASE_BYTES {
            return Err(MnemonicError::TooLong { bytes: text.len() });
        }
        let mut tidy = joined(text.split_whitespace(), text.len());
        tidy.make_ascii_lowercase();
        let mnemonic = bip39::Mnemonic::parse_in(bip39::Language::English, tidy.as_str()).map_err(|e| match e {
            bip39::Error::BadWordCount(words) => MnemonicError::WordCount { words },
            bip39::Error::UnknownWord(index) => MnemonicError::UnknownWord { position: index + 1 },
            _ => MnemonicError::Checksum,
        })?;
        let entropy = Zeroizing::new(mnemonic.to_entropy());
        Self::from_entropy(&entropy)
    }
}

/// Words with a space between each two. All the room is taken at once: a text that grew would leave unwiped copies.
fn joined<'a>(words: impl Iterator<Item = &'a str>, capacity: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

impl fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mnemonic({} words)", self.phrase.split(' ').count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_phrase_ever_grows() {
        // Words of the most letters.
        let words = ["abstract"; 24];
        assert_eq!(joined(words.into_iter(), PHRASE_CAPACITY_BYTES).capacity(), PHRASE_CAPACITY_BYTES);
        let untidy = " a\tB \n c ";
        assert_eq!(joined(untidy.split_whitespace(), untidy.len()).as_str(), "a B c");
    }

    #[test]
    fn case_and_spacing_do_not_matter() {
        for words in WORD_COUNTS {
            let made = Mnemonic::from_entropy(&vec![7; words / 3 * 4]).unwrap();
            assert_eq!(made.phrase().split(' ').count(), words);
            let untidy = format!("  {}\n", made.phrase().to_uppercase().replace(' ', " \t"));
            let read: Mnemonic = untidy.parse().unwrap();
            assert_eq!((read.phrase(), &read.entropy), (made.phrase(), &made.entropy));
        }
    }
}
