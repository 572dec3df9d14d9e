//! `validator stake AMOUNT`.

use chain::{Call, Netuid, Rao};
use eyre::{Result, WrapErr, bail};
use keys::AccountId;
use keys::cli::PasswordArgs;
use neuron::cli::CommonArgs;
use serde::Serialize;

/// How much to stake.
#[derive(Clone, Debug, clap::Args)]
pub struct StakeArgs {
    /// TAO, such as 1.5.
    pub amount: Rao,
    /// Where the coldkey's password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
}

#[derive(Serialize)]
struct Staked {
    netuid: Netuid,
    hotkey: AccountId,
    staked: Rao,
    stake: Rao,
}

/// Stakes, after asking.
pub(super) async fn stake(common: &CommonArgs, args: &StakeArgs) -> Result<()> {
    let output = common.output();
    let hotkey = common.wallet.hotkey_id(&args.password)?;
    let client = common.connect().await?;
    let snapshot = client.latest().await?;
    let netuid = common.subnet(&snapshot).await?;
    let coldkey = common.wallet.coldkey_pair(&args.password)?;
    let balance = snapshot.balance(coldkey.account_id()).await?;
    if balance < args.amount {
        bail!(
            "coldkey {} has {balance}, less than {}: stake less, or send it some first",
            coldkey.account_id(),
            args.amount
        );
    }
    output.note(&format!("Staking {} of {balance} on {hotkey}, subnet {netuid}.", args.amount));
    if !output.confirm("Stake?")? {
        bail!("not staked: not confirmed");
    }
    let call = Call::add_stake(hotkey, netuid, args.amount);
    let submitted = client.submit(&coldkey, &call).await.wrap_err("not staked")?;
    let stake = client.at(submitted.block).await?.hotkey_stake(hotkey, netuid).await?;
    let text = format!("Staked {} on {hotkey}; its stake on subnet {netuid} is now {stake}.", args.amount);
    output.result(&Staked { netuid, hotkey, staked: args.amount, stake }, &text)
}
