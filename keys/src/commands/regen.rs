//! `keys regen`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use eyre::{Result, bail};
use keys::cli::{KnownPassword, WalletArgs, distinct_descriptors, read_secret};
use keys::keyfile::StoredKey;
use keys::{CryptoType, Existing, Keypair, Mnemonic, WalletError, is_encrypted, read_keyfile};
use zeroize::Zeroizing;

use super::plan::Plan;
use super::protection::ProtectionArgs;
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

    /// Replace the key that is there; without its phrase it is gone
    #[arg(long, visible_alias = "overwrite")]
    force: bool,

    #[command(flatten)]
    protection: ProtectionArgs,
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
        let secret = ("--secret-fd", self.secret_fd);
        distinct_descriptors(&[&[secret][..], &self.protection.descriptors()].concat())?;
        if self.role == Role::Coldkey {
            self.protection.refuse_hotkey_flags("this makes a coldkey")?;
        }
        let chosen = Chosen::new(args, self.role)?;
        self.plan(&chosen)?.agree(yes, output)?;
        let (key, opened) = self.key()?;
        let password = match opened {
            // A descriptor is read once: the password that opened the file protects the copy.
            Some(opened) if self.opens_and_protects() => Some(opened.into_text()),
            _ => self.protection.new_password(&chosen)?,
        };
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        chosen.create(&key, password.as_ref().map(|password| password.as_str()), existing)?;
        let report = KeyReport::of(&chosen)?;
        output.result(&report, &report.block())?;
        Ok(ExitCode::SUCCESS)
    }

    /// Whether `--password-fd` is that of the file and that of the key which is made of it.
    fn opens_and_protects(&self) -> bool {
        let given = self.protection.password.password_fd.is_some();
        given && self.role == Role::Coldkey && self.protection.encrypts(Role::Coldkey)
    }

    fn plan(&self, chosen: &Chosen) -> Result<Plan> {
        let mut plan = Plan::default();
        let how = self.protection.how(chosen)?;
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

    /// The key, and the password of the file that it came from.
    fn key(&self) -> Result<(StoredKey, Option<KnownPassword>)> {
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

    fn copied_key(&self) -> Result<(StoredKey, Option<KnownPassword>)> {
        let Some(path) = &self.file else { bail!(Usage("`--from file` needs `--file PATH`".to_owned())) };
        if !is_encrypted(path)? {
            return Ok((read_keyfile(path, None)?, None));
        }
        let password = self.protection.password.existing(&path.display().to_string(), path)?;
        let key = read_keyfile(path, Some(&password)).map_err(|error| password.explain(error))?;
        Ok((key, Some(password)))
    }
}
