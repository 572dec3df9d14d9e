//! Passwords and phrases: read from a file descriptor, taken from the variables that Bittensor's clients use, or typed on
//! the terminal without echo. Never arguments, which every process on the machine can read.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::ops::Deref;
use std::path::Path;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::terminal::NoAnswer;
use super::{CliError, environment, terminal};
use crate::backup::BackupError;
use crate::keyfile::KeyfileError;
use crate::{WalletError, check_strength};

/// Longest secret that is read. Key files, the largest kind, have under 2 KiB.
const MAX_SECRET_BYTES: usize = 16 * 1024;

/// How often a person may try to find a good new password before the command gives up.
const MAX_TRIES: usize = 5;

/// Where the password of an encrypted key comes from. Flatten it into a command that may open a coldkey.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PasswordArgs {
    /// Read the key's password from this file descriptor instead of asking
    #[arg(long, value_name = "FD")]
    pub password_fd: Option<u32>,
}

impl PasswordArgs {
    /// The password of the key in the file at `path`, called `key` when it is asked for.
    pub fn existing(&self, key: &str, path: &Path) -> Result<KnownPassword, CliError> {
        if self.password_fd.is_none()
            && let Some((variable, text)) = environment::password_to_open(path)?
        {
            return Ok(KnownPassword { text, variable: Some(variable) });
        }
        let text = read_secret(&format!("the password of {key}"), self.password_fd, "--password-fd")?;
        Ok(KnownPassword { text, variable: None })
    }
}

/// A password that a key should have now. It derefs to its text.
pub struct KnownPassword {
    text: Zeroizing<String>,
    /// The variable of the environment that it came from.
    variable: Option<String>,
}

impl KnownPassword {
    /// What to say when something failed with this password: whether it was another key's, if it came from a variable
    /// that other keys share.
    pub fn explain(&self, error: WalletError) -> CliError {
        match &self.variable {
            Some(name) if is_wrong_password(&error) => {
                CliError::WrongVariable { name: name.clone(), source: Box::new(error) }
            }
            _ => error.into(),
        }
    }

    /// The text alone.
    pub fn into_text(self) -> Zeroizing<String> {
        self.text
    }
}

impl Deref for KnownPassword {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

fn is_wrong_password(error: &WalletError) -> bool {
    matches!(
        error,
        WalletError::Keyfile { source: KeyfileError::WrongPassword, .. }
            | WalletError::Backup { source: BackupError::Sealed(KeyfileError::WrongPassword), .. }
    )
}

/// Where a new password comes from, and how good it has to be.
#[derive(Debug, Clone, Copy)]
pub struct NewPassword<'a> {
    /// What it protects, when it is asked for.
    pub key: &'a str,
    /// The file that it protects, where the environment may hold the password for it.
    pub path: Option<&'a Path>,
    /// The descriptor to read it from.
    pub descriptor: Option<u32>,
    /// The flag that names the descriptor.
    pub flag: &'static str,
    /// Whether one that is easy to guess will do.
    pub weak: bool,
    /// Words that a thief would try first, such as the wallet's name.
    pub related: &'a [&'a str],
}

impl NewPassword<'_> {
    /// Gets it: from the descriptor, the environment, or typed twice on the terminal.
    pub fn get(&self) -> Result<Zeroizing<String>, CliError> {
        let what = format!("a new password for {}", self.key);
        if self.descriptor.is_some() {
            return self.checked(read_secret(&what, self.descriptor, self.flag)?);
        }
        if let Some(path) = self.path
            && let Some((_, password)) = environment::password_of(path)?
        {
            return self.checked(password);
        }
        for _ in 1..MAX_TRIES {
            match self.typed(&what) {
                Err(error @ (CliError::WeakPassword(_) | CliError::PasswordsDiffer)) => tell(&error.to_string()),
                other => return other,
            }
        }
        self.typed(&what)
    }

    fn typed(&self, what: &str) -> Result<Zeroizing<String>, CliError> {
        let password = self.checked(read_secret(what, None, self.flag)?)?;
        let again = ask("the same password again")?;
        if bool::from(again.as_bytes().ct_eq(password.as_bytes())) {
            Ok(password)
        } else {
            Err(CliError::PasswordsDiffer)
        }
    }

    fn checked(&self, password: Zeroizing<String>) -> Result<Zeroizing<String>, CliError> {
        // An empty one is refused by what encrypts, with a hint of its own.
        if !self.weak && !password.is_empty() {
            check_strength(&password, self.related)?;
        }
        Ok(password)
    }
}

/// Refuses descriptors that two flags share: each is read to its end, so the second would get nothing.
pub fn distinct_descriptors(given: &[(&'static str, Option<u32>)]) -> Result<(), CliError> {
    for (index, (flag, descriptor)) in given.iter().enumerate() {
        let Some(descriptor) = *descriptor else { continue };
        if let Some((first, _)) = given[..index].iter().find(|(_, other)| *other == Some(descriptor)) {
            return Err(CliError::SharedDescriptor { flags: [first, flag], descriptor });
        }
    }
    Ok(())
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

/// A line on stderr for the person at the terminal, who is being asked something there.
pub(super) fn tell(text: &str) {
    use io::Write;
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

fn ask(what: &str) -> Result<Zeroizing<String>, CliError> {
    let what = || what.to_owned();
    let typed = terminal::ask(&format!("Enter {}: ", what()), MAX_SECRET_BYTES).map_err(|none| match none {
        NoAnswer::Interrupted => CliError::Interrupted,
        NoAnswer::TooLong => CliError::TooLong { what: what(), limit_bytes: MAX_SECRET_BYTES },
        NoAnswer::Failed(source) => CliError::Terminal { what: what(), source },
    })?;
    let text = std::str::from_utf8(&typed).map_err(|_| CliError::NotText { what: what() })?;
    Ok(Zeroizing::new(text.to_owned()))
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
