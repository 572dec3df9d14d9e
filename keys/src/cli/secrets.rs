//! Passwords and phrases: typed on the terminal without echo, or read from a file descriptor. Never arguments, which every
//! process on the machine can read.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use zeroize::Zeroizing;

use super::CliError;

/// Longest secret that is read. Key files, the largest kind, have under 2 KiB.
const MAX_SECRET_BYTES: usize = 16 * 1024;

/// Where the password of an encrypted key comes from. Flatten it into a command that may open a coldkey.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PasswordArgs {
    /// Read the coldkey's password from this file descriptor instead of asking
    #[arg(long, value_name = "FD")]
    pub password_fd: Option<u32>,
}

impl PasswordArgs {
    /// The password of a key that exists.
    pub fn existing(&self, key: &str) -> Result<Zeroizing<String>, CliError> {
        read_secret(&format!("the password of {key}"), self.password_fd, "--password-fd")
    }

    /// A password for a new key, typed twice on a terminal.
    pub fn new_password(&self, key: &str) -> Result<Zeroizing<String>, CliError> {
        let password = read_secret(
            &format!("a new password for {key}"),
            self.password_fd,
            "--password-fd` or use `--no-password",
        )?;
        if self.password_fd.is_none() && *ask("the same password again")? != *password {
            return Err(CliError::PasswordsDiffer);
        }
        Ok(password)
    }
}

/// Reads a secret from a file descriptor, or asks for it; `flag` is the one that names the descriptor.
///
/// A descriptor is read to its end, less one line break there.
pub fn read_secret(what: &str, descriptor: Option<u32>, flag: &'static str) -> Result<Zeroizing<String>, CliError> {
    match descriptor {
        Some(descriptor) => read_descriptor(what, descriptor),
        // Standard input decides: a script's terminal belongs to whoever started it, and must not be waited on.
        None if !io::stdin().is_terminal() => Err(CliError::NoTerminal { what: what.to_owned(), flag }),
        None => ask(what),
    }
}

fn ask(what: &str) -> Result<Zeroizing<String>, CliError> {
    let mut prompt = format!("Enter {what}: ");
    if let Some(first) = prompt.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|source| CliError::Terminal { what: what.to_owned(), source })
}

fn read_descriptor(what: &str, descriptor: u32) -> Result<Zeroizing<String>, CliError> {
    let what = || what.to_owned();
    // The whole limit at once: a buffer that grew would leave unwiped copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 1));
    File::open(format!("/dev/fd/{descriptor}"))
        .and_then(|file| file.take(MAX_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| CliError::Descriptor { what: what(), descriptor, source })?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(CliError::TooLong { what: what(), limit_bytes: MAX_SECRET_BYTES });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| CliError::NotText { what: what() })?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}
