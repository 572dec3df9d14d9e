//! Commits to a validator's weights by their hash, as this project's own client does: `commit_weights URL WALLETS WALLET
//! NETUID UID WEIGHT VERSION-KEY SALT…`. The tests of other clients reveal with those what was committed here.

#![allow(clippy::print_stdout, reason = "an example talks to its caller")]

use std::path::Path;

use chain::weights::{WeightVector, commit_hash};
use chain::{Call, Client, ConnectConfig, Netuid, Uid};
use eyre::{Result, bail};
use keys::Wallet;

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, wallets, wallet, netuid, uid, weight, version_key, salt @ ..] = words.as_slice() else {
        bail!("name URL, WALLETS, WALLET, NETUID, UID, WEIGHT, VERSION-KEY and the SALT's numbers");
    };
    let hotkey = Wallet::new(Path::new(wallets), wallet)?.hotkey("default", None)?;
    let netuid = Netuid(netuid.parse()?);
    let vector = WeightVector { uids: vec![Uid(uid.parse()?)], values: vec![weight.parse()?] };
    let salt = salt.iter().map(|word| word.parse()).collect::<Result<Vec<u16>, _>>()?;
    let client = Client::connect(ConnectConfig::new([url])?).await?;
    let hash = commit_hash(hotkey.account_id(), netuid, 0, &vector, &salt, version_key.parse()?);
    client.submit(&hotkey, &Call::commit_weights(netuid, hash)).await?;
    println!("committed");
    Ok(())
}
