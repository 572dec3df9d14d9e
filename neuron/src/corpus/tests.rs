use std::fs;
use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::*;
use crate::manifest::Tokens;
use crate::message::names::Hash;

/// A document of half the least corpus.
fn document(c: char) -> String {
    c.to_string().repeat(MIN_CORPUS_BYTES / 2)
}

fn read(source: &Source) -> Result<Vec<u8>, CorpusError> {
    let mut text = Vec::new();
    let bytes = source.read(&mut text)?;
    assert_eq!(bytes, text.len() as u64);
    Ok(text)
}

fn load(path: &Path) -> Result<Vec<u8>, CorpusError> {
    read(&Source::at(path)?)
}

fn malformed(path: &Path) -> String {
    match load(path) {
        Err(error @ CorpusError::Malformed { .. }) => error.to_string(),
        other => panic!("{:?}", other.map(|bytes| bytes.len())),
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_its_paths_without_binaries() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("b")).unwrap();
    fs::write(folder.path().join("b/x.txt"), document('x')).unwrap();
    fs::write(folder.path().join("a.txt"), document('a')).unwrap();
    fs::write(folder.path().join("0.bin"), b"\0\0\0").unwrap();
    fs::write(folder.path().join(".hidden"), document('h')).unwrap();
    let corpus = load(folder.path()).unwrap();
    assert_eq!(corpus, [document('a'), document('x')].concat().into_bytes());
    let cut = read(&Source::at(folder.path()).unwrap().first(MIN_CORPUS_BYTES as u64 - 1));
    assert!(matches!(cut, Err(CorpusError::TooSmall { .. })), "the bound holds");
}

#[test]
fn what_cannot_be_trained_on_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = load(&folder.path().join("no")).unwrap_err();
    assert!(matches!(&missing, CorpusError::Unreadable { .. }) && missing.to_string().contains("--corpus"));
    assert!(matches!(load(folder.path()), Err(CorpusError::TooSmall { found_bytes: 0, .. })));
    let (binary, empty) = (folder.path().join("model.bin"), folder.path().join("empty.txt"));
    fs::write(&binary, [0; 100_000]).unwrap();
    fs::write(&empty, "").unwrap();
    assert!(matches!(load(&binary), Err(CorpusError::Binary { .. })));
    assert!(matches!(load(&empty), Err(CorpusError::TooSmall { found_bytes: 0, .. })));
    // Listed a moment ago, gone now.
    let vanished = read(&Source::of_files(vec![folder.path().join("gone.txt")], folder.path()));
    assert!(matches!(vanished, Err(CorpusError::Unreadable { path, .. }) if path.ends_with("gone.txt")));
}

#[test]
fn every_line_of_json_gives_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crawl.JSONL");
    let lines = [
        serde_json::json!({"id": 1, "text": document('a'), "meta": {"text": "no"}}).to_string(),
        String::new(),
        serde_json::json!({"text": "ü\n\"q\""}).to_string(),
        serde_json::json!({"text": document('b')}).to_string(),
    ];
    fs::write(&path, lines.join("\n")).unwrap();
    let expected = [document('a'), "ü\n\"q\"".to_owned(), document('b'), String::new()].join("\n");
    assert_eq!(load(&path).unwrap(), expected.as_bytes());
    assert_eq!(
        read(&Source::at(&path).unwrap().first(MIN_CORPUS_BYTES as u64)).unwrap(),
        &expected.as_bytes()[..MIN_CORPUS_BYTES]
    );

    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 10]).unwrap();
    assert!(malformed(&path).contains("line 4"), "truncated");
    for wrong in ["[1]", "{\"text\": 7}", "{\"txt\": \"\"}", "\0\0"] {
        fs::write(&path, format!("{}\n{wrong}\n", lines[0])).unwrap();
        assert!(malformed(&path).contains("line 2"), "{wrong}");
    }
}

