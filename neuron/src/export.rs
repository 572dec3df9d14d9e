//! A model in a folder, for whoever wants to use it.
//!
//! ```text
//! DIR/
//!   config.json         the model's shape
//!   model.safetensors   its weights, under Llama's names where Llama has them
//!   narrows.json        which run and window they are of, and their hash
//! ```
//!
//! A folder is written beside its place and moved there whole, so it is never half of one and half of another. Killed while
//! it replaces one, the process leaves both, whole, in a folder `.narrows-export-…` beside it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use engine::checkpoint::{self, CheckpointError, MAX_CONFIG_BYTES};
use engine::{ModelConfig, WholeModel};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::message::names::{Hash, RunId, StageId, WindowId};
use crate::shell::Assembled;

/// The model's shape.
pub const CONFIG_FILE: &str = "config.json";
/// Its weights.
pub const TENSORS_FILE: &str = "model.safetensors";
/// Where they come from.
pub const ORIGIN_FILE: &str = "narrows.json";

/// Most bytes of the list of tensors in front of them: what the format itself allows.
const MAX_TENSORS_HEADER_BYTES: u64 = 100_000_000;
/// Most bytes of the origin's file, with a line for each of the most stages that there can be.
const MAX_ORIGIN_BYTES: u64 = 1024 * 1024;

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The run.
    pub run: RunId,
    /// The window that starts with these weights.
    pub window: WindowId,
    /// The name of the whole model, as [`WholeModel::hash`] computes it.
    pub model: Hash,
    /// Its stages.
    pub stages: Vec<StageOrigin>,
}

/// Where the weights of a stage come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageOrigin {
    /// The stage.
    pub stage: StageId,
    /// The name of its weights: what its replicas committed to.
    pub theta: Hash,
    /// Replicas that committed to them.
    pub named_by: usize,
    /// Replicas that committed to any.
    pub commitments: usize,
}

impl From<&Assembled> for Origin {
    fn from(assembled: &Assembled) -> Self {
        let stages = (0..).map(StageId).zip(&assembled.stages).map(|(stage, agreement)| StageOrigin {
            stage,
            theta: agreement.state.theta,
            named_by: agreement.named_by.len(),
            commitments: agreement.commitments,
        });
        let model = assembled.model.hash().into();
        Self { run: assembled.run, window: assembled.window, model, stages: stages.collect() }
    }
}

/// What becomes of an earlier export in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and writing fails.
    Keep,
    /// It is replaced. A folder with anything else in it stays even so.
    Replace,
}

/// Why a model is not written, or not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// No name for a folder.
    #[error("{} names no folder that could be made", .0.display())]
    Name(PathBuf),
    /// Something else is there.
    #[error("{} is there and is no folder: name another", .0.display())]
    NotAFolder(PathBuf),
    /// An earlier export.
    #[error("{} is not empty: name another folder, or replace the model in it with --force", .0.display())]
    Exists(PathBuf),
    /// A folder of other things.
    #[error("{} holds `{file}`, which is no part of an export, and is not replaced: name another folder", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        file: String,
    },
    /// The system failed.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Longer than it can be.
    #[error("{} has {bytes} bytes, more than the {limit_bytes} that it can have: export the model again", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The most.
        limit_bytes: u64,
    },
    /// No model of this program.
    #[error("{} holds no model that this program can use: {source}", path.display())]
    Checkpoint {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        source: CheckpointError,
    },
    /// The origin cannot be read.
    #[error("{} is not what `neuron export` writes: {source}; remove it to use the model without it", path.display())]
    Origin {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// Other weights than were exported.
    #[error(
        "the model in {} is {found}, it was exported as {expected}: export it again, or remove {ORIGIN_FILE} if it was \
         changed on purpose", path.display()
    )]
    Changed {
        /// The folder.
        path: PathBuf,
        /// Its name when it was exported.
        expected: Hash,
        /// Its name now.
        found: Hash,
    },
}

fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> ExportError + 'a {
    move |source| ExportError::Io { action, path: path.to_owned(), source }
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// Whether a model may be written there: what can be said before there is one.
///
/// # Errors
/// When something is there that `existing` does not let be replaced.
pub fn check(dir: &Path, existing: Existing) -> Result<(), ExportError> {
    if dir.file_name().is_none() {
        return Err(ExportError::Name(dir.to_owned()));
    }
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at("look at", dir)(error)),
        Ok(found) if !found.is_dir() => return Err(ExportError::NotAFolder(dir.to_owned())),
        Ok(_) => {}
    }
    for entry in fs::read_dir(dir).map_err(at("look into", dir))? {
        let file = entry.map_err(at("look into", dir))?.file_name().to_string_lossy().into_owned();
        if existing == Existing::Keep {
            return Err(ExportError::Exists(dir.to_owned()));
        }
        if ![CONFIG_FILE, TENSORS_FILE, ORIGIN_FILE].contains(&file.as_str()) {
            return Err(ExportError::Foreign { path: dir.to_owned(), file });
        }
    }
    Ok(())
}

/// Writes a model down. When this returns it is on disk, whole.
///
/// # Errors
/// When something is there that `existing` does not let be replaced, or the disk fails; what was there is there still.
pub fn write(
    dir: &Path,
    model: &WholeModel,
    origin: &Origin,
    existing: Existing,
) -> Result<Vec<ExportedFile>, ExportError> {
    check(dir, existing)?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let checkpoint =
        checkpoint::export(model).map_err(|source| ExportError::Checkpoint { path: dir.to_owned(), source })?;
    let described = serde_json::to_string_pretty(origin)
        .map_err(|source| ExportError::Origin { path: dir.join(ORIGIN_FILE), source })?;
    fs::create_dir_all(parent).map_err(at("make", parent))?;
    let aside =
        tempfile::Builder::new().prefix(".narrows-export-").tempdir_in(parent).map_err(at("write in", parent))?;
    // Inside the folder that only we can read: made anew, so that who may read it is as for any other folder.
    let whole = aside.path().join("new");
    fs::create_dir(&whole).map_err(at("make", &whole))?;
    let mut files = Vec::new();
    for (name, bytes) in [
        (CONFIG_FILE, checkpoint.config.as_bytes()),
        (TENSORS_FILE, checkpoint.tensors.as_slice()),
        (ORIGIN_FILE, described.as_bytes()),
    ] {
        write_file(&whole.join(name), bytes)?;
        files.push(ExportedFile { path: dir.join(name), bytes: bytes.len() as u64 });
    }
    sync(&whole)?;
    put_in_place(&whole, dir, &aside.path().join("old"), existing)?;
    sync(parent)?;
    Ok(files)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    let mut file = File::create_new(path).map_err(at("make", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at("write", path))
}

/// A name is on disk only when its folder is.
fn sync(folder: &Path) -> Result<(), ExportError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at("write", folder))
}

fn put_in_place(whole: &Path, dir: &Path, old: &Path, existing: Existing) -> Result<(), ExportError> {
    let is_replaced = existing == Existing::Replace && dir.is_dir();
    if is_replaced {
        fs::rename(dir, old).map_err(at("move aside", dir))?;
    }
    // An empty folder gives way; one that has been filled since it was checked does not.
    let moved = fs::rename(whole, dir).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => ExportError::Exists(dir.to_owned()),
        _ => at("put the model in place as", dir)(error),
    });
    if moved.is_err() && is_replaced {
        fs::rename(old, dir).map_err(at("move back", dir))?;
    }
    moved
}

/// A model from a folder.
#[derive(Debug)]
pub struct Exported {
    /// The model.
    pub model: WholeModel,
    /// Where it comes from, if the folder says so.
    pub origin: Option<Origin>,
}

