//! Fernet tokens, as early versions of the wallets wrote them: AES-128-CBC and HMAC-SHA256 under PBKDF2 of the password.
//!
//! Formats: <https://github.com/fernet/spec>. The salt and the number of rounds are Bittensor's, the same for every file.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::keyfile::KeyfileError;

/// What every token starts with: base64 of the version and of the zeros atop a 64-bit time.
pub(super) const MAGIC: &[u8] = b"gAAAAA";

const SALT: &[u8] = b"Iguesscyborgslikemyselfhaveatendencytobeparanoidaboutourorigins";
const ROUNDS: u32 = 10_000_000;

/// Version (1 byte) and time (8), which the tag covers and nothing here needs.
const HEADER_BYTES: usize = 9;
const IV_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;
const TAG_BYTES: usize = 32;

/// A token, decoded: header, vector and ciphertext, and the tag over them.
#[derive(Clone)]
pub(super) struct Sealed {
    signed: Vec<u8>,
    tag: [u8; TAG_BYTES],
}

impl Sealed {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KeyfileError> {
        let truncated = KeyfileError::Truncated { bytes: bytes.len() };
        let text = bytes.trim_ascii();
        if !text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=')) {
            return Err(KeyfileError::Foreign { looks_like: "a Fernet token with characters outside base64" });
        }
        let token = URL_SAFE.decode(text).map_err(|_| truncated.clone())?;
        let Some((signed, tag)) = token.split_last_chunk::<TAG_BYTES>() else { return Err(truncated) };
        let cipher_bytes = signed.len().saturating_sub(HEADER_BYTES + IV_BYTES);
        if cipher_bytes == 0 || !cipher_bytes.is_multiple_of(BLOCK_BYTES) {
            return Err(truncated);
        }
        Ok(Self { signed: signed.to_vec(), tag: *tag })
    }

    /// What was sealed. Takes seconds.
    pub(super) fn open(&self, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
        self.open_at(ROUNDS, password)
    }

    fn open_at(&self, rounds: u32, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
        let mut keys = Zeroizing::new([0; 32]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), SALT, rounds, keys.as_mut_slice());
        let (signing, encryption) = keys.split_at(16);

        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(signing).expect("any key");
        mac.update(&self.signed);
        mac.verify_slice(&self.tag).map_err(|_| KeyfileError::WrongPassword)?;

        let (iv, sealed) = self.signed[HEADER_BYTES..].split_at(IV_BYTES);
        let mut plain = Zeroizing::new(sealed.to_vec());
        let bytes = cbc::Decryptor::<Aes128>::new(encryption.into(), iv.into())
            .decrypt_padded_mut::<Pkcs7>(&mut plain)
            .map_err(|_| KeyfileError::WrongPassword)?
            .len();
        plain.truncate(bytes);
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::BlockEncryptMut;

    /// The same code at a price that a test can pay many times; tests/wallet.rs pays the real one.
    const ROUNDS: u32 = 2;

    fn token(plain: &[u8]) -> Vec<u8> {
        let mut keys = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(b"right", SALT, ROUNDS, &mut keys);
        let mut token = vec![0x80, 0, 0, 0, 0, 0x64, 0, 0, 0];
        token.extend([7; IV_BYTES]);
        let cipher = cbc::Encryptor::<Aes128>::new(keys[16..].into(), &[7; IV_BYTES].into());
        let mut padded = [plain, &[0; BLOCK_BYTES]].concat();
        token.extend(cipher.encrypt_padded_mut::<Pkcs7>(&mut padded, plain.len()).unwrap());
        let mut mac = Hmac::<Sha256>::new_from_slice(&keys[..16]).unwrap();
        mac.update(&token);
        token.extend(mac.finalize().into_bytes());
        URL_SAFE.encode(token).into_bytes()
    }

    #[test]
    fn opens_with_its_password_only() {
        for plain in [&b"{}"[..], &[b'x'; 16], &[b'y'; 700]] {
            let sealed = Sealed::parse(&[&token(plain)[..], b"\n"].concat()).unwrap();
            assert_eq!(sealed.open_at(ROUNDS, "right").unwrap().as_slice(), plain);
            assert_eq!(sealed.open_at(ROUNDS, "wrong").unwrap_err(), KeyfileError::WrongPassword);
        }
    }

    #[test]
    fn any_change_and_any_cut_is_noticed() {
        let good = token(b"a plain key file");
        assert!(good.starts_with(MAGIC));
        for at in MAGIC.len()..good.len() {
            let mut bad = good.clone();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            assert!(Sealed::parse(&bad).and_then(|sealed| sealed.open_at(ROUNDS, "right")).is_err(), "byte {at}");
        }
        for bytes in 0..good.len() {
            assert!(
                Sealed::parse(&good[..bytes]).and_then(|it| it.open_at(ROUNDS, "right")).is_err(),
                "cut at {bytes}"
            );
        }
    }
}
