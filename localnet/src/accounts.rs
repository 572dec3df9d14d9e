//! The people of a localnet: who they are, and the keys they hold.
//!
//! Every key follows from the run's seed and the account's name, so that a seeded localnet has the same addresses each
//! time. That makes them public: anyone can derive them.

use std::path::Path;

use keys::keyfile::StoredKey;
use keys::{AccountId, CryptoType, Existing, Keypair, Protection, Wallet, WalletError};

use crate::persona::{Cast, Persona};

/// What an account does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Holds the chain's sudo key and the initial issuance.
    Root,
    /// Owns the subnet.
    Owner,
    /// Checks miners and sets weights.
    Validator,
    /// Does the work.
    Miner,
}

impl Role {
    /// The role's word in tables and wallet names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Owner => "owner",
            Self::Validator => "validator",
            Self::Miner => "miner",
        }
    }
}

/// One account with both of its keys.
#[derive(Clone)]
pub struct Account {
    /// Its wallet's name, such as `miner-03`.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// How it does it.
    pub persona: Persona,
    /// Owns funds, stake and the registration.
    pub coldkey: Keypair,
    /// Signs what the neuron does.
    pub hotkey: Keypair,
    seeds: [[u8; 32]; 2],
}

impl Account {
    fn derive(seed: u64, name: String, role: Role) -> Self {
        let secret = |kind: &str| {
            let mut hasher = blake3::Hasher::new_derive_key("narrows localnet account key 1");
            hasher.update(&seed.to_le_bytes()).update(name.as_bytes()).update(b"/").update(kind.as_bytes());
            *hasher.finalize().as_bytes()
        };
        let seeds = [secret("coldkey"), secret("hotkey")];
        let [coldkey, hotkey] = seeds.map(Keypair::from_seed);
        Self { name, role, persona: Persona::Honest, coldkey, hotkey, seeds }
    }

    /// Writes the account's wallet below `folder` in Bittensor's layout, unencrypted (the keys are public anyway), unless
    /// it is there already. Wallet `miner-03`, hotkey `default`: `btcli -w miner-03 --wallet-path FOLDER` takes it.
    pub fn write_wallet(&self, folder: &Path) -> Result<(), WalletError> {
        let wallet = Wallet::new(folder, &self.name)?;
        let [coldkey, hotkey] = self.seeds.map(|seed| StoredKey::from_seed(seed, CryptoType::Sr25519));
        if !wallet.has_coldkey() {
            wallet.create_coldkey(&coldkey, Protection::Plain, Existing::Keep)?;
        }
        if !wallet.has_hotkey("default")? {
            wallet.create_hotkey("default", &hotkey, Protection::Plain, Existing::Keep)?;
        }
        Ok(())
    }

    /// The hotkey's address.
    pub fn hotkey_id(&self) -> AccountId {
        self.hotkey.account_id()
    }

    /// The coldkey's address.
    pub fn coldkey_id(&self) -> AccountId {
        self.coldkey.account_id()
    }
}

/// Everybody in a localnet.
#[derive(Clone)]
pub struct Accounts {
    /// Sudo.
    pub root: Account,
    /// The subnet's owner.
    pub owner: Account,
    /// In order of registration.
    pub validators: Vec<Account>,
    /// In order of registration.
    pub miners: Vec<Account>,
}

impl Accounts {
    /// Derives the accounts of a localnet.
    pub fn derive(seed: u64, validators: u16, miners: u16) -> Self {
        let numbered = |role: Role, count: u16| {
            (0..count).map(|i| Account::derive(seed, format!("{}-{i:02}", role.word()), role)).collect()
        };
        Self {
            root: Account::derive(seed, "root".to_owned(), Role::Root),
            owner: Account::derive(seed, "owner".to_owned(), Role::Owner),
            validators: numbered(Role::Validator, validators),
            miners: numbered(Role::Miner, miners),
        }
    }

    /// Gives the miners their parts.
    pub fn play(mut self, cast: &Cast, seed: u64) -> Self {
        let miners = u16::try_from(self.miners.len()).unwrap_or(u16::MAX);
        for (miner, persona) in self.miners.iter_mut().zip(cast.draw(seed, miners)) {
            miner.persona = persona;
        }
        self
    }

    /// Validators, then miners: the order in which they register.
    pub fn neurons(&self) -> impl Iterator<Item = &Account> {
        self.validators.iter().chain(&self.miners)
    }

    /// Everybody, root first.
    pub fn all(&self) -> impl Iterator<Item = &Account> {
        [&self.root, &self.owner].into_iter().chain(self.neurons())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_follow_from_seed_and_name_and_never_coincide() {
        let (a, b) = (Accounts::derive(1, 3, 12), Accounts::derive(1, 3, 12));
        assert!(a.all().zip(b.all()).all(|(x, y)| x.hotkey_id() == y.hotkey_id() && x.coldkey_id() == y.coldkey_id()));
        let other = Accounts::derive(2, 3, 12);
        let ids: BTreeSet<_> = a.all().chain(other.all()).flat_map(|x| [x.hotkey_id(), x.coldkey_id()]).collect();
        assert_eq!(ids.len(), 2 * 2 * (2 + 3 + 12));
    }
}
