//! What can be wrong with a key file.

use super::MAX_KEYFILE_BYTES;

/// Why bytes are no usable key file. No message shows any of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyfileError {
    /// Nothing in it.
    #[error("it is empty; restore it from a backup or regenerate the key from its phrase")]
    Empty,
    /// It ends early.
    #[error("it is cut short after {bytes} bytes; restore it from a backup or regenerate the key from its phrase")]
    Truncated {
        /// How many bytes there are.
        bytes: usize,
    },
    /// Larger than any key file.
    #[error("it has more than {MAX_KEYFILE_BYTES} bytes, which no key file has")]
    TooLarge,
    /// Some other file.
    #[error("it is no Bittensor key file, but {looks_like}")]
    Foreign {
        /// What it seems to be.
        looks_like: &'static str,
    },
    /// An encryption that no version of the wallets had.
    #[error(
        "it is encrypted as {format}, which is not read here: regenerate the key from its phrase with `keys regen`"
    )]
    Legacy {
        /// The format.
        format: &'static str,
    },
    /// A field holds something else than it should.
    #[error("its field `{field}` is not {expected}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Neither a secret nor an address.
    #[error("it has none of `secretPhrase`, `secretSeed`, `privateKey` and `ss58Address`")]
    NoKey,
    /// Two fields speak of different keys.
    #[error("its field `{field}` belongs to another key than the rest of the file; do not use it, restore a backup")]
    Contradiction {
        /// The field that disagrees.
        field: &'static str,
    },
    /// A secret was asked for, the file has only the public key.
    #[error("it holds a public key only, it cannot sign")]
    PublicOnly,
    /// A public key belongs here, and a secret is.
    #[error(
        "it holds a secret key where a public half belongs; move it away, and count the key as known if it was shared"
    )]
    SecretInPublic,
    /// It is encrypted and no password was given.
    #[error("it is encrypted; a password is needed")]
    PasswordNeeded,
    /// The password does not open it.
    #[error("the password is wrong, or the file is damaged")]
    WrongPassword,
    /// A password must not be empty.
    #[error("the password is empty; use another, or `--no-password` to store the key in plain text")]
    EmptyPassword,
    /// Not enough memory to derive the encryption key.
    #[error("deriving the key from the password takes {mebibytes} MiB of memory, which this machine would not give")]
    Memory {
        /// What was asked for.
        mebibytes: usize,
    },
    /// The system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
}
