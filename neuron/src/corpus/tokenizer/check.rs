//! Whether a tokenizer is one that a run can stand on.

use engine::model::MAX_VOCAB;
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{Model, Tokenizer};

/// How many times longer than the text what is encoded may become: whoever writes a file could else have a piece of text
/// fill the memory of everybody who reads it.
const MAX_GROWTH: usize = 64;

/// The number of ids of a tokenizer that is fit: every id is below it.
///
/// # Errors
/// Why it is not fit.
pub(super) fn vocabulary(tokenizer: &Tokenizer) -> Result<u32, String> {
    let ModelWrapper::BPE(bpe) = tokenizer.get_model() else {
        return Err("it is no byte-pair encoding; name one whose model is of type `BPE`".to_owned());
    };
    if bpe.dropout.is_some_and(|share| share != 0.0) {
        return Err(
            "it drops merges by lot (`dropout`), so no two neurons would have the same ids; remove it".to_owned()
        );
    }
    let growth = growth(tokenizer);
    if growth > MAX_GROWTH {
        return Err(format!("its rules may make a text {growth} times longer, at most {MAX_GROWTH} are allowed"));
    }
    let most = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| u64::from(id) + 1);
    if !(2..=MAX_VOCAB as u64).contains(&most) {
        return Err(format!("its ids reach up to a vocabulary of {most}, it must have 2 to {MAX_VOCAB}"));
    }
    if !knows_everything(tokenizer, bpe) {
        return Err("it has no token for text that it does not know, and would drop it; name one with a byte-level \
                    alphabet, with `byte_fallback`, or with an `unk_token`"
            .to_owned());
    }
    u32::try_from(most).map_err(|error| error.to_string())
}

/// Whether no text is lost: what is not in the vocabulary has a token that stands for it, or tokens for its bytes.
fn knows_everything(tokenizer: &Tokenizer, bpe: &BPE) -> bool {
    let has = |token: &str| bpe.token_to_id(token).is_some();
    let unknown = bpe.unk_token.as_deref().is_some_and(has);
    let by_bytes = bpe.byte_fallback && (0..=255_u8).all(|byte| has(&format!("<0x{byte:02X}>")));
    let is_byte_level = tokenizer.get_normalizer().is_some_and(normalizes_bytes)
        || tokenizer.get_pre_tokenizer().is_some_and(splits_bytes);
    let alphabet = || ByteLevel::alphabet().into_iter().all(|letter| has(letter.encode_utf8(&mut [0; 4])));
    unknown || by_bytes || (is_byte_level && alphabet())
}

fn normalizes_bytes(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::ByteLevel(_) => true,
        NormalizerWrapper::Sequence(all) => all.as_ref().iter().any(normalizes_bytes),
        _ => false,
    }
}

fn splits_bytes(splitter: &PreTokenizerWrapper) -> bool {
    match splitter {
        PreTokenizerWrapper::ByteLevel(_) => true,
        PreTokenizerWrapper::Sequence(all) => all.as_ref().iter().any(splits_bytes),
        _ => false,
    }
}

/// A bound on how many times longer a text becomes before it is encoded.
fn growth(tokenizer: &Tokenizer) -> usize {
    let normalized = tokenizer.get_normalizer().map_or(1, growth_of);
    normalized.saturating_mul(tokenizer.get_pre_tokenizer().map_or(1, growth_by))
}

fn growth_of(normalizer: &NormalizerWrapper) -> usize {
    match normalizer {
        NormalizerWrapper::Sequence(all) => all.as_ref().iter().map(growth_of).fold(1, usize::saturating_mul),
        NormalizerWrapper::Replace(replace) => replace.content.len().saturating_add(1),
        NormalizerWrapper::Prepend(prepend) => prepend.prepend.len().saturating_add(1),
        NormalizerWrapper::ByteLevel(_) => 2,
        _ => 1,
    }
}

fn growth_by(splitter: &PreTokenizerWrapper) -> usize {
    match splitter {
        PreTokenizerWrapper::Sequence(all) => all.as_ref().iter().map(growth_by).fold(1, usize::saturating_mul),
        PreTokenizerWrapper::ByteLevel(_) => 2,
        PreTokenizerWrapper::Metaspace(_) => 3,
        _ => 1,
    }
}
