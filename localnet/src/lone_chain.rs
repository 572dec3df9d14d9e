//! `localnet chain`: the development chain alone, for those who bring their own clients.

use std::fmt::Write;

use eyre::{Result, WrapErr};
use keys::Keypair;
use narrows_node::{DevNode, DevNodeConfig, Sealing};

use crate::accounts::Role;
use crate::cli::ChainArgs;

/// One TAO in rao.
const TAO: u64 = 1_000_000_000;

/// Substrate's development accounts and what each holds, in TAO: secret URIs that every client knows. The first is
/// root, with as much as on Bittensor's own localnet.
const ACCOUNTS: [(&str, u64); 6] = [
    ("//Alice", 1_000_000),
    ("//Bob", 10_000),
    ("//Charlie", 10_000),
    ("//Dave", 10_000),
    ("//Eve", 10_000),
    ("//Ferdie", 10_000),
];

/// Runs a chain until the user ends it.
///
/// # Errors
///
/// It does not start (the error says what to change), or does not stop.
pub async fn run(args: &ChainArgs) -> Result<()> {
    let accounts = ACCOUNTS.map(|(uri, tao)| Keypair::from_uri(uri).map(|pair| (uri, pair.account_id(), tao)));
    let accounts = accounts.into_iter().collect::<Result<Vec<_>, _>>().wrap_err("a development key")?;
    if let Some(dir) = &args.dumps {
        std::fs::create_dir_all(dir)
            .wrap_err_with(|| format!("cannot use {} as --dumps: name a folder that can be written", dir.display()))?;
    }
    let node = DevNode::start(config(args, &accounts)).await?;
    let mut said = format!("rpc      {}\naccounts\n", node.rpc_url());
    for (index, (uri, account, tao)) in accounts.iter().enumerate() {
        let role = if index == 0 { Role::Root.word() } else { "" };
        writeln!(said, "  {uri:<10} {account}  {tao:>9} τ  {role}")?;
    }
    said += "These keys are public: never send them anything of worth. Ctrl-C ends the chain.";
    crate::say(&said);
    crate::interrupt::ended(false).await?;
    let tip = node.tip().number;
    node.shutdown().await?;
    crate::say(&format!("stopped at block {tip}"));
    Ok(())
}

fn config(args: &ChainArgs, accounts: &[(&str, keys::AccountId, u64)]) -> DevNodeConfig {
    let endowed: Vec<([u8; 32], u64)> = accounts.iter().map(|(_, account, tao)| (account.0, tao * TAO)).collect();
    let root = endowed.first().map_or([0; 32], |(root, _)| *root);
    let mut config = DevNodeConfig::new(root, endowed, crate::subnet::beacon_seed(args.seed));
    config.block_time = args.block_time;
    config.sealing = match args.sealing.as_str() {
        "instant" => Sealing::Instant,
        "manual" => Sealing::Manual,
        _ => Sealing::Interval,
    };
    config.port = args.port;
    config.state_dir = args.state.clone();
    config.load = args.load.clone();
    config.dumps_dir = args.dumps.clone();
    config.kept_blocks = args.kept_blocks;
    // Whoever reaches the endpoint of a localnet is its developer.
    config.dev_methods = true;
    config
}
