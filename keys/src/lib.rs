//! Wallets: the keys that own a neuron and the keys that speak for it.
//!
//! A *coldkey* owns stake and registrations and is kept encrypted; a *hotkey* signs what a neuron does every minute and
//! lies in plain text beside the process that uses it. Both live on disk in Bittensor's layout, so that a wallet made
//! by either stack opens in the other.
//!
//! | to do this | look at |
//! |---|---|
//! | name an account | [`AccountId`] |
//! | sign, verify | [`Keypair`], [`Signature`], [`verify`] |
//! | make or read a recovery phrase | [`Mnemonic`] |
//! | open or create a wallet | [`Wallet`] |
//! | read or write one key file | [`keyfile`] |
//! | put a wallet in one file and back | [`Backup`] |
//! | refuse a password that is easy to guess | [`check_strength`] |
//! | take `-w`, `-H`, `--wallet-path` on a command line | [`cli::WalletArgs`] |

mod account;
mod backup;
pub mod cli;
pub mod keyfile;
mod keypair;
mod mnemonic;
mod password;
mod signature;
mod wallet;

pub use account::{AccountId, AccountIdError, SS58_PREFIX};
pub use backup::{Backup, BackupError, MAX_BACKUP_BYTES};
pub use keypair::{CryptoType, Keypair, KeypairError};
pub use mnemonic::{Mnemonic, MnemonicError, WORD_COUNTS};
pub use password::{WeakPassword, check_strength};
pub use signature::{ParseSignatureError, Signature, verify};
pub use wallet::{Existing, Exposed, Protection, Wallet, WalletError, is_encrypted, read_keyfile};
