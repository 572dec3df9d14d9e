//! The first state of a chain.

use codec::Encode;
use narrows_runtime::{AccountId, Runtime, RuntimeGenesisConfig, WASM_BINARY};
use pallet_subtensor::{AdminFreezeWindow, NetworkRateLimit, OwnerHyperparamRateLimit};
use sc_service::Properties;
use sha2::{Digest, Sha256};
use sp_core::storage::{Storage, well_known_keys};
use sp_runtime::BuildStorage;

use crate::beacon::{BEACON_ID, Beacon, chain_hash};
use crate::config::{DevNodeConfig, StartError, check_block_time};
use crate::executor::NATIVE_CODE;
use crate::shield::Shield;

/// What `system_chain` answers.
pub(crate) const CHAIN_NAME: &str = "Narrows development chain";

/// The state of block 0, a function of the configuration.
pub(crate) fn storage(config: &DevNodeConfig, beacon: &Beacon, shield: &Shield) -> Result<Storage, StartError> {
    let block_millis = check_block_time(config.block_time)?;
    let mut genesis = RuntimeGenesisConfig::default();
    genesis.balances.balances = config.endowed.iter().map(|(who, rao)| (AccountId::new(*who), *rao)).collect();
    genesis.sudo.key = Some(AccountId::new(config.sudo));
    genesis.subtensor_module.stable_subnets = config.stable_subnets;
    genesis.aura.slot_duration_millis = block_millis;

    let public_key = beacon.public_key();
    // drand names a group by its setup; ours is one signer, so its key names it.
    let group_hash = Sha256::digest(public_key).to_vec();
    let period_secs = (block_millis / 1_000) as u32; // At most ten minutes.
    let hash = chain_hash(period_secs, config.genesis_time_secs, &public_key, &group_hash, BEACON_ID);
    genesis.drand.public_key = public_key.to_vec();
    genesis.drand.genesis_time = config.genesis_time_secs;
    // One round per block, so that each block's timestamp names a round of its own.
    genesis.drand.round_millis = block_millis;
    genesis.drand.hash = hash.to_vec();
    genesis.drand.group_hash = group_hash;
    genesis.drand.beacon_id = BEACON_ID.to_vec();

    genesis.mev_shield.key = shield.public_key();

    let mut storage = genesis.build_storage().map_err(StartError::Genesis)?;
    // Bittensor makes owners and root wait before an epoch and between changes, and everybody a day between two new
    // subnets. With tempos of a minute that is always.
    storage.top.insert(AdminFreezeWindow::<Runtime>::hashed_key().to_vec(), 0u16.encode());
    storage.top.insert(OwnerHyperparamRateLimit::<Runtime>::hashed_key().to_vec(), 0u16.encode());
    storage.top.insert(NetworkRateLimit::<Runtime>::hashed_key().to_vec(), 0u64.encode());
    let code = WASM_BINARY.unwrap_or(NATIVE_CODE).to_vec();
    storage.top.insert(well_known_keys::CODE.to_vec(), code);
    Ok(storage)
}

/// What `system_properties` answers: how clients show addresses and amounts.
pub(crate) fn properties() -> Properties {
    let mut properties = Properties::new();
    properties.insert("ss58Format".into(), 42.into());
    properties.insert("tokenDecimals".into(), 9.into());
    properties.insert("tokenSymbol".into(), "TAO".into());
    properties
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn made(change: impl FnOnce(&mut DevNodeConfig)) -> Storage {
        let mut config = DevNodeConfig::new([1; 32], vec![([1; 32], 1_000)], [3; 32]);
        change(&mut config);
        storage(&config, &Beacon::from_seed(&config.beacon_seed), &Shield::from_seed(&config.beacon_seed))
            .expect("builds")
    }

    #[test]
    fn genesis_is_a_function_of_the_configuration() {
        assert!(made(|_| ()).top == made(|_| ()).top);
        assert!(made(|config| config.port = Some(1)).top == made(|_| ()).top, "the port is no part of it");
        assert!(made(|config| config.beacon_seed = [4; 32]).top != made(|_| ()).top);
        assert!(made(|config| config.block_time = Duration::from_secs(1)).top != made(|_| ()).top);
        assert!(made(|config| config.sudo = [2; 32]).top != made(|_| ()).top);
        assert!(made(|config| config.stable_subnets = true).top != made(|_| ()).top);
        assert!(made(|config| config.endowed[0].1 += 1).top != made(|_| ()).top);
    }
}
