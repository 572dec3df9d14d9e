//! Which key of a wallet a command is about.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use keys::cli::WalletArgs;
use keys::keyfile::StoredKey;
use keys::keyfile::encryption::Encryption;
use keys::{Existing, Protection, Wallet, WalletError};

/// The coldkey or the hotkey that `-H` names.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Coldkey,
    Hotkey,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Coldkey => "coldkey",
            Self::Hotkey => "hotkey",
        })
    }
}

/// One key of a wallet, by name.
pub(crate) struct Chosen {
    pub(crate) wallet: Wallet,
    pub(crate) role: Role,
    hotkey: String,
}

impl Chosen {
    pub(crate) fn new(args: &WalletArgs, role: Role) -> Result<Self, keys::cli::CliError> {
        Ok(Self { wallet: args.open()?, role, hotkey: args.hotkey_name().to_owned() })
    }

    /// How a person calls it.
    pub(crate) fn title(&self) -> String {
        let wallet = self.wallet.name();
        match self.role {
            Role::Coldkey => format!("the coldkey of wallet `{wallet}`"),
            Role::Hotkey => format!("hotkey `{}` of wallet `{wallet}`", self.hotkey),
        }
    }

    /// The hotkey's name.
    pub(crate) fn hotkey(&self) -> &str {
        &self.hotkey
    }

    pub(crate) fn exists(&self) -> Result<bool, WalletError> {
        match self.role {
            Role::Coldkey => Ok(self.wallet.has_coldkey()),
            Role::Hotkey => self.wallet.has_hotkey(&self.hotkey),
        }
    }

    pub(crate) fn path(&self) -> Result<PathBuf, WalletError> {
        match self.role {
            Role::Coldkey => Ok(self.wallet.coldkey_path()),
            Role::Hotkey => self.wallet.hotkey_path(&self.hotkey),
        }
    }

    pub(crate) fn public_path(&self) -> Result<PathBuf, WalletError> {
        match self.role {
            Role::Coldkey => Ok(self.wallet.coldkeypub_path()),
            Role::Hotkey => self.wallet.hotkeypub_path(&self.hotkey),
        }
    }

    pub(crate) fn encryption(&self) -> Result<Option<Encryption>, WalletError> {
        match self.role {
            Role::Coldkey => self.wallet.coldkey_encryption(),
            Role::Hotkey => self.wallet.hotkey_encryption(&self.hotkey),
        }
    }

    /// Stores a key here, under a password if there is one.
    pub(crate) fn create(
        &self,
        key: &StoredKey,
        password: Option<&str>,
        existing: Existing,
    ) -> Result<(), WalletError> {
        let protection = password.map_or(Protection::Plain, Protection::Password);
        match self.role {
            Role::Coldkey => self.wallet.create_coldkey(key, protection, existing),
            Role::Hotkey => self.wallet.create_hotkey(&self.hotkey, key, protection, existing),
        }
    }

    pub(crate) fn protect(&self, password: Option<&str>, protection: Protection<'_>) -> Result<(), WalletError> {
        match self.role {
            Role::Coldkey => self.wallet.protect_coldkey(password, protection),
            Role::Hotkey => self.wallet.protect_hotkey(&self.hotkey, password, protection),
        }
    }
}
