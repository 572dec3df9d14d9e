//! `keys new`

use std::process::ExitCode;

use eyre::{Result, WrapErr};
use keys::cli::{WalletArgs, distinct_descriptors};
use keys::keyfile::StoredKey;
use keys::{CryptoType, Existing, Mnemonic, WalletError};
use serde::Serialize;
use zeroize::Zeroizing;

use super::plan::Plan;
use super::protection::ProtectionArgs;
use super::role::{Chosen, Role};
use crate::output::{KeyReport, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Words in each recovery phrase: 12, 15, 18, 21 or 24
    #[arg(long, default_value = "12", value_parser = words)]
    words: usize,

    /// Signature scheme: sr25519 or ed25519
    #[arg(long, default_value_t, value_name = "SCHEME")]
    crypto_type: CryptoType,

    #[command(flatten)]
    protection: ProtectionArgs,
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
        distinct_descriptors(&self.protection.descriptors())?;
        let [coldkey, hotkey] = [Chosen::new(args, Role::Coldkey)?, Chosen::new(args, Role::Hotkey)?];
        let hotkey_path = hotkey.path()?;
        let mut missing = Vec::new();
        if !coldkey.exists()? {
            missing.push(coldkey);
        }
        if !hotkey.exists()? {
            missing.push(hotkey);
        } else if missing.is_empty() {
            return Err(WalletError::AlreadyExists { path: hotkey_path }.into());
        } else {
            let reason = format!("{} is there already; `keys passwd --use-hotkey` encrypts it", hotkey_path.display());
            self.protection.refuse_hotkey_flags(&reason)?;
        }
        let mut plan = Plan::default();
        for chosen in &missing {
            let how = self.protection.how(chosen)?;
            plan.write(chosen.path()?, format!("a new {}, {how}", chosen.role));
            plan.write(chosen.public_path()?, "its public half");
        }
        plan.agree(yes, output)?;
        // All that is asked for is asked for before anything is made: who breaks off at a prompt leaves nothing behind.
        let passwords =
            missing.iter().map(|chosen| self.protection.new_password(chosen)).collect::<Result<Vec<_>>>()?;
        let mut made = Vec::new();
        let outcome = self.make(&missing, &passwords, &mut made);
        // Told even when the second key failed: the first is there, and its phrase is not shown again.
        if !made.is_empty() {
            output.warn(
                "Write the phrases down now: they are not shown again. Whoever has a phrase has the key; \
                 without it, a lost file or forgotten password is final.",
            );
            let told = output.result(&Made { wallet: args.wallet_name(), made: &made }, &KeyReport::blocks(&made));
            let lost = "the keys are made, but their phrases could not be shown; use `keys backup`, or make others";
            outcome.and(told.wrap_err(lost)).map(|()| ExitCode::SUCCESS)
        } else {
            outcome.map(|()| ExitCode::SUCCESS)
        }
    }

    fn make(
        &self,
        missing: &[Chosen],
        passwords: &[Option<Zeroizing<String>>],
        made: &mut Vec<KeyReport>,
    ) -> Result<()> {
        for (chosen, password) in missing.iter().zip(passwords) {
            let mnemonic = Mnemonic::generate(self.words)?;
            let key = StoredKey::from_mnemonic(mnemonic.clone(), self.crypto_type);
            chosen.create(&key, password.as_ref().map(|password| password.as_str()), Existing::Keep)?;
            made.push(KeyReport::of(chosen)?.with_mnemonic(mnemonic));
        }
        Ok(())
    }
}
