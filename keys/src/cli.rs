//! What every binary with a wallet shares on its command line: flags, passwords, exit codes.
//!
//! ```no_run
//! # use clap::Parser;
//! #[derive(Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     wallet: keys::cli::WalletArgs,
//!     #[command(flatten)]
//!     password: keys::cli::PasswordArgs,
//! }
//! # fn main() -> Result<(), keys::cli::CliError> {
//! let args = Args::parse();
//! let hotkey = args.wallet.hotkey_pair(&args.password)?;
//! # Ok(())
//! # }
//! ```

mod environment;
mod secrets;
mod terminal;
mod wallet_args;

use std::io;
use std::path::PathBuf;

pub use environment::password_variable;
pub use secrets::{KnownPassword, NewPassword, PasswordArgs, distinct_descriptors, read_secret};
pub use wallet_args::{WalletArgs, WalletConfig};

use crate::backup::BackupError;
use crate::keyfile::KeyfileError;
use crate::{WalletError, WeakPassword};

/// Exit status: it did not work.
pub const EXIT_FAILED: u8 = 1;
/// Exit status: the command line or the configuration is wrong.
pub const EXIT_USAGE: u8 = 2;
/// Exit status: it worked, and the check asked for did not hold.
pub const EXIT_CHECK_FAILED: u8 = 3;
/// Exit status: the person at the terminal broke it off.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Why a wallet could not be used from the command line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The wallet's own error.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// A secret is needed and there is nobody to ask.
    #[error("{what} is needed, and there is no terminal to ask on; give a file descriptor with `{flag}`")]
    NoTerminal {
        /// What would have been asked for.
        what: String,
        /// The flag that would have given it.
        flag: &'static str,
    },
    /// The terminal failed.
    #[error("could not read {what} from the terminal: {source}")]
    Terminal {
        /// What was asked for.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Ctrl-C, where a secret was asked for.
    #[error("interrupted")]
    Interrupted,
    /// Two flags name one file descriptor.
    #[error(
        "`{}` and `{}` both name file descriptor {descriptor}, which is read to its end at once; give each its own",
        flags[0],
        flags[1]
    )]
    SharedDescriptor {
        /// The flags.
        flags: [&'static str; 2],
        /// The descriptor.
        descriptor: u32,
    },
    /// The file descriptor failed.
    #[error("could not read {what} from file descriptor {descriptor}: {source}")]
    Descriptor {
        /// What was wanted.
        what: String,
        /// The descriptor.
        descriptor: u32,
        /// What the system said.
        source: io::Error,
    },
    /// More than a secret has.
    #[error("{what} has more than {limit_bytes} bytes")]
    TooLong {
        /// What was wanted.
        what: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// Not text.
    #[error("{what} is not UTF-8 text")]
    NotText {
        /// What was wanted.
        what: String,
    },
    /// The second typing differs from the first.
    #[error("the two passwords differ; nothing was written")]
    PasswordsDiffer,
    /// A new password is too easy to guess.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// The clients' variable for a password holds something else.
    #[error(
        "the environment variable {name} holds no password as Bittensor's clients store it; set it with them or unset it"
    )]
    Environment {
        /// The variable.
        name: String,
    },
    /// The clients' variable for a password holds that of another key.
    #[error(
        "{source}; the password came from the environment variable {name}, which other keys may share: unset it, or give \
         `--password-fd`"
    )]
    WrongVariable {
        /// The variable.
        name: String,
        /// What the wallet said.
        source: Box<WalletError>,
    },
    /// The configuration file cannot be used.
    #[error("the configuration file {} cannot be used: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No home directory to put wallets in.
    #[error("the environment names no home directory (HOME); give `--wallet-path`")]
    NoHome,
}

impl CliError {
    /// The exit status that the command-line contract gives it.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::NoTerminal { .. }
            | Self::SharedDescriptor { .. }
            | Self::WeakPassword(_)
            | Self::Environment { .. }
            | Self::Config { .. }
            | Self::NoHome => EXIT_USAGE,
            Self::Interrupted => EXIT_INTERRUPTED,
            Self::Wallet(error) => wallet_exit_status(error),
            _ => EXIT_FAILED,
        }
    }
}

/// The exit status of a wallet's own error: a bad name or an empty password is bad usage, the rest has failed.
pub fn wallet_exit_status(error: &WalletError) -> u8 {
    match error {
        WalletError::Name { .. }
        | WalletError::Keyfile { source: KeyfileError::EmptyPassword, .. }
        | WalletError::Backup { source: BackupError::Sealed(KeyfileError::EmptyPassword), .. } => EXIT_USAGE,
        _ => EXIT_FAILED,
    }
}
