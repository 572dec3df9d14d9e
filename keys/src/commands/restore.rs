//! `keys restore`

use std::path::PathBuf;
use std::process::ExitCode;

use eyre::Result;
use keys::cli::{PasswordArgs, WalletArgs};
use keys::{Backup, Existing, Wallet, WalletError};
use serde_json::json;

use super::plan::Plan;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The backup; the wallet gets the name it had, or that of `--wallet`
    file: PathBuf,

    /// Move a wallet of that name aside
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    password: PasswordArgs,
}

impl Args {
    pub(crate) fn run(&self, args: &WalletArgs, yes: bool, output: &Output) -> Result<ExitCode> {
        let password = self.password.existing(&format!("the backup {}", self.file.display()), &self.file)?;
        let backup = Backup::read(&self.file, &password).map_err(|error| password.explain(error))?;
        let wallet = Wallet::new(args.path()?, args.wallet.as_deref().unwrap_or(backup.wallet()))?;
        let mut plan = Plan::default();
        for path in backup.paths() {
            plan.write(wallet.directory().join(path), "as in the backup");
        }
        let is_there = wallet.directory().symlink_metadata().is_ok();
        if is_there && !self.force {
            return Err(WalletError::AlreadyExists { path: wallet.directory() }.into());
        }
        if is_there {
            plan.move_aside(wallet.directory());
        }
        plan.agree(yes, output)?;
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        let aside = backup.restore(&wallet, existing)?;
        let paths: Vec<_> = backup.paths().collect();
        let mut text = format!("restored wallet {} ({} files)", wallet.name(), paths.len());
        if let Some(aside) = &aside {
            text.push_str(&format!("\nwhat was there is in {}; delete it when you are sure", aside.display()));
        }
        let value = json!({ "wallet": wallet.name(), "path": wallet.directory(), "files": paths, "replaced": aside });
        output.result(&value, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
