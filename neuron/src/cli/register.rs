//! `register`, for miners and validators alike: asks the price, shows it, confirms, pays.

use chain::{Call, Netuid, Rao, Uid};
use eyre::{Result, WrapErr, bail};
use keys::AccountId;
use keys::cli::PasswordArgs;
use serde::Serialize;

use super::common::CommonArgs;

/// Register the hotkey on a subnet, paying its price from the coldkey
#[derive(Debug, Clone, clap::Args)]
pub struct RegisterArgs {
    /// Where the coldkey's password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
}

#[derive(Serialize)]
struct Registered {
    netuid: Netuid,
    uid: Uid,
    hotkey: AccountId,
    paid: Rao,
}

/// Registers the wallet's hotkey; done at once if it already is.
pub async fn register(common: &CommonArgs, args: &RegisterArgs) -> Result<()> {
    let output = common.output();
    let hotkey = common.wallet.hotkey_id(&args.password)?;
    let client = common.connect().await?;
    let snapshot = client.latest().await?;
    let netuid = common.subnet(&snapshot).await?;
    if let Some(uid) = snapshot.uid(netuid, hotkey).await? {
        let done = Registered { netuid, uid, hotkey, paid: Rao(0) };
        return output.result(&done, &format!("{hotkey} is already registered on subnet {netuid} as uid {uid}"));
    }
    let price = snapshot.burn_price(netuid).await?;
    let coldkey = common.wallet.coldkey_pair(&args.password)?;
    let balance = snapshot.balance(coldkey.account_id()).await?;
    if balance < price {
        bail!("registering costs {price}, coldkey {} has {balance}: send it some first", coldkey.account_id());
    }
    output.note(&format!(
        "Registering {hotkey} on subnet {netuid} costs {price}, which is burned. Coldkey {} has {balance}.",
        coldkey.account_id()
    ));
    // The price moves with every registration; what is paid is the price in the block that takes it.
    if !output.confirm("Register?")? {
        bail!("not registered: not confirmed");
    }
    let call = Call::burned_register(netuid, hotkey);
    let submitted = client.submit(&coldkey, &call).await.wrap_err("not registered")?;
    let after = client.at(submitted.block).await?;
    let Some(uid) = after.uid(netuid, hotkey).await? else {
        bail!("registered in block {}, and pruned in the same block; register again", submitted.number);
    };
    let paid = balance.saturating_sub(after.balance(coldkey.account_id()).await?);
    let text = format!("Registered {hotkey} on subnet {netuid} as uid {uid} for {paid} (with the fee).");
    output.result(&Registered { netuid, uid, hotkey, paid }, &text)
}