/// Writes a Parquet file of one column in row groups of these documents.
fn write_parquet(path: &Path, column: &str, groups: &[&[Option<&str>]]) {
    let schema =
        Arc::new(parse_message_type(&format!("message m {{ OPTIONAL BYTE_ARRAY {column} (UTF8); }}")).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file = SerializedFileWriter::new(fs::File::create(path).unwrap(), schema, properties).unwrap();
    for rows in groups {
        let values: Vec<ByteArray> = rows.iter().flatten().map(|row| ByteArray::from(*row)).collect();
        let levels: Vec<i16> = rows.iter().map(|row| i16::from(row.is_some())).collect();
        let mut group = file.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    file.close().unwrap();
}

#[test]
fn every_row_of_parquet_gives_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard.parquet");
    let (a, b) = (document('a'), document('b'));
    let many: Vec<Option<&str>> = vec![Some("x"); 3 * 1_024 + 7];
    write_parquet(&path, "text", &[&[Some(&a), None, Some("ü")], &many, &[Some(&b)]]);
    let expected = format!("{a}\nü\n{}{b}\n", "x\n".repeat(many.len()));
    assert_eq!(load(&path).unwrap(), expected.as_bytes());

    let whole = fs::read(&path).unwrap();
    for length in [0, 4, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        malformed(&path);
    }
    let mut spoiled = whole.clone();
    spoiled[8..200].fill(0xff);
    fs::write(&path, spoiled).unwrap();
    malformed(&path);
    write_parquet(&path, "content", &[&[Some(&a), Some(&b)]]);
    assert!(malformed(&path).contains("`text`"));
}

/// More than one block of text, in files that change.
#[test]
fn a_corpus_is_copied_to_the_cache_once_and_again_where_the_copy_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (path, cached) = (folder.path().join("text.txt"), folder.path().join("cache"));
    let text: Vec<u8> =
        (0..700_000_u32).map(|i| b"abcdefg\n"[(i.wrapping_mul(2_654_435_761) >> 29) as usize]).collect();
    fs::write(&path, &text).unwrap();
    let open = || Material::bytes_of(&Source::at(&path).unwrap(), &Cache::open(cached.clone()).unwrap()).unwrap();
    let material = open();
    assert_eq!((material.text(), material.bytes()), (Hash::of(&text), text.len() as u64));
    let slice =
        |material: &Material| material.corpus().unwrap().slice(&[3; 32], 5, engine::MicrobatchId(7), 4, 300).unwrap();
    let drawn = slice(&material);
    assert_eq!(drawn, slice(&Material::in_memory(text.clone())), "mapped or in memory, it is the same");
    assert_eq!(material.corpus().unwrap().training().len() + material.corpus().unwrap().held_out().len(), text.len());

    let files = || fs::read_dir(&cached).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
    let [file] = files().try_into().unwrap();
    let written = || fs::metadata(&file).unwrap().modified().unwrap();
    let first = written();
    assert_eq!(slice(&open()), drawn);
    assert_eq!(written(), first, "found, not written");
    let good = fs::read(&file).unwrap();
    for bad in [&good[..good.len() - 1], b"", [&good[..5000], b"?", &good[5001..]].concat().as_slice()] {
        // As another program would: the mapping of the good file stays.
        fs::remove_file(&file).unwrap();
        fs::write(&file, bad).unwrap();
        assert_eq!(slice(&open()), drawn);
        assert_eq!(fs::read(&file).unwrap(), good, "made anew");
    }
    fs::write(&path, [text.as_slice(), b"more"].concat()).unwrap();
    assert_ne!(open().text(), material.text());
    assert_eq!(files().len(), 2, "another text has another name");
    assert_eq!(slice(&material), drawn);
}

#[test]
fn tokens_are_made_once_and_are_the_same_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let (path, cached) = (folder.path().join("text.txt"), folder.path().join("cache"));
    let text =
        (0..400_000_u32).map(|i| ["the ", "stage ", "merge\n", "ü"][(i.wrapping_mul(2_654_435_761) >> 30) as usize]);
    let text = text.collect::<String>();
    fs::write(&path, &text).unwrap();
    let file = super::tokenizer::tests::trained(&text[..10_000], 270);
    let json = folder.path().join("tokenizer.json");
    fs::write(&json, &file).unwrap();
    let tokenizer = Tokenizer::read(&json).unwrap();
    let open = || {
        let cache = Cache::open(cached.clone()).unwrap();
        Material::tokens_of(&Source::at(&path).unwrap(), &cache, &tokenizer).unwrap()
    };
    let material = open();
    let Tokens::Bpe(tokens) = material.tokens() else { panic!("{material:?}") };
    assert_eq!((tokens.tokenizer, tokens.vocab), (Hash::of(file.as_bytes()), 270));
    assert_eq!((material.text(), material.bytes()), (Hash::of(text.as_bytes()), text.len() as u64));
    let corpus = material.corpus().unwrap();
    assert_eq!((corpus.training().len() + corpus.held_out().len()) as u64, tokens.count);
    assert!(tokens.count * 2 < material.bytes(), "{} tokens of {} bytes", tokens.count, material.bytes());
    let first: Vec<u32> = corpus.training().at(0..1000).collect();
    assert!(text.starts_with(&tokenizer.decode(&first).unwrap()));

    let files = || fs::read_dir(&cached).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
    let before: std::collections::BTreeMap<_, _> =
        files().into_iter().map(|file| (file.clone(), fs::metadata(file).unwrap().modified().unwrap())).collect();
    assert_eq!(before.len(), 2, "the text and its tokens");
    assert_eq!(open().tokens(), material.tokens());
    assert!(before.iter().all(|(file, written)| fs::metadata(file).unwrap().modified().unwrap() == *written));
    for file in files() {
        let whole = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(open().tokens(), material.tokens());
        assert_eq!(fs::read(&file).unwrap(), whole, "made anew");
    }
    let other = super::tokenizer::tests::trained(&text[..10_000], 265);
    fs::write(&json, other).unwrap();
    let other = Tokenizer::read(&json).unwrap();
    let cache = Cache::open(cached.clone()).unwrap();
    let other = Material::tokens_of(&Source::at(&path).unwrap(), &cache, &other).unwrap();
    assert_ne!(other.tokens(), material.tokens());
    assert_eq!(files().len(), 3, "another tokenizer's tokens have another name");
}