/// Reads a model, and checks it against what the folder says of its origin.
///
/// # Errors
/// When the files are not those of a model, or of another than they were.
pub fn read(dir: &Path) -> Result<Exported, ExportError> {
    let refused = |source| ExportError::Checkpoint { path: dir.to_owned(), source };
    let config = read_file(&dir.join(CONFIG_FILE), MAX_CONFIG_BYTES as u64)?;
    let config = String::from_utf8_lossy(&config);
    let limit_bytes = tensors_limit_bytes(&config).map_err(refused)?;
    let tensors = read_file(&dir.join(TENSORS_FILE), limit_bytes)?;
    let model = checkpoint::import(&config, &tensors).map_err(refused)?;
    let path = dir.join(ORIGIN_FILE);
    let origin: Option<Origin> = match path.try_exists().map_err(at("look at", &path))? {
        true => {
            let text = read_file(&path, MAX_ORIGIN_BYTES)?;
            Some(serde_json::from_slice(&text).map_err(|source| ExportError::Origin { path, source })?)
        }
        false => None,
    };
    let found = Hash::from(model.hash());
    match origin.as_ref().map(|origin| origin.model).filter(|expected| *expected != found) {
        Some(expected) => Err(ExportError::Changed { path: dir.to_owned(), expected, found }),
        None => Ok(Exported { model, origin }),
    }
}

/// Most bytes that a model of this shape takes.
fn tensors_limit_bytes(config: &str) -> Result<u64, CheckpointError> {
    let config: ModelConfig = serde_json::from_str(config)?;
    config.validate()?;
    let mut limit_bytes = MAX_TENSORS_HEADER_BYTES;
    for stage in config.stage_indices() {
        limit_bytes += 4 * config.layout(stage)?.len() as u64;
    }
    Ok(limit_bytes)
}

