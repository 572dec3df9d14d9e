//! Says what a chain holds, as this project's own client reads it: one question per line on standard input, one JSON
//! answer per line on standard output. The tests of other clients compare with it what those print.
//!
//! `chain_state URL`, then lines such as `balance ADDRESS`, `stake HOTKEY COLDKEY NETUID`, `weights NETUID MECHANISM`. What
//! no chain is needed for, `address SECRET` and `verified ADDRESS SIGNATURE MESSAGE`, it answers as well.

#![allow(clippy::print_stdout, reason = "an example talks to its caller")]

use chain::{Argument, Client, ConnectConfig, Netuid, Snapshot, Value as AnyValue};
use eyre::{Result, bail, eyre};
use keys::{AccountId, Keypair, Signature, verify};
use serde_json::{Value, json};

/// The pallet whose storage is read by name.
const SUBTENSOR: &str = "SubtensorModule";

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).ok_or_else(|| eyre!("name the endpoint, such as ws://127.0.0.1:9944"))?;
    let client = Client::connect(ConnectConfig::new([url])?).await?;
    // The questions come one by one, so nothing else waits while a line is read.
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        println!("{}", answer(&client.latest().await?, &words).await?);
    }
    Ok(())
}

async fn answer(state: &Snapshot, words: &[&str]) -> Result<Value> {
    Ok(match *words {
        ["block"] => json!(state.number().0),
        ["balance", who] => json!(state.balance(account(who)?).await?.0),
        ["owner", hotkey] => json!(state.owner(account(hotkey)?).await?.map(|owner| owner.to_string())),
        ["started", netuid] => json!(state.is_started(subnet(netuid)?).await?),
        ["take", hotkey] => json!(state.take(account(hotkey)?).await?),
        ["name", coldkey] => json!(state.name_of(account(coldkey)?).await?),
        ["childkey-take", hotkey, netuid] => {
            let keys = [account(hotkey)?.into(), subnet(netuid)?.into()];
            json!(state.value::<u16>(SUBTENSOR, "ChildkeyTake", &keys).await?)
        }
        ["children", hotkey, netuid] => {
            let children = state.pending_children(account(hotkey)?, subnet(netuid)?).await?;
            json!(children.into_iter().map(|(part, child)| (part, child.to_string())).collect::<Vec<_>>())
        }
        ["child-keys", hotkey, netuid] => {
            let keys = [account(hotkey)?.into(), subnet(netuid)?.into()];
            let children = state.optional::<Vec<(u64, [u8; 32])>>(SUBTENSOR, "ChildKeys", &keys).await?;
            let child = |(part, child)| (part, AccountId::from(child).to_string());
            json!(children.unwrap_or_default().into_iter().map(child).collect::<Vec<_>>())
        }
        ["subnet-name", netuid] => {
            type Identity = (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);
            let identity =
                state.optional::<Identity>(SUBTENSOR, "SubnetIdentitiesV3", &[subnet(netuid)?.into()]).await?;
            json!(identity.map(|identity| String::from_utf8_lossy(&identity.0).into_owned()))
        }
        ["mechanisms", netuid] => {
            json!(state.value::<(u8,)>(SUBTENSOR, "MechanismCountCurrent", &[subnet(netuid)?.into()]).await?.0)
        }
        ["symbol", netuid] => {
            let symbol = state.value::<Vec<u8>>(SUBTENSOR, "TokenSymbol", &[subnet(netuid)?.into()]).await?;
            json!(String::from_utf8_lossy(&symbol))
        }
        ["split", netuid] => {
            json!(state.optional::<Vec<u16>>(SUBTENSOR, "MechanismEmissionSplit", &[subnet(netuid)?.into()]).await?)
        }
        ["subnet-cost"] => {
            json!(state.ask::<u64>("SubnetRegistrationRuntimeApi", "get_network_registration_cost", &[]).await?)
        }
        ["epochs", netuid] => json!(state.epoch_schedule(subnet(netuid)?).await?.index),
        ["permits", netuid] => {
            json!(state.metagraph(subnet(netuid)?).await?.validators().map(|neuron| neuron.uid.0).collect::<Vec<_>>())
        }
        // Sealed weights that wait: who committed them, and the round that opens them.
        ["sealed", netuid, mechanism] => {
            let index: Argument = subnet(netuid)?.storage_index(mechanism.parse()?).into();
            type Sealed = ([u8; 32], u64, Vec<u8>, u64);
            let epochs = state.map::<u64, Vec<Sealed>>(SUBTENSOR, "TimelockedWeightCommits", &[index]).await?;
            let commits = epochs.into_values().flatten();
            json!(commits.map(|(who, _, _, round)| (AccountId::from(who).to_string(), round)).collect::<Vec<_>>())
        }
        ["commits", netuid, hotkey] => {
            let commits = state.pending_weight_commits(subnet(netuid)?, 0).await?;
            json!(commits.get(&account(hotkey)?).map_or(0, Vec::len))
        }
        // Who may act for an account, and in what.
        ["proxies", who] => {
            type Proxies = (Vec<([u8; 32], AnyValue, u32)>, u64);
            let proxies = state.optional::<Proxies>("Proxy", "Proxies", &[account(who)?.into()]).await?;
            let proxy = |(delegate, kind, delay): ([u8; 32], AnyValue, u32)| {
                json!([AccountId::from(delegate).to_string(), kind.to_string().trim_end_matches(" ()"), delay])
            };
            json!(proxies.map(|(proxies, _)| proxies.into_iter().map(proxy).collect::<Vec<_>>()).unwrap_or_default())
        }
        // Where a coldkey's mining income is staked, if it chose.
        ["auto-stake", coldkey, netuid] => {
            let keys = [account(coldkey)?.into(), subnet(netuid)?.into()];
            let chosen = state.optional::<[u8; 32]>(SUBTENSOR, "AutoStakeDestination", &keys).await?;
            json!(chosen.map(|hotkey| AccountId::from(hotkey).to_string()))
        }
        // From which block on a coldkey may be swapped.
        ["announced", coldkey] => {
            let keys = [account(coldkey)?.into()];
            let announced = state.optional::<(u32, [u8; 32])>(SUBTENSOR, "ColdkeySwapAnnouncements", &keys).await?;
            json!(announced.map(|(block, _)| block))
        }
        ["last-round"] => json!(state.stored_rounds().await?.map(|rounds| *rounds.end())),
        ["address", ..] => json!(Keypair::from_uri(&words[1..].join(" "))?.account_id().to_string()),
        ["verified", address, signature, ..] => {
            json!(verify(&account(address)?, &signature.parse::<Signature>()?, words[3..].join(" ").as_bytes()))
        }
        ["subnets"] => json!(state.subnets().await?.iter().map(|netuid| netuid.0).collect::<Vec<_>>()),
        ["uid", netuid, hotkey] => json!(state.uid(subnet(netuid)?, account(hotkey)?).await?.map(|uid| uid.0)),
        ["burn", netuid] => json!(state.burn_price(subnet(netuid)?).await?.0),
        ["price", netuid] => json!(state.alpha_price(subnet(netuid)?).await?.0),
        ["stake", hotkey, coldkey, netuid] => {
            json!(state.stake(account(hotkey)?, account(coldkey)?, subnet(netuid)?).await?.0)
        }
        ["weights", netuid, mechanism] => {
            let rows = state.weights(subnet(netuid)?, mechanism.parse()?).await?;
            let pairs =
                |row: Vec<(chain::Uid, u16)>| row.into_iter().map(|(to, weight)| (to.0, weight)).collect::<Vec<_>>();
            json!(rows.into_iter().map(|(uid, row)| (uid.0, pairs(row))).collect::<Vec<_>>())
        }
        ["axon", netuid, hotkey] => {
            let graph = state.metagraph(subnet(netuid)?).await?;
            let neuron = graph.by_hotkey(&account(hotkey)?);
            json!(neuron.and_then(|neuron| neuron.axon.as_ref()).map(|axon| axon.address().to_string()))
        }
        ["hyperparameters", netuid] => {
            let rules = state.hyperparameters(subnet(netuid)?).await?;
            json!({
                "tempo": rules.tempo,
                "kappa": rules.kappa,
                "immunity_period": rules.immunity_period,
                "min_allowed_weights": rules.min_allowed_weights,
                "serving_rate_limit": rules.serving_rate_limit,
                "weights_rate_limit": rules.weights_rate_limit,
                "commit_reveal_weights_enabled": rules.commit_reveal_enabled,
                "max_allowed_uids": rules.max_uids,
            })
        }
        _ => bail!("`{}` is no question; see the head of this example", words.join(" ")),
    })
}

fn account(text: &str) -> Result<AccountId> {
    Ok(text.parse()?)
}

fn subnet(text: &str) -> Result<Netuid> {
    Ok(Netuid(text.parse()?))
}
