//! `keys passwd`

use std::process::ExitCode;

use eyre::Result;
use keys::Protection;
use keys::cli::{NewPassword, PasswordArgs, WalletArgs, distinct_descriptors};

use super::plan::Plan;
use super::role::{Chosen, Role};
use crate::output::{KeyReport, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Of the hotkey instead of the coldkey; a neuron then asks for it at every start
    #[arg(long)]
    use_hotkey: bool,

    #[command(flatten)]
    password: PasswordArgs,

    /// Read the new password from this file descriptor instead of asking
    #[arg(long, value_name = "FD")]
    new_password_fd: Option<u32>,

    /// Store the key in plain text from now on
    #[arg(long, conflicts_with = "new_password_fd")]
    no_password: bool,

    /// Allow a new password that is easy to guess
    #[arg(long)]
    weak_password: bool,
}

impl Args {
    pub(crate) fn run(&self, args: &WalletArgs, yes: bool, output: &Output) -> Result<ExitCode> {
        let (old, new) = (self.password.password_fd, self.new_password_fd);
        distinct_descriptors(&[("--password-fd", old), ("--new-password-fd", new)])?;
        let chosen = Chosen::new(args, if self.use_hotkey { Role::Hotkey } else { Role::Coldkey })?;
        let (path, title) = (chosen.path()?, chosen.title());
        let encryption = chosen.encryption()?;
        let mut plan = Plan::default();
        let now = if self.no_password { "in plain text" } else { "under a new password" };
        plan.write(path.clone(), format!("{title}, {now}"));
        plan.agree(yes, output)?;
        let old = match encryption {
            None => None,
            Some(_) => Some(self.password.existing(&title, &path)?),
        };
        let new = if self.no_password { None } else { Some(self.new_password(&chosen)?) };
        let protection = new.as_ref().map_or(Protection::Plain, |new| Protection::Password(new));
        chosen.protect(old.as_deref(), protection).map_err(|error| match &old {
            Some(old) => old.explain(error),
            None => error.into(),
        })?;
        let report = KeyReport::of(&chosen)?;
        output.result(&report, &report.block())?;
        output.note("Copies and backups made before still open with the old password.");
        Ok(ExitCode::SUCCESS)
    }

    fn new_password(&self, chosen: &Chosen) -> Result<zeroize::Zeroizing<String>, keys::cli::CliError> {
        let password = NewPassword {
            key: &chosen.title(),
            // What the environment holds for this file is the old one.
            path: None,
            descriptor: self.new_password_fd,
            flag: "--new-password-fd` or use `--no-password",
            weak: self.weak_password,
            related: &[chosen.wallet.name(), chosen.hotkey()],
        };
        password.get()
    }
}
