//! How a key that a command makes is stored: in plain text, or under which password.

use std::path::Path;

use eyre::{Result, bail};
use keys::cli::{NewPassword, PasswordArgs, password_variable};
use zeroize::Zeroizing;

use super::role::{Chosen, Role};
use crate::Usage;

/// Coldkeys are put under a password unless told otherwise, hotkeys only when told.
#[derive(clap::Args)]
pub(crate) struct ProtectionArgs {
    /// Store the coldkey in plain text, for throw-away wallets
    #[arg(long, conflicts_with = "password_fd")]
    no_password: bool,

    /// Put the hotkey under a password too; a neuron then asks for it at every start
    #[arg(long)]
    encrypt_hotkey: bool,

    /// Read the hotkey's password from this file descriptor; implies --encrypt-hotkey
    #[arg(long, value_name = "FD")]
    hotkey_password_fd: Option<u32>,

    /// Allow a password that is easy to guess
    #[arg(long)]
    weak_password: bool,

    #[command(flatten)]
    pub(crate) password: PasswordArgs,
}

impl ProtectionArgs {
    /// Each descriptor with its flag.
    pub(crate) fn descriptors(&self) -> [(&'static str, Option<u32>); 2] {
        [("--password-fd", self.password.password_fd), ("--hotkey-password-fd", self.hotkey_password_fd)]
    }

    /// Refuses what was said about a hotkey where none is made.
    pub(crate) fn refuse_hotkey_flags(&self, reason: &str) -> Result<()> {
        if self.encrypts(Role::Hotkey) {
            bail!(Usage(format!("`--encrypt-hotkey` asks for a new hotkey, and {reason}")));
        }
        Ok(())
    }

    /// Whether a key of this role goes under a password.
    pub(crate) fn encrypts(&self, role: Role) -> bool {
        match role {
            Role::Coldkey => !self.no_password,
            Role::Hotkey => self.encrypt_hotkey || self.hotkey_password_fd.is_some(),
        }
    }

    /// How the key will be stored, in words.
    pub(crate) fn how(&self, chosen: &Chosen) -> Result<String> {
        if !self.encrypts(chosen.role) {
            return Ok("in plain text".to_owned());
        }
        Ok(under_a_password(&chosen.path()?, self.descriptor(chosen.role)))
    }

    /// The password for a key that is about to be made, unless it is to be in plain text.
    pub(crate) fn new_password(&self, chosen: &Chosen) -> Result<Option<Zeroizing<String>>> {
        if !self.encrypts(chosen.role) {
            return Ok(None);
        }
        let password = NewPassword {
            key: &chosen.title(),
            path: Some(&chosen.path()?),
            descriptor: self.descriptor(chosen.role),
            flag: match chosen.role {
                Role::Coldkey => "--password-fd` or use `--no-password",
                Role::Hotkey => "--hotkey-password-fd` or leave out `--encrypt-hotkey",
            },
            weak: self.weak_password,
            related: &[chosen.wallet.name(), chosen.hotkey()],
        };
        Ok(Some(password.get()?))
    }

    fn descriptor(&self, role: Role) -> Option<u32> {
        match role {
            Role::Coldkey => self.password.password_fd,
            Role::Hotkey => self.hotkey_password_fd,
        }
    }
}

/// That a file will be under a password, and which, where nobody is asked for it: what the environment holds may be meant
/// for another key.
pub(crate) fn under_a_password(path: &Path, descriptor: Option<u32>) -> String {
    match password_variable(path) {
        Some(name) if descriptor.is_none() => format!("under the password in the environment variable {name}"),
        _ => "under a password".to_owned(),
    }
}
