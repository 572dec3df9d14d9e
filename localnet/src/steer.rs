//! Steering the chain of a localnet that runs, from another terminal, through its endpoint.

use chain::{Client, ConnectConfig, Netuid};
use eyre::{Context, Result, bail};

use crate::cli::{Command, Endpoint, Pace};

/// Does what the command says and returns what to tell the user.
///
/// # Errors
///
/// No chain answers there; it is no development chain; or it would not, and says why.
pub async fn steer(command: Command) -> Result<String> {
    match command {
        Command::Up(_) | Command::Chain(_) => bail!("starting a chain is not steering one"),
        Command::Advance { blocks: Some(blocks), at, .. } => {
            let tip = connect(&at).await?.developer().advance(blocks).await?;
            Ok(format!("block {tip}"))
        }
        Command::Advance { epochs, netuid, at, .. } => {
            let client = connect(&at).await?;
            let mut block = client.finalized_head().await?.number;
            for _ in 0..epochs.unwrap_or(1) {
                block = client.developer().advance_to_epoch(Netuid(netuid)).await?;
            }
            Ok(format!("block {block}, in which an epoch of subnet {netuid} ran"))
        }
        Command::Snapshot { at } => {
            let client = connect(&at).await?;
            let id = client.developer().snapshot().await?;
            Ok(format!("snapshot {id}: `localnet revert {id}` comes back to it"))
        }
        Command::Revert { id, at } => {
            let tip = connect(&at).await?.developer().revert(id).await?;
            Ok(format!("block {tip}; what came after it is gone"))
        }
        Command::Dump { name, at } => {
            let tip = connect(&at).await?.developer().dump(&name).await?;
            Ok(format!("written up to block {tip}, as {name}.chain in the localnet's folder for dumps"))
        }
        Command::Pace { pace, at } => {
            let client = connect(&at).await?;
            match pace {
                Pace::Every(time) => {
                    let millis = u64::try_from(time.as_millis()).wrap_err("such a block time has no number")?;
                    client.developer().set_block_time_ms(millis).await?;
                    Ok(format!("a block every {}", humantime::format_duration(time)))
                }
                Pace::Sealing(sealing) => {
                    client.developer().set_sealing(sealing).await?;
                    Ok(format!("sealing is {sealing}"))
                }
            }
        }
    }
}

async fn connect(at: &Endpoint) -> Result<Client> {
    let config = ConnectConfig::new([&at.network])?;
    let told = || format!("no localnet answers at {}: name its endpoint with --network", at.network);
    Client::connect(config).await.wrap_err_with(told)
}
