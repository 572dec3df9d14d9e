//! `$NACL`, a 24-byte nonce, and an XSalsa20-Poly1305 box around the plain file.
//!
//! The box's key is Argon2i of the password. Its salt is the same for every file (Bittensor's choice, kept so that wallets
//! interoperate): one password gives one key everywhere, so a weak password is weak for all who chose it.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, XSalsa20Poly1305};
use zeroize::Zeroizing;

use crate::keyfile::KeyfileError;

/// What an encrypted key file starts with.
pub(crate) const MAGIC: &[u8] = b"$NACL";

const NONCE_BYTES: usize = 24;
const MAC_BYTES: usize = 16;

/// How much longer sealed bytes are.
pub(crate) const OVERHEAD_BYTES: usize = MAGIC.len() + NONCE_BYTES + MAC_BYTES;

const SALT: [u8; 16] = [0x13, 0x71, 0x83, 0xdf, 0xf1, 0x5a, 0x09, 0xbc, 0x9c, 0x90, 0xb5, 0x51, 0x87, 0x39, 0xe9, 0xb1];

/// What deriving the key costs. Part of the format: another cost gives another key.
#[derive(Clone, Copy)]
struct Cost {
    memory_kib: u32,
    passes: u32,
}

/// Bittensor's cost, libsodium's "sensitive": seconds and half a gibibyte.
const COST: Cost = Cost { memory_kib: 512 * 1024, passes: 8 };

/// What is sealed, with the nonce that it was sealed under.
#[derive(Clone)]
pub(crate) struct Sealed {
    nonce: [u8; NONCE_BYTES],
    sealed: Vec<u8>,
}

impl Sealed {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, KeyfileError> {
        let truncated = KeyfileError::Truncated { bytes: bytes.len() };
        let body = bytes.strip_prefix(MAGIC).unwrap_or_default();
        let Some((nonce, sealed)) = body.split_first_chunk::<NONCE_BYTES>() else { return Err(truncated) };
        if sealed.len() <= MAC_BYTES {
            return Err(truncated);
        }
        Ok(Self { nonce: *nonce, sealed: sealed.to_vec() })
    }

    /// What was sealed. Takes seconds and 512 MiB.
    pub(crate) fn open(&self, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
        self.open_at(COST, password)
    }

    fn open_at(&self, cost: Cost, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
        cipher(cost, password)?
            .decrypt(&self.nonce.into(), self.sealed.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| KeyfileError::WrongPassword)
    }
}

/// Seals bytes under a password. Takes seconds and 512 MiB.
pub(crate) fn seal(plain: &[u8], password: &str) -> Result<Vec<u8>, KeyfileError> {
    seal_at(COST, plain, password)
}

fn seal_at(cost: Cost, plain: &[u8], password: &str) -> Result<Vec<u8>, KeyfileError> {
    if password.is_empty() {
        return Err(KeyfileError::EmptyPassword);
    }
    // Drawn anew for every file: the key repeats, so the nonce must not.
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce)?;
    #[expect(clippy::expect_used, reason = "sealing fails only beyond 256 GiB")]
    let sealed = cipher(cost, password)?.encrypt(&nonce.into(), plain).expect("a key file is small");
    Ok([MAGIC, &nonce, &sealed].concat())
}

fn cipher(cost: Cost, password: &str) -> Result<XSalsa20Poly1305, KeyfileError> {
    const LANES: u32 = 1;
    let no_memory = || KeyfileError::Memory { mebibytes: cost.memory_kib as usize / 1024 };
    let mut key = Zeroizing::new([0; 32]);
    #[expect(clippy::expect_used, reason = "the costs are constants of this module, and in Argon2's range")]
    let params = Params::new(cost.memory_kib, cost.passes, LANES, Some(key.len())).expect("constant costs");
    let blocks = params.block_count();
    // Asked for here rather than inside argon2, which aborts the process when memory is short.
    let mut memory = Zeroizing::new(Vec::new());
    memory.try_reserve_exact(blocks).map_err(|_| no_memory())?;
    memory.resize(blocks, Block::default());
    Argon2::new(Algorithm::Argon2i, Version::V0x13, params)
        .hash_password_into_with_memory(password.as_bytes(), &SALT, key.as_mut_slice(), memory.as_mut_slice())
        .map_err(|_| no_memory())?;
    Ok(XSalsa20Poly1305::new(key.as_slice().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same code at a price that a test can pay many times; tests/vectors.rs pays the real one.
    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1 };

    const PLAIN: &[u8] = br#"{"secretPhrase":"a plain file","secretSeed":"0x0123456789abcdef"}"#;

    fn sealed() -> Vec<u8> {
        seal_at(CHEAP, PLAIN, "right").unwrap()
    }

    #[test]
    fn opens_with_its_password_only() {
        let file = Sealed::parse(&sealed()).unwrap();
        assert_eq!(file.open_at(CHEAP, "right").unwrap().as_slice(), PLAIN);
        for wrong in ["", "Right", "right "] {
            assert_eq!(file.open_at(CHEAP, wrong).unwrap_err(), KeyfileError::WrongPassword);
        }
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed() {
        let good = sealed();
        for at in MAGIC.len()..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(Sealed::parse(&bad).unwrap().open_at(CHEAP, "right").is_err(), "byte {at}");
        }
        for bytes in 0..good.len() {
            let opened = Sealed::parse(&good[..bytes]).and_then(|file| file.open_at(CHEAP, "right"));
            assert!(opened.is_err(), "cut at {bytes}");
        }
    }

    #[test]
    fn nonces_never_repeat_and_no_secret_shows() {
        let (one, two) = (sealed(), sealed());
        assert_ne!(one, two);
        assert!(!one.windows(8).any(|window| PLAIN.windows(8).any(|other| other == window)));
    }

    #[test]
    fn an_empty_password_is_refused() {
        assert_eq!(seal_at(CHEAP, b"{}", "").unwrap_err(), KeyfileError::EmptyPassword);
    }
}
