//! `neuron status`: what the chain knows of this neuron.

use chain::{BlockNumber, Netuid, Rao, Uid};
use eyre::bail;
use keys::AccountId;
use keys::cli::PasswordArgs;
use neuron::cli::CommonArgs;
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    password: PasswordArgs,
}

#[derive(Serialize)]
struct Status {
    block: BlockNumber,
    netuid: Netuid,
    hotkey: AccountId,
    coldkey: AccountId,
    uid: Uid,
    registered_at: BlockNumber,
    axon: Option<String>,
    validator_permit: bool,
    stake: Rao,
    incentive: u16,
    dividends: u16,
    emission: Rao,
    last_update: BlockNumber,
}

pub(crate) async fn status(common: &CommonArgs, args: &Args) -> eyre::Result<()> {
    let hotkey = common.wallet.hotkey_id(&args.password)?;
    let client = common.connect_briefly().await?;
    let snapshot = client.latest().await?;
    let netuid = common.subnet(&snapshot).await?;
    let metagraph = snapshot.metagraph(netuid).await?;
    let Some(neuron) = metagraph.by_hotkey(&hotkey) else {
        bail!("{hotkey} is not registered on subnet {netuid}: run `neuron register --netuid {netuid}`");
    };
    let status = Status {
        block: metagraph.block,
        netuid,
        hotkey,
        coldkey: neuron.coldkey,
        uid: neuron.uid,
        registered_at: neuron.block_at_registration,
        axon: neuron.axon.map(|axon| axon.address().to_string()),
        validator_permit: neuron.validator_permit,
        stake: neuron.stake,
        incentive: neuron.incentive,
        dividends: neuron.dividends,
        emission: neuron.emission,
        last_update: neuron.last_update,
    };
    common.output().result(&status, &text(&status))
}

/// Shares of 65535, as people read them.
fn percent(share: u16) -> String {
    format!("{:.2} %", f64::from(share) * 100.0 / f64::from(u16::MAX))
}

fn text(status: &Status) -> String {
    let axon = status.axon.as_deref().unwrap_or("not served (`neuron run` does)");
    [
        format!("block      {}", status.block),
        format!("subnet     {}", status.netuid),
        format!("uid        {}, registered in block {}", status.uid, status.registered_at),
        format!("hotkey     {}", status.hotkey),
        format!("coldkey    {}", status.coldkey),
        format!("axon       {axon}"),
        format!("permit     {}", if status.validator_permit { "validator" } else { "none" }),
        format!("stake      {}", status.stake),
        format!("incentive  {}", percent(status.incentive)),
        format!("dividends  {}", percent(status.dividends)),
        format!("emission   {} in the last epoch", status.emission),
    ]
    .join("\n")
}
