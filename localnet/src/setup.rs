//! Makes a subnet out of an empty chain, by the calls that a real owner, validator or miner would make: fund, create,
//! configure, start, register, stake. What is already there (a chain that was kept on disk) is left as it is.

use chain::{AccountId, Argument, Call, Client, Event, Netuid, Rao, Uid};
use eyre::{Context, Result, eyre};

use crate::accounts::{Account, Accounts, Role};

/// What the root account holds at genesis.
pub const INITIAL_ISSUANCE: Rao = Rao(1_000_000 * Rao::PER_TAO);

/// What a validator stakes on its hotkey.
pub const VALIDATOR_STAKE: Rao = Rao(10_000 * Rao::PER_TAO);

/// Stake below which a hotkey gets no validator permit. With as many permits as there are validators it keeps miners,
/// whose pay is stake too, from becoming validators within hours.
const STAKE_THRESHOLD: Rao = Rao(5_000 * Rao::PER_TAO);

/// What an account is given, by role: an owner pays the lock cost of a subnet, a validator its stake, everybody fees and
/// a registration.
fn allowance(role: Role) -> Rao {
    match role {
        Role::Root => Rao(0),
        Role::Owner => Rao::from_tao(2_000),
        Role::Validator => VALIDATOR_STAKE.saturating_add(Rao::from_tao(100)),
        Role::Miner => Rao::from_tao(100),
    }
}

/// What the subnet is set up with.
#[derive(Clone, Copy, Debug)]
pub struct SubnetPlan {
    /// Blocks in an epoch.
    pub tempo: u16,
    /// Validator permits.
    pub validators: u16,
}

/// Brings the chain to the point where neurons can start, reporting each step to `progress`. Returns the subnet and the
/// uid of every neuron in the order of [`Accounts::neurons`].
pub async fn set_up(
    client: &Client,
    accounts: &Accounts,
    plan: SubnetPlan,
    mut progress: impl FnMut(&str),
) -> Result<(Netuid, Vec<Uid>)> {
    progress("funding accounts");
    fund(client, accounts).await?;
    let netuid = match existing_subnet(client, accounts).await? {
        Some(netuid) => netuid,
        None => {
            progress("creating the subnet");
            create_subnet(client, accounts, plan).await?
        }
    };
    let mut uids = Vec::new();
    for account in accounts.neurons() {
        progress(&format!("registering {}", account.name));
        uids.push(register(client, netuid, account).await?);
    }
    progress("staking");
    // One after the other would cost a block each; they are independent, so they go out together.
    futures::future::try_join_all(accounts.validators.iter().map(|account| stake(client, netuid, account))).await?;
    Ok((netuid, uids))
}

async fn fund(client: &Client, accounts: &Accounts) -> Result<()> {
    let head = client.latest().await?;
    let mut transfers = Vec::new();
    for account in accounts.all() {
        let wanted = allowance(account.role);
        // A kept chain has funded them before; they may since have spent it, as people do.
        if wanted > Rao(0) && head.balance(account.coldkey_id()).await? == Rao(0) {
            transfers.push(Call::transfer_keep_alive(account.coldkey_id(), wanted));
        }
    }
    if transfers.is_empty() {
        return Ok(());
    }
    client.submit(&accounts.root.coldkey, &Call::batch_all(transfers)).await.wrap_err("cannot fund the accounts")?;
    Ok(())
}

async fn existing_subnet(client: &Client, accounts: &Accounts) -> Result<Option<Netuid>> {
    let head = client.latest().await?;
    for netuid in head.subnets().await? {
        if netuid != Netuid::ROOT && head.metagraph(netuid).await?.owner == accounts.owner.coldkey_id() {
            return Ok(Some(netuid));
        }
    }
    Ok(None)
}

async fn create_subnet(client: &Client, accounts: &Accounts, plan: SubnetPlan) -> Result<Netuid> {
    let owner = &accounts.owner;
    let created = client
        .submit(&owner.coldkey, &Call::register_network(owner.hotkey_id()))
        .await
        .wrap_err("cannot create the subnet")?;
    let netuid = created
        .events
        .iter()
        .find_map(|event| match event {
            Event::NetworkAdded { netuid, .. } => Some(*netuid),
            _ => None,
        })
        .ok_or_else(|| eyre!("the chain created no subnet although the call succeeded"))?;
    let root = &accounts.root.coldkey;
    client
        .submit(root, &Call::sudo(Call::batch_all(hyperparameters(netuid, plan))))
        .await
        .wrap_err("cannot set the subnet's hyperparameters")?;
    client.submit(&owner.coldkey, &Call::start_call(netuid)).await.wrap_err("cannot start the subnet")?;
    let emit: [(&str, Argument); 2] = [("netuid", netuid.into()), ("enabled", true.into())];
    client
        .submit(root, &Call::sudo(Call::admin("sudo_set_subnet_emission_enabled", emit)))
        .await
        .wrap_err("cannot enable the subnet's emission")?;
    Ok(netuid)
}

/// What differs from Bittensor's defaults, and why.
fn hyperparameters(netuid: Netuid, plan: SubnetPlan) -> Vec<Call> {
    let of_subnet =
        |name: &str, argument: &str, value: Argument| Call::admin(name, [("netuid", netuid.into()), (argument, value)]);
    vec![
        // Minutes, not hours, between two epochs.
        of_subnet("sudo_set_tempo", "tempo", plan.tempo.into()),
        // Three validators cannot weigh 1,024 miners.
        of_subnet("sudo_set_min_allowed_weights", "min_allowed_weights", 1_u16.into()),
        of_subnet("sudo_set_weights_set_rate_limit", "weights_set_rate_limit", 0_u64.into()),
        of_subnet("sudo_set_serving_rate_limit", "serving_rate_limit", 0_u64.into()),
        of_subnet("sudo_set_max_allowed_validators", "max_allowed_validators", plan.validators.into()),
        // Commit-reveal as on Bittensor: opened one epoch after the commit.
        of_subnet("sudo_set_commit_reveal_weights_interval", "interval", 1_u64.into()),
        of_subnet("sudo_set_commit_reveal_weights_enabled", "enabled", true.into()),
        Call::admin("sudo_set_stake_threshold", [("min_stake", Argument::from(STAKE_THRESHOLD))]),
    ]
}

async fn uid_of(client: &Client, netuid: Netuid, hotkey: AccountId) -> Result<Option<Uid>> {
    Ok(client.latest().await?.uid(netuid, hotkey).await?)
}

async fn register(client: &Client, netuid: Netuid, account: &Account) -> Result<Uid> {
    if let Some(uid) = uid_of(client, netuid, account.hotkey_id()).await? {
        return Ok(uid);
    }
    client
        .submit(&account.coldkey, &Call::burned_register(netuid, account.hotkey_id()))
        .await
        .wrap_err_with(|| format!("cannot register {}", account.name))?;
    uid_of(client, netuid, account.hotkey_id())
        .await?
        .ok_or_else(|| eyre!("{} holds no uid although its registration succeeded", account.name))
}

async fn stake(client: &Client, netuid: Netuid, account: &Account) -> Result<()> {
    let head = client.latest().await?;
    let staked = head.hotkey_stake(account.hotkey_id(), netuid).await?;
    if staked >= VALIDATOR_STAKE {
        return Ok(());
    }
    let missing = VALIDATOR_STAKE.saturating_sub(staked);
    client
        .submit(&account.coldkey, &Call::add_stake(account.hotkey_id(), netuid, missing))
        .await
        .wrap_err_with(|| format!("cannot stake for {}", account.name))?;
    Ok(())
}
