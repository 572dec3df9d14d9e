use std::fs;

use serde_json::{Value, json};
use tokenizers::decoders::byte_level::ByteLevel as Decoder;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use engine::model::MAX_VOCAB;

use super::*;

/// A `tokenizer.json` of so many tokens, trained on a text.
pub(crate) fn trained(text: &str, vocab: usize) -> String {
    let mut tokenizer = tokenizers::Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    tokenizer.with_decoder(Some(Decoder::default()));
    let trainer = BpeTrainer::builder().show_progress(false).vocab_size(vocab);
    let trainer = trainer.initial_alphabet(ByteLevel::alphabet().into_iter().collect()).build();
    tokenizer.train(&mut TrainerWrapper::from(trainer), text.lines()).unwrap();
    tokenizer.to_string(false).unwrap()
}

const TEXT: &str = "the quick brown fox jumps over the lazy dog\nthe window, the stage, the merge\n";

fn ids(tokenizer: &Tokenizer, text: &[u8]) -> Vec<u32> {
    let mut written = Vec::new();
    let count = tokenizer.write_ids(text, &mut written).unwrap();
    let width = tokenizer.width().bytes();
    assert_eq!(written.len(), count as usize * width);
    written.chunks(width).map(|id| id.iter().rev().fold(0, |id, byte| id << 8 | u32::from(*byte))).collect()
}

#[test]
fn a_text_is_its_ids_and_back() {
    let file = trained(TEXT, 300);
    let tokenizer = Tokenizer::from_bytes(file.as_bytes()).unwrap();
    assert_eq!((tokenizer.vocab(), tokenizer.hash()), (300, Hash::of(file.as_bytes())));
    let text = "the lazy merge\n\u{1f980} über\0\n";
    let ids = ids(&tokenizer, text.as_bytes());
    assert!(ids.len() < text.len() && ids.iter().any(|&id| id >= 256), "merges are used: {ids:?}");
    assert_eq!(ids, tokenizer.encode(text).unwrap());
    assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    assert_eq!(super::tests::ids(&tokenizer, b"a\xff\xfe"), tokenizer.encode("a\u{fffd}\u{fffd}").unwrap());
    assert!(super::tests::ids(&tokenizer, b"").is_empty());
}

#[test]
fn a_long_text_is_cut_where_it_says_itself() {
    let tokenizer = Tokenizer::from_bytes(trained(TEXT, 300).as_bytes()).unwrap();
    let lines = TEXT.repeat(3 * PIECE_BYTES / TEXT.len());
    assert!(Pieces(lines.as_bytes()).all(|piece| piece.len() <= PIECE_BYTES && piece.ends_with(b"\n")));
    let ids = ids(&tokenizer, lines.as_bytes());
    assert_eq!(tokenizer.decode(&ids).unwrap(), lines);
    assert_eq!(ids.len() % (lines.len() / TEXT.len()), 0, "each repetition has the same ids");

    // Without a line feed, and with a character across every place where a piece could end.
    for shift in 0..4 {
        let crabs = ["x".repeat(shift), "\u{1f980}".repeat(PIECE_BYTES)].concat();
        let pieces: Vec<_> = Pieces(crabs.as_bytes()).collect();
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES && std::str::from_utf8(piece).is_ok()), "{shift}");
        assert_eq!(pieces.concat(), crabs.as_bytes());
    }
    let no_text = vec![0x80; 2 * PIECE_BYTES + 1];
    assert_eq!(Pieces(&no_text).map(<[u8]>::len).collect::<Vec<_>>(), [PIECE_BYTES, PIECE_BYTES, 1]);
}

fn refused(file: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, file).unwrap();
    let error = Tokenizer::read(&path).unwrap_err();
    assert!(error.to_string().contains("tokenizer.json"), "{error}");
    error.to_string()
}

#[test]
fn what_is_no_tokenizer_is_refused() {
    let good = trained(TEXT, 280);
    for length in [0, 1, good.len() / 2, good.len() - 1] {
        assert!(refused(&good.as_bytes()[..length]).contains("cannot be used"), "{length}");
    }
    for bad in [b"\0\xff\xfe".as_slice(), b"{}", b"[]", b"null", "[".repeat(100_000).as_bytes()] {
        assert!(refused(bad).contains("cannot be used"));
    }
    let folder = tempfile::tempdir().unwrap();
    let huge = folder.path().join("tokenizer.json");
    fs::File::create(&huge).unwrap().set_len(MAX_TOKENIZER_BYTES + 1).unwrap();
    assert!(matches!(Tokenizer::read(&huge), Err(TokenizerError::TooLong { .. })));
    assert!(matches!(Tokenizer::read(&folder.path().join("no")), Err(TokenizerError::Unreadable { .. })));
}

#[test]
fn what_would_not_give_everybody_all_of_a_text_is_refused() {
    let good: Value = serde_json::from_str(&trained(TEXT, 280)).unwrap();
    let spoiled = |spoil: &dyn Fn(&mut Value)| {
        let mut file = good.clone();
        spoil(&mut file);
        Tokenizer::from_bytes(file.to_string().as_bytes())
    };
    let refused = |spoil: &dyn Fn(&mut Value)| spoiled(spoil).unwrap_err();
    assert!(spoiled(&|_| ()).is_ok());
    assert!(refused(&|file| file["model"]["dropout"] = json!(0.1)).contains("dropout"));
    assert!(refused(&|file| file["model"]["vocab"]["zzz"] = json!(MAX_VOCAB)).contains("262145"));
    assert!(refused(&|file| file["model"]["vocab"]["zzz"] = json!(u32::MAX)).contains("4294967296"));
    assert!(refused(&|file| file["pre_tokenizer"] = Value::Null).contains("unk_token"));
    let word_level = json!({"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"});
    assert!(refused(&|file| file["model"] = word_level.clone()).contains("byte-pair"));
    let doubling = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
    let doublings = json!({"type": "Sequence", "normalizers": vec![doubling; 40]});
    assert!(refused(&|file| file["normalizer"] = doublings.clone()).contains("times longer"));
    // Unknown text has a token of its own, or one for each byte: nothing is lost.
    let unknown = spoiled(&|file| {
        file["pre_tokenizer"] = Value::Null;
        file["model"]["vocab"]["<unk>"] = json!(280);
        file["model"]["unk_token"] = json!("<unk>");
    });
    assert_eq!(unknown.unwrap().encode("\u{4e00}").unwrap(), [280]);
    let truncated = json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
    let whole = spoiled(&|file| file["truncation"] = truncated.clone()).unwrap();
    assert_eq!(whole.encode("the lazy dog").unwrap(), spoiled(&|_| ()).unwrap().encode("the lazy dog").unwrap());
}
