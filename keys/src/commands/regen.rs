//! `keys regen`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use eyre::{Result, bail};
use keys::cli::{CliError, NewPassword, PasswordArgs, WalletArgs, read_secret};
use keys::keyfile::StoredKey;
use keys::{CryptoType, Existing, Keypair, Mnemonic, Protection, WalletError, is_encrypted, read_keyfile};
use zeroize::Zeroizing;

use super::plan::Plan;
use super::role::{Chosen, Role};
use crate::Usage;
use crate::output::{KeyReport, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which key of the wallet
    #[arg(value_enum)]
    role: Role,

    /// What to make it from: a phrase, a hex seed, a key file, or a secret URI (PHRASE//path///password)
    #[arg(long, value_enum)]
    from: Source,

    /// The key file, with `--from file`
    #[arg(long, value_name = "PATH", required_if_eq("from", "file"))]
    file: Option<PathBuf>,

    /// Read the phrase, seed or URI from this file descriptor instead of asking
    #[arg(long, value_name = "FD")]
    secret_fd: Option<u32>,

    /// Signature scheme, sr25519 or ed25519; a key file has its own
    #[arg(long, default_value_t, value_name = "SCHEME")]
    crypto_type: CryptoType,

    /// Store the coldkey in plain text
    #[arg(long, conflicts_with = "password_fd")]
    no_password: bool,

    /// Replace the key that is there; without its phrase it is gone
    #[arg(long, visible_alias = "overwrite")]
    force: bool,

    /// Allow a password that is easy to guess
    #[arg(long)]
    weak_password: bool,

    #[command(flatten)]
    password: PasswordArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    Mnemonic,
    Seed,
    File,
    Uri,
}

impl Args {
    pub(crate) fn run(&self, args: &WalletArgs, yes: bool, output: &Output) -> Result<ExitCode> {
        let chosen = Chosen::new(args, self.role)?;
        self.plan(&chosen)?.agree(yes, output)?;
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        let (key, password) = self.key()?;
        match self.role {
            Role::Hotkey => chosen.wallet.create_hotkey(chosen.hotkey(), &key, existing)?,
            Role::Coldkey if self.no_password => {
                chosen.wallet.create_coldkey(&key, Protection::Plain, existing)?;
            }
            Role::Coldkey => {
                let password = match password {
                    // A descriptor is read once: the password that opened the file protects the copy.
                    Some(password) if self.password.password_fd.is_some() => password,
                    _ => self.new_password(&chosen)?,
                };
                chosen.wallet.create_coldkey(&key, Protection::Password(&password), existing)?;
            }
        }
        let report = KeyReport::of(&chosen)?;
        output.result(&report, &report.block())?;
        Ok(ExitCode::SUCCESS)
    }

    fn plan(&self, chosen: &Chosen) -> Result<Plan> {
        let mut plan = Plan::default();
        let plain = self.role == Role::Hotkey || self.no_password;
        let how = if plain { "in plain text" } else { "under a password" };
        plan.write(chosen.path()?, format!("{}, {how}", chosen.title()));
        plan.write(chosen.public_path()?, "its public half");
        if chosen.exists()? {
            if !self.force {
                bail!(WalletError::AlreadyExists { path: chosen.path()? });
            }
            plan.replace(chosen.path()?);
        } else if self.force && chosen.public_path()?.symlink_metadata().is_ok() {
            // It may watch another key, which is kept elsewhere.
            plan.replace(chosen.public_path()?);
        }
        Ok(plan)
    }

    fn new_password(&self, chosen: &Chosen) -> Result<Zeroizing<String>, CliError> {
        let password = NewPassword {
            key: &chosen.title(),
            path: Some(&chosen.wallet.coldkey_path()),
            descriptor: self.password.password_fd,
            flag: "--password-fd` or use `--no-password",
            weak: self.weak_password,
            related: &[chosen.wallet.name(), chosen.hotkey()],
        };
        password.get()
    }

    /// The key, and the password of the file that it came from.
    fn key(&self) -> Result<(StoredKey, Option<Zeroizing<String>>)> {
        let secret = |what| read_secret(what, self.secret_fd, "--secret-fd");
        let key = match self.from {
            Source::Mnemonic => {
                let mnemonic: Mnemonic = secret("the recovery phrase")?.parse()?;
                StoredKey::from_mnemonic(mnemonic, self.crypto_type)
            }
            Source::Seed => {
                let text = secret("the seed")?;
                let digits = text.trim().trim_start_matches("0x");
                let mut seed = Zeroizing::new([0; 32]);
                // The cause is dropped: it would quote the wrong character of a secret.
                if hex::decode_to_slice(digits, seed.as_mut_slice()).is_err() {
                    bail!("a seed has 64 hex digits, with or without 0x in front; this one does not");
                }
                StoredKey::from_seed(*seed, self.crypto_type)
            }
            Source::Uri => {
                StoredKey::from_keypair(Keypair::from_uri_with(self.crypto_type, secret("the secret URI")?.trim())?)
            }
            Source::File => return self.copied_key(),
        };
        Ok((key, None))
    }

    fn copied_key(&self) -> Result<(StoredKey, Option<Zeroizing<String>>)> {
        let Some(path) = &self.file else { bail!(Usage("`--from file` needs `--file PATH`".to_owned())) };
        let password =
            if is_encrypted(path)? { Some(self.password.existing(&path.display().to_string(), path)?) } else { None };
        let key = read_keyfile(path, password.as_ref().map(|password| password.as_str()))?;
        Ok((key, password))
    }
}
