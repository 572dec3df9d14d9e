//! `swap-hotkey`, for miners and validators alike: another key of the wallet takes the place of the one that runs.

use chain::{Call, Netuid, Rao};
use eyre::{Result, WrapErr, bail};
use keys::AccountId;
use keys::cli::PasswordArgs;
use serde::Serialize;

use super::common::CommonArgs;
use super::exit::Usage;

/// Put another hotkey of the wallet in the place of the present one: registration, stake and weights move to it
#[derive(Debug, Clone, clap::Args)]
pub struct SwapHotkeyArgs {
    /// Name of the hotkey that takes over; make it first with `keys new`
    #[arg(long, value_name = "NAME")]
    pub to: String,

    /// Swap on every subnet; without, only on the one that --netuid names
    #[arg(long, conflicts_with = "netuid")]
    pub everywhere: bool,

    /// Where the coldkey's password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
}

#[derive(Serialize)]
struct Swapped {
    from: AccountId,
    to: AccountId,
    netuid: Option<Netuid>,
    paid: Rao,
}

/// Swaps the wallet's hotkey for another of its hotkeys. The coldkey signs.
pub async fn swap_hotkey(common: &CommonArgs, args: &SwapHotkeyArgs) -> Result<()> {
    let output = common.output();
    let wallet = common.wallet.open()?;
    let from = wallet.hotkeypub(common.wallet.hotkey_name())?.account_id;
    let to = wallet.hotkeypub(&args.to)?.account_id;
    if from == to {
        bail!(Usage(format!("hotkey `{}` is {from} already; name another one with --to", args.to)));
    }
    let client = common.connect().await?;
    let snapshot = client.latest().await?;
    let netuid = if args.everywhere { None } else { Some(common.subnet(&snapshot).await?) };
    if let Some(netuid) = netuid {
        if snapshot.uid(netuid, from).await?.is_none() {
            bail!("{from} is not registered on subnet {netuid}: there is nothing to swap");
        }
        if let Some(uid) = snapshot.uid(netuid, to).await? {
            bail!("{to} is registered on subnet {netuid} itself, as uid {uid}: name a hotkey that is not");
        }
    }
    let place = netuid.map_or_else(|| "every subnet".to_owned(), |netuid| format!("subnet {netuid}"));
    output.note(&format!("On {place}, {to} takes the place of {from}. Stop what runs with the old one first."));
    if !output.confirm("Swap?")? {
        bail!("not swapped: not confirmed");
    }
    let coldkey = common.wallet.coldkey_pair(&args.password)?;
    let balance = snapshot.balance(coldkey.account_id()).await?;
    let submitted =
        client.submit(&coldkey, &Call::swap_hotkey(from, to, netuid)).await.wrap_err("the hotkey was not swapped")?;
    let after = client.at(submitted.block).await?;
    let paid = balance.saturating_sub(after.balance(coldkey.account_id()).await?);
    let text = format!("On {place}, {to} took the place of {from} for {paid} (with the fee). Run with -H {}.", args.to);
    output.result(&Swapped { from, to, netuid, paid }, &text)
}