fn read_file(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, ExportError> {
    let file = File::open(path).map_err(at("read", path))?;
    let bytes = file.metadata().map_err(at("read", path))?.len();
    let too_long = |bytes| ExportError::TooLong { path: path.to_owned(), bytes, limit_bytes };
    if bytes > limit_bytes {
        return Err(too_long(bytes));
    }
    let mut content = Vec::new();
    // What is no file has no length, and may go on forever.
    file.take(limit_bytes + 1).read_to_end(&mut content).map_err(at("read", path))?;
    match content.len() as u64 {
        bytes if bytes > limit_bytes => Err(too_long(bytes)),
        _ => Ok(content),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use engine::Bottleneck;

    use super::*;

    fn model(seed: u8) -> WholeModel {
        let config = ModelConfig {
            d_model: 16,
            heads: 2,
            ffn: 24,
            context: 16,
            layers_per_stage: vec![1, 1],
            bottleneck: Bottleneck::AnchorRes { r: 4, hidden: 8 },
            ..ModelConfig::small()
        };
        WholeModel::initial(&config, &[seed; 32]).unwrap()
    }

    fn origin(model: &WholeModel) -> Origin {
        let stage = |(stage, weights): (u16, &engine::Weights)| StageOrigin {
            stage: StageId(stage),
            theta: weights.hash().into(),
            named_by: 2,
            commitments: 3,
        };
        Origin {
            run: RunId(Hash([1; 32])),
            window: WindowId(7),
            model: model.hash().into(),
            stages: (0..).zip(model.weights()).map(stage).collect(),
        }
    }

    fn export(dir: &Path, seed: u8, existing: Existing) -> Result<Vec<ExportedFile>, ExportError> {
        let model = model(seed);
        write(dir, &model, &origin(&model), existing)
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn a_model_is_read_back_with_its_origin() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("deep").join("model");
        let files = export(&dir, 1, Existing::Keep).unwrap();
        assert_eq!(names(&dir), [CONFIG_FILE, TENSORS_FILE, ORIGIN_FILE]);
        for file in &files {
            assert_eq!(fs::metadata(&file.path).unwrap().len(), file.bytes, "{file:?}");
        }
        let Exported { model: found, origin: of } = read(&dir).unwrap();
        assert_eq!((found, of), (model(1), Some(origin(&model(1)))));
        assert_eq!(names(dir.parent().unwrap()), ["model"], "nothing is left beside it");
        // Readable as any folder that is made here.
        let other = home.path().join("other");
        fs::create_dir(&other).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&dir), mode(&other));
    }

    #[test]
    fn an_export_is_replaced_only_when_told_and_other_folders_never() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("model");
        fs::create_dir(&dir).unwrap();
        export(&dir, 1, Existing::Keep).expect("an empty folder is as good as none");
        assert!(matches!(export(&dir, 2, Existing::Keep), Err(ExportError::Exists(_))));
        assert_eq!(read(&dir).unwrap().model, model(1));
        export(&dir, 2, Existing::Replace).unwrap();
        assert_eq!(read(&dir).unwrap().model, model(2));
        assert_eq!(names(home.path()), ["model"]);

        fs::write(dir.join("thesis.tex"), "years of work").unwrap();
        let refused = export(&dir, 3, Existing::Replace);
        assert!(matches!(&refused, Err(ExportError::Foreign { file, .. }) if file == "thesis.tex"), "{refused:?}");
        assert_eq!(read(&dir).unwrap().model, model(2));
        let file = dir.join("thesis.tex");
        assert!(matches!(export(&file, 3, Existing::Replace), Err(ExportError::NotAFolder(_))));
        assert!(matches!(export(Path::new("/"), 3, Existing::Replace), Err(ExportError::Name(_))));
    }

    #[test]
    fn what_fails_on_the_way_leaves_what_was_there() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("model");
        export(&dir, 1, Existing::Keep).unwrap();
        // There is nothing to put in place: the second of the two moves fails.
        let (nothing, old) = (home.path().join("nothing"), home.path().join("old"));
        assert!(matches!(put_in_place(&nothing, &dir, &old, Existing::Replace), Err(ExportError::Io { .. })));
        assert_eq!(read(&dir).unwrap().model, model(1));
        assert_eq!(names(home.path()), ["model"]);
    }

    #[test]
    fn what_is_not_an_export_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("model");
        assert!(matches!(read(&dir), Err(ExportError::Io { action: "read", .. })));
        export(&dir, 1, Existing::Keep).unwrap();
        let spoiled = |file: &str, content: &[u8]| {
            let path = dir.join(file);
            let good = fs::read(&path).unwrap();
            fs::write(&path, content).unwrap();
            let error = read(&dir).unwrap_err();
            fs::write(&path, good).unwrap();
            error
        };
        let long = vec![b' '; MAX_CONFIG_BYTES + 1];
        assert!(matches!(spoiled(CONFIG_FILE, &long), ExportError::TooLong { .. }));
        assert!(matches!(spoiled(CONFIG_FILE, b"{}"), ExportError::Checkpoint { .. }));
        let tensors = fs::read(dir.join(TENSORS_FILE)).unwrap();
        let cut = &tensors[..tensors.len() - 1];
        assert!(matches!(spoiled(TENSORS_FILE, cut), ExportError::Checkpoint { .. }));
        assert!(matches!(spoiled(ORIGIN_FILE, b"{"), ExportError::Origin { .. }));
        let mut other = tensors.clone();
        *other.last_mut().unwrap() ^= 1;
        assert!(matches!(spoiled(TENSORS_FILE, &other), ExportError::Changed { .. }));
        read(&dir).expect("all is as it was");
        // Longer than such a model can be, without being that long on disk.
        let file = File::options().write(true).open(dir.join(TENSORS_FILE)).unwrap();
        file.set_len(1 << 40).unwrap();
        assert!(matches!(read(&dir), Err(ExportError::TooLong { bytes, .. }) if bytes == 1 << 40));
        // Without an origin it is a model still.
        fs::write(dir.join(TENSORS_FILE), &other).unwrap();
        fs::remove_file(dir.join(ORIGIN_FILE)).unwrap();
        let Exported { model: changed, origin } = read(&dir).unwrap();
        assert!(origin.is_none() && changed != model(1));
    }
}
