//! `neuron export` and `neuron generate` as a person or a script runs them, as far as no network is needed.

#![expect(clippy::unwrap_used, reason = "a test's own tools fail loudly")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use engine::whole::Sampling;
use engine::{Bottleneck, ModelConfig, WholeModel};
use neuron::export::{self, Existing, Origin, StageOrigin};
use neuron::message::names::{Hash, RunId, StageId, WindowId};
use serde_json::Value;
use tempfile::TempDir;

/// Runs `neuron` with nothing of this environment, and no chain to connect to.
fn neuron(arguments: &[&str]) -> Output {
    let nowhere = ["--network", "ws://127.0.0.1:1", "--wallet-path", "/nowhere"];
    Command::new(env!("CARGO_BIN_EXE_neuron")).args(arguments).args(nowhere).env_clear().output().unwrap()
}

fn done(arguments: &[&str]) -> String {
    let output = neuron(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The exit status, and what it says to that.
fn refused(arguments: &[&str]) -> (i32, String) {
    let output = neuron(arguments);
    assert!(output.stdout.is_empty(), "a failure is no result");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn model() -> WholeModel {
    let config = ModelConfig {
        d_model: 16,
        heads: 2,
        ffn: 24,
        context: 16,
        layers_per_stage: vec![1, 1],
        bottleneck: Bottleneck::AnchorRes { r: 4, hidden: 8 },
        ..ModelConfig::small()
    };
    WholeModel::initial(&config, &[1; 32]).unwrap()
}

fn exported(dir: &Path) {
    let model = model();
    let stage = |(stage, weights): (u16, &engine::Weights)| StageOrigin {
        stage: StageId(stage),
        theta: weights.hash().into(),
        named_by: 2,
        commitments: 2,
    };
    let origin = Origin {
        run: RunId(Hash([7; 32])),
        window: WindowId(3),
        model: model.hash().into(),
        stages: (0..).zip(model.weights()).map(stage).collect(),
    };
    export::write(dir, &model, &origin, Existing::Keep).unwrap();
}

#[test]
fn a_model_in_a_folder_speaks_without_a_network() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("model");
    exported(&dir);
    let from = dir.to_str().unwrap();
    let ask = ["generate", "--prompt", "one ", "--bytes", "30", "--seed", "5", "--temperature", "0.7", "--from", from];
    let printed: Value = serde_json::from_str(&done(&[ask.as_slice(), &["--json"]].concat())).unwrap();
    let sampling = Sampling { temperature: 0.7, seed: 5, bytes: 30 };
    let generated = model().generate(b"one ", sampling).unwrap();
    assert_eq!(printed["text"], String::from_utf8_lossy(&generated).as_ref());
    assert_eq!(printed["prompt"], "one ");
    assert_eq!((printed["run"].as_str(), printed["window"].as_u64()), (Some("07".repeat(32).as_str()), Some(3)));
    assert_eq!(printed["model"], Hash::from(model().hash()).to_string());
    // People see the prompt, too, and nothing that their terminal would obey.
    let shown = done(&ask);
    assert!(shown.starts_with("one ") && shown.ends_with('\n'));
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{shown:?}");
    assert_eq!(shown, done(&ask), "same seed, same text");

    // A folder that does not say where its model comes from will do.
    fs::remove_file(dir.join(export::ORIGIN_FILE)).unwrap();
    let printed: Value = serde_json::from_str(&done(&[ask.as_slice(), &["--json"]].concat())).unwrap();
    assert_eq!((printed.get("run"), printed.get("window")), (None, None));
}

#[test]
fn what_makes_no_sense_is_bad_usage_before_anybody_is_asked() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("model");
    exported(&dir);
    let from = dir.to_str().unwrap();
    for (arguments, says) in [
        (vec!["export"], "--out"),
        (vec!["export", "--out", from], "--force"),
        (vec!["generate"], "--prompt"),
        (vec!["generate", "--prompt", "x", "--from", from, "--manifest", from], "--manifest"),
        (vec!["generate", "--prompt", "x", "--from", from, "--bytes", "1048577"], "1048576"),
        (vec!["generate", "--prompt", "x", "--from", from, "--temperature", "nan"], "temperature"),
    ] {
        let (status, errors) = refused(&arguments);
        assert_eq!(status, 2, "{arguments:?}: {errors}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
    }
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    let (status, errors) = refused(&["export", "--out", from, "--force"]);
    assert!(status == 2 && errors.contains("notes.txt"), "{status}: {errors}");
    assert_eq!(export::read(&dir).unwrap().model, model());
}

#[test]
fn a_changed_model_does_not_pass_for_the_one_that_was_exported() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("model");
    exported(&dir);
    let path = dir.join(export::TENSORS_FILE);
    let mut tensors = fs::read(&path).unwrap();
    *tensors.last_mut().unwrap() ^= 1;
    fs::write(&path, &tensors).unwrap();
    let ask = ["generate", "--prompt", "x", "--from", dir.to_str().unwrap()];
    let (status, errors) = refused(&ask);
    assert!(status == 3 && errors.contains("narrows.json"), "{status}: {errors}");
    fs::write(&path, &tensors[..9]).unwrap();
    assert_eq!(refused(&ask).0, 1);
    fs::remove_file(&path).unwrap();
    let (status, errors) = refused(&ask);
    assert!(status == 1 && errors.contains("model.safetensors"), "{status}: {errors}");
}
