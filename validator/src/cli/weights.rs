//! `validator weights`.

use std::fmt::Write;

use chain::{Netuid, Uid};
use eyre::{Result, bail};
use keys::AccountId;
use keys::cli::PasswordArgs;
use neuron::cli::CommonArgs;
use serde::Serialize;

#[derive(Serialize)]
struct Weights {
    netuid: Netuid,
    uid: Uid,
    hotkey: AccountId,
    validator_permit: bool,
    block: u64,
    epoch: u64,
    next_epoch_block: u64,
    commit_reveal: bool,
    in_force: Vec<(Uid, u16)>,
    committed: Vec<Committed>,
}

#[derive(Serialize)]
struct Committed {
    hash: String,
    block: u64,
    epoch: u64,
    reveal_epoch: u64,
}

/// Shows what the chain holds of the hotkey's weights.
pub(super) async fn weights(common: &CommonArgs) -> Result<()> {
    let hotkey = common.wallet.hotkey_id(&PasswordArgs::default())?;
    let client = common.connect_briefly().await?;
    let snapshot = client.latest().await?;
    let netuid = common.subnet(&snapshot).await?;
    let metagraph = snapshot.metagraph(netuid).await?;
    let Some(neuron) = metagraph.by_hotkey(&hotkey) else {
        bail!("{hotkey} is not registered on subnet {netuid}: run `validator register` first");
    };
    let epoch = snapshot.epoch_schedule(netuid).await?;
    let committed = snapshot.pending_weight_commits(netuid, 0).await?.remove(&hotkey).unwrap_or_default();
    let shown = Weights {
        netuid,
        uid: neuron.uid,
        hotkey,
        validator_permit: neuron.validator_permit,
        block: snapshot.number().0,
        epoch: epoch.index,
        next_epoch_block: epoch.next.0,
        commit_reveal: snapshot.hyperparameters(netuid).await?.commit_reveal_enabled,
        in_force: snapshot.weights(netuid, 0).await?.remove(&neuron.uid).unwrap_or_default(),
        committed: committed
            .iter()
            .map(|c| Committed {
                hash: hex::encode(c.hash),
                block: c.block.0,
                epoch: c.epoch,
                reveal_epoch: c.reveal_epoch,
            })
            .collect(),
    };
    common.output().result(&shown, &table(&shown)?)
}

fn table(w: &Weights) -> Result<String> {
    let mut text = String::new();
    let permit = if w.validator_permit { "holds a validator permit" } else { "holds no validator permit" };
    writeln!(
        text,
        "uid {} on subnet {} {permit}; block {}, epoch {}, next at block {}",
        w.uid, w.netuid, w.block, w.epoch, w.next_epoch_block
    )?;
    for c in &w.committed {
        writeln!(text, "committed  0x{} in block {}, to be revealed in epoch {}", c.hash, c.block, c.reveal_epoch)?;
    }
    if w.in_force.is_empty() {
        writeln!(text, "in force   none")?;
    }
    for (uid, value) in &w.in_force {
        writeln!(text, "in force   uid {uid:>3}  {value:>5}  {:.4}", f64::from(*value) / f64::from(u16::MAX))?;
    }
    Ok(text.trim_end().to_owned())
}
