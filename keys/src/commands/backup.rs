//! `keys backup`

use std::path::PathBuf;
use std::process::ExitCode;

use eyre::Result;
use keys::cli::{NewPassword, PasswordArgs, WalletArgs};
use keys::{Backup, Existing, WalletError};
use serde_json::json;

use super::plan::Plan;
use super::protection::under_a_password;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to make
    file: PathBuf,

    /// Replace the file if it is there
    #[arg(long)]
    force: bool,

    /// Allow a password that is easy to guess
    #[arg(long)]
    weak_password: bool,

    #[command(flatten)]
    password: PasswordArgs,
}

impl Args {
    pub(crate) fn run(&self, args: &WalletArgs, yes: bool, output: &Output) -> Result<ExitCode> {
        let wallet = args.open()?;
        if !wallet.directory().exists() {
            return Err(WalletError::Missing { path: wallet.directory() }.into());
        }
        let backup = Backup::of(&wallet)?;
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        let files = backup.paths().count();
        let mut plan = Plan::default();
        let how = under_a_password(&self.file, self.password.password_fd);
        plan.write(self.file.clone(), format!("wallet `{}`, {files} files, {how}", wallet.name()));
        if self.file.symlink_metadata().is_ok() {
            if !self.force {
                return Err(WalletError::AlreadyExists { path: self.file.clone() }.into());
            }
            plan.replace(self.file.clone());
        }
        plan.agree(yes, output)?;
        let title = format!("the backup of wallet `{}`", wallet.name());
        let password = NewPassword {
            key: &title,
            path: Some(&self.file),
            descriptor: self.password.password_fd,
            flag: "--password-fd",
            weak: self.weak_password,
            related: &[wallet.name()],
        };
        backup.write(&self.file, &password.get()?, existing)?;
        let paths: Vec<_> = backup.paths().collect();
        let text = format!("{} holds wallet {} ({files} files)", self.file.display(), wallet.name());
        output.result(&json!({ "file": self.file, "wallet": wallet.name(), "files": paths }), &text)?;
        output.note("An encrypted coldkey in it keeps its own password: keep both.");
        Ok(ExitCode::SUCCESS)
    }
}
