//! Ansible vaults, as the first versions of the wallets wrote them: AES-256-CTR and HMAC-SHA256 under PBKDF2 of the password.
//!
//! A line that names the version and the cipher, then hex of three lines that are hex themselves: salt, tag, ciphertext.
//! Format: <https://docs.ansible.com/ansible/latest/vault_guide/vault_using_encrypted_content.html>.

use aes::Aes256;
use aes::cipher::block_padding::{Padding, Pkcs7};
use aes::cipher::{Block, KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::keyfile::KeyfileError;

/// What every vault starts with.
pub(super) const MAGIC: &[u8] = b"$ANSIBLE_VAULT";

const ROUNDS: u32 = 10_000;
const BLOCK_BYTES: usize = 16;

/// A vault, decoded.
#[derive(Clone)]
pub(super) struct Sealed {
    salt: Vec<u8>,
    tag: Vec<u8>,
    sealed: Vec<u8>,
}

impl Sealed {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KeyfileError> {
        let truncated = || KeyfileError::Truncated { bytes: bytes.len() };
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Err(truncated()) };
        let (header, body) = bytes.split_at(end);
        // 1.2 adds a label, which says whose password it is.
        let mut fields = header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).skip(1);
        if !matches!(fields.next(), Some(b"1.1" | b"1.2")) || fields.next() != Some(b"AES256") {
            return Err(KeyfileError::Legacy {
                format: "an Ansible vault of another kind than 1.1 or 1.2 with AES256",
            });
        }
        let lines = unhex(body).ok_or_else(truncated)?;
        let mut lines = lines.split(|byte| *byte == b'\n').map(unhex);
        match (lines.next(), lines.next(), lines.next(), lines.next()) {
            (Some(Some(salt)), Some(Some(tag)), Some(Some(sealed)), None)
                if tag.len() == 32 && !sealed.is_empty() && sealed.len().is_multiple_of(BLOCK_BYTES) =>
            {
                Ok(Self { salt, tag, sealed })
            }
            _ => Err(truncated()),
        }
    }

    /// What was sealed.
    pub(super) fn open(&self, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
        let mut keys = Zeroizing::new([0; 80]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &self.salt, ROUNDS, keys.as_mut_slice());
        let (encryption, rest) = keys.split_at(32);
        let (signing, counter) = rest.split_at(32);

        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(signing).expect("any key");
        mac.update(&self.sealed);
        mac.verify_slice(&self.tag).map_err(|_| KeyfileError::WrongPassword)?;

        let mut plain = Zeroizing::new(self.sealed.clone());
        ctr::Ctr128BE::<Aes256>::new(encryption.into(), counter.into()).apply_keystream(&mut plain);
        let Some((_, last)) = plain.split_last_chunk::<BLOCK_BYTES>() else { return Err(KeyfileError::WrongPassword) };
        let last = Block::<Aes256>::from(*last);
        let kept = Pkcs7::unpad(&last).map_err(|_| KeyfileError::WrongPassword)?.len();
        let bytes = plain.len() - BLOCK_BYTES + kept;
        plain.truncate(bytes);
        Ok(plain)
    }
}

/// Hex, with line breaks anywhere.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    hex::decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `ansible-vault encrypt` of ansible-core; the password is `Throwaway-Passw0rd!42`.
    const RECORDED: &[u8] = include_bytes!("../../../tests/vectors/legacy_vault_coldkey");
    const PASSWORD: &str = "Throwaway-Passw0rd!42";

    #[test]
    fn opens_with_its_password_only() {
        let sealed = Sealed::parse(RECORDED).unwrap();
        assert!(sealed.open(PASSWORD).unwrap().starts_with(b"{\""));
        assert_eq!(sealed.open("wrong").unwrap_err(), KeyfileError::WrongPassword);
        // A label, other line ends and other line lengths say the same.
        let text = String::from_utf8(RECORDED.to_vec()).unwrap();
        let (_, body) = text.split_once('\n').unwrap();
        let other = format!("$ANSIBLE_VAULT;1.2;AES256;mine\r\n{}", body.replace('\n', ""));
        assert_eq!(Sealed::parse(other.as_bytes()).unwrap().open(PASSWORD).unwrap(), sealed.open(PASSWORD).unwrap());
    }

    #[test]
    fn any_cut_is_noticed_and_so_is_a_change() {
        for bytes in (0..RECORDED.len()).step_by(37) {
            let cut = &RECORDED[..bytes];
            assert!(Sealed::parse(cut).and_then(|sealed| sealed.open(PASSWORD)).is_err(), "cut at {bytes}");
        }
        for at in (RECORDED.iter().position(|byte| *byte == b'\n').unwrap() + 1..RECORDED.len() - 1).step_by(41) {
            let mut bad = RECORDED.to_vec();
            bad[at] = if bad[at] == b'3' { b'4' } else { b'3' };
            assert!(Sealed::parse(&bad).and_then(|sealed| sealed.open(PASSWORD)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn other_versions_and_ciphers_are_named() {
        for header in ["$ANSIBLE_VAULT;1.0;AES\n61", "$ANSIBLE_VAULT;2.0;AES256\n61", "$ANSIBLE_VAULT\n61"] {
            let refused = Sealed::parse(header.as_bytes()).map(drop).unwrap_err();
            assert!(matches!(refused, KeyfileError::Legacy { .. }), "{refused}");
        }
    }
}
