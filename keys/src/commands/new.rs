//! `keys new`

use std::process::ExitCode;

use eyre::{Result, WrapErr};
use keys::cli::{NewPassword, PasswordArgs, WalletArgs};
use keys::keyfile::StoredKey;
use keys::{CryptoType, Existing, Mnemonic, Protection, Wallet, WalletError};
use serde::Serialize;

use super::plan::Plan;
use crate::output::{KeyReport, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Words in each recovery phrase: 12, 15, 18, 21 or 24
    #[arg(long, default_value = "12", value_parser = words)]
    words: usize,

    /// Store the coldkey in plain text, for throw-away wallets
    #[arg(long, conflicts_with = "password_fd")]
    no_password: bool,

    /// Signature scheme: sr25519 or ed25519
    #[arg(long, default_value_t, value_name = "SCHEME")]
    crypto_type: CryptoType,

    /// Allow a password that is easy to guess
    #[arg(long)]
    weak_password: bool,

    #[command(flatten)]
    password: PasswordArgs,
}

/// What was made. No `json!` for it: that would copy the phrases to where nobody wipes them.
#[derive(Serialize)]
struct Made<'a> {
    wallet: &'a str,
    made: &'a [KeyReport],
}

fn words(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(words) if keys::WORD_COUNTS.contains(&words) => Ok(words),
        _ => Err("a recovery phrase has 12, 15, 18, 21 or 24 words".to_owned()),
    }
}

impl Args {
    pub(crate) fn run(&self, args: &WalletArgs, yes: bool, output: &Output) -> Result<ExitCode> {
        let (wallet, hotkey) = (args.open()?, args.hotkey_name());
        let (coldkey_missing, hotkey_missing) = (!wallet.has_coldkey(), !wallet.has_hotkey(hotkey)?);
        if !coldkey_missing && !hotkey_missing {
            return Err(WalletError::AlreadyExists { path: wallet.hotkey_path(hotkey)? }.into());
        }
        let mut plan = Plan::default();
        if coldkey_missing {
            let how = if self.no_password { "in plain text" } else { "under a password" };
            plan.write(wallet.coldkey_path(), format!("a new coldkey, {how}"));
            plan.write(wallet.coldkeypub_path(), "its public half");
        }
        if hotkey_missing {
            plan.write(wallet.hotkey_path(hotkey)?, "a new hotkey, in plain text");
            plan.write(wallet.hotkeypub_path(hotkey)?, "its public half");
        }
        plan.agree(yes, output)?;
        let mut made = Vec::new();
        let outcome = self.make(&wallet, hotkey, coldkey_missing, hotkey_missing, &mut made);
        // Told even when the second key failed: the first is there, and its phrase is not shown again.
        if !made.is_empty() {
            output.warn(
                "Write the phrases down now: they are not shown again. Whoever has a phrase has the key; \
                 without it, a lost file or forgotten password is final.",
            );
            let told = output.result(&Made { wallet: wallet.name(), made: &made }, &KeyReport::blocks(&made));
            let lost = "the keys are made, but their phrases could not be shown; use `keys backup`, or make others";
            outcome.and(told.wrap_err(lost)).map(|()| ExitCode::SUCCESS)
        } else {
            outcome.map(|()| ExitCode::SUCCESS)
        }
    }

    fn make(
        &self,
        wallet: &Wallet,
        hotkey: &str,
        coldkey_missing: bool,
        hotkey_missing: bool,
        made: &mut Vec<KeyReport>,
    ) -> Result<()> {
        if coldkey_missing {
            let password = if self.no_password {
                None
            } else {
                let password = NewPassword {
                    key: &format!("the coldkey of wallet `{}`", wallet.name()),
                    path: Some(&wallet.coldkey_path()),
                    descriptor: self.password.password_fd,
                    flag: "--password-fd` or use `--no-password",
                    weak: self.weak_password,
                    related: &[wallet.name(), hotkey],
                };
                Some(password.get()?)
            };
            let protection = password.as_ref().map_or(Protection::Plain, |password| Protection::Password(password));
            let mnemonic = Mnemonic::generate(self.words)?;
            let key = StoredKey::from_mnemonic(mnemonic.clone(), self.crypto_type);
            wallet.create_coldkey(&key, protection, Existing::Keep)?;
            made.push(KeyReport::coldkey(wallet).with_mnemonic(mnemonic));
        }
        if hotkey_missing {
            let mnemonic = Mnemonic::generate(self.words)?;
            let key = StoredKey::from_mnemonic(mnemonic.clone(), self.crypto_type);
            wallet.create_hotkey(hotkey, &key, Existing::Keep)?;
            made.push(KeyReport::hotkey(wallet, hotkey)?.with_mnemonic(mnemonic));
        }
        Ok(())
    }
}
