//! What miners train comes out: somebody who hosts nothing gets the model from them, over the same chain and sockets.

use std::path::Path;
use std::process::Command;

use keys::keyfile::StoredKey;
use keys::{Existing, Keypair, Protection, Wallet};
use neuron::export::{self, Exported, Origin};
use neuron::message::names::{RunId, StageId, WindowId};
use neuron::shell::{AssembleConfig, AssembleError, Assembled, Lack, VisitError, assemble};
use tokio::sync::oneshot;

use super::*;

impl World {
    async fn assembled(&self, hotkey: Keypair, manifest: Option<&Path>) -> Result<Assembled, AssembleError> {
        let (client, netuid, manifest) = (self.client.clone(), self.netuid, manifest.map(Path::to_owned));
        let config = AssembleConfig { client, netuid, hotkey, allow_loopback: true, manifest };
        timeout(PATIENCE, assemble(config)).await.expect("assembling ends")
    }

    /// Runs the binary in the name of the subnet's owner, and returns its exit status, output and errors.
    async fn neuron(&self, home: &Path, arguments: &[&str]) -> (i32, String, String) {
        let wallets = home.join("wallets");
        let wallet = Wallet::new(&wallets, "people").unwrap();
        if !wallet.has_hotkey("owner").unwrap() {
            let owner = StoredKey::from_keypair(key("Owner"));
            wallet.create_hotkey("owner", &owner, Protection::Plain, Existing::Keep).unwrap();
        }
        let (url, netuid) = (self.node.rpc_url(), self.netuid.to_string());
        let common = ["--network", url.as_str(), "--netuid", &netuid, "-w", "people", "-H", "owner", "--json"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_neuron"));
        command.args(arguments).args(common).env_clear().env("BT_WALLET_PATH", &wallets);
        let (ended, output) = oneshot::channel();
        std::thread::spawn(move || ended.send(command.output()));
        let output = timeout(PATIENCE, output).await.expect("the command ends").unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

pub(super) async fn nothing_before_there_is_a_run(world: &World, home: &Path, corpus: &[u8]) {
    let refused = world.assembled(key("Stranger"), None).await.unwrap_err();
    assert!(matches!(refused, AssembleError::Visit(VisitError::NotRegistered { .. })), "{refused}");
    let refused = world.assembled(key("Owner"), None).await.unwrap_err();
    assert!(matches!(refused, AssembleError::NoRun(netuid) if netuid == world.netuid), "{refused}");

    let far = world.manifest(corpus, 100_000).await;
    let file = home.join("far.manifest");
    std::fs::write(&file, far.to_bytes().unwrap()).unwrap();
    let refused = world.assembled(key("Owner"), Some(&file)).await.unwrap_err();
    let cut = BlockNumber(far.start_block.0 + u64::from(far.schedule.cut_offset()));
    assert!(matches!(refused, AssembleError::TooEarly { cut: first, .. } if first == cut), "{refused}");
    let elsewhere = Manifest { netuid: far.netuid + 1, ..far };
    std::fs::write(&file, elsewhere.to_bytes().unwrap()).unwrap();
    let refused = world.assembled(key("Owner"), Some(&file)).await.unwrap_err();
    assert!(matches!(refused, AssembleError::OtherNetwork(_)), "{refused}");
    std::fs::write(&file, "no manifest").unwrap();
    let out = home.join("never");
    let arguments = ["export", "--out", out.to_str().unwrap(), "--manifest", file.to_str().unwrap()];
    let (status, _, errors) = world.neuron(home, &arguments).await;
    assert_eq!(status, 2, "{errors}");
    assert!(!out.exists());
}

/// Returns the model that was exported.
pub(super) async fn to_somebody_who_hosts_nothing(
    world: &World,
    home: &Path,
    run: RunId,
    seen: &mut Seen,
    events: &mut mpsc::Receiver<(&'static str, Event)>,
) -> WholeModel {
    // Nobody is cut off for it: who would be is left alone.
    let miner = key("Miner0");
    let refused = world.assembled(miner.clone(), None).await.unwrap_err();
    assert!(
        matches!(&refused, AssembleError::Visit(VisitError::InUse(hotkey)) if *hotkey == miner.account_id()),
        "{refused}"
    );

    let out = home.join("out");
    let export = ["export", "--out", out.to_str().unwrap()];
    let (status, printed, errors) = world.neuron(home, &export).await;
    assert_eq!(status, 0, "{errors}");
    let Exported { model, origin } = export::read(&out).unwrap();
    let origin = origin.expect("it says where it comes from");
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(serde_json::from_value::<Origin>(printed.clone()).unwrap(), origin);
    assert_eq!(printed["files"].as_array().map(Vec::len), Some(3), "{printed}");
    assert_eq!((origin.run, origin.model), (run, model.hash().into()));
    assert!(origin.window >= WindowId(LAST_WINDOW - 1), "{origin:?}");

    // It has the window that it had, whatever comes after it; a second one may be newer.
    let again = world.assembled(key("Owner"), None).await.unwrap();
    assert!(again.window >= origin.window && again.run == run);
    for (window, model) in [(origin.window, &model), (again.window, &again.model)] {
        while (0..STAGES).any(|stage| !seen.stood.contains_key(&(stage, window.0))) {
            let (name, event) = timeout(PATIENCE, events.recv()).await.unwrap().expect("miners run");
            // Only the one that was asked for itself met its own hotkey, and lost it again.
            if let Event::PeerLost { hotkey } = &event {
                assert!(*hotkey != miner.account_id() || name == "Miner0", "{name} lost the miner");
            }
            seen.take(name, event);
        }
        for (stage, weights) in (0..STAGES).zip(model.weights()) {
            let stood = &seen.stood[&(stage, window.0)];
            assert!(stood.contains_key(&Hash::from(weights.hash())), "stage {stage} of {window:?}: {stood:?}");
        }
    }
    for (stage, agreement) in again.stages.iter().enumerate() {
        assert!(agreement.named_by.len() * 2 > agreement.commitments, "{stage}: {agreement:?}");
        assert_eq!(Hash::from(again.model.weights()[stage].hash()), agreement.state.theta);
    }

    // From the network and from the folder it says the same, if both are of one window.
    let prompt = ["generate", "--prompt", "window ", "--bytes", "40", "--seed", "3"];
    let from_folder = [prompt.as_slice(), &["--from", out.to_str().unwrap()]].concat();
    let mut said = Vec::new();
    for arguments in [from_folder.as_slice(), &prompt] {
        let (status, printed, errors) = world.neuron(home, arguments).await;
        assert_eq!(status, 0, "{errors}");
        let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(printed["run"], run.to_string(), "{printed}");
        said.push(printed);
    }
    let sampling = engine::whole::Sampling { temperature: 0.8, seed: 3, bytes: 40 };
    let expected = model.generate(b"window ", sampling).unwrap();
    assert_eq!(said[0]["text"], String::from_utf8_lossy(&expected).as_ref());
    assert_eq!(said[0]["model"] == said[1]["model"], said[0]["window"] == said[1]["window"], "{said:?}");

    // The owner's place in the subnet is as before: nothing was served in its name.
    let metagraph = world.client.latest().await.unwrap().metagraph(world.netuid).await.unwrap();
    assert_eq!(metagraph.by_hotkey(&key("Owner").account_id()).unwrap().axon, None);
    model
}

/// A miner without the memory for any stage says so and ends, instead of holding a place in one.
pub(super) async fn no_miner_without_memory(world: &World, home: &Path, corpus: &[u8], manifest: &Manifest) {
    let (text, file) = (home.join("corpus.txt"), home.join("run.manifest"));
    std::fs::write(&text, corpus).unwrap();
    std::fs::write(&file, manifest.to_bytes().unwrap()).unwrap();
    let state = home.join("small");
    let [text, file, state] = [&text, &file, &state].map(|path| path.to_str().unwrap());
    let arguments = ["run", "--corpus", text, "--manifest", file, "--state", state, "--axon-port", "0"];
    let (status, _, errors) = world.neuron(home, &[arguments.as_slice(), &["--max-memory", "4KiB"]].concat()).await;
    assert_eq!(status, 1, "{errors}");
    assert!(errors.contains("more than 4096") && errors.contains("--max-memory"), "{errors}");
}

/// With all miners of the last stage gone, and nobody else to ask for what they had.
pub(super) async fn not_without_a_stage(world: &World, run: RunId) {
    let refused = world.assembled(key("Owner"), None).await.unwrap_err();
    let lacks = match &refused {
        AssembleError::Incomplete { run: of, lacks, .. } if *of == run => lacks.0.as_slice(),
        _ => &[],
    };
    assert_eq!(lacks.len(), 4, "all windows that are kept were looked at: {refused}");
    let last = StageId(STAGES - 1);
    let (_, newest) = lacks[0];
    assert!(
        matches!(newest, Lack::Nobody(stage) | Lack::NoMajority { stage, most: 0, .. } if stage == last),
        "{refused}"
    );
}
