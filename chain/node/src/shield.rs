//! Opens the transactions that clients encrypt to the block's author (the pallet `MevShield`).
//!
//! A ciphertext is `hash of the key (16 bytes) ‖ length of the encapsulation (2, little-endian) ‖ encapsulation ‖ nonce
//! (24) ‖ sealed transaction`: ML-KEM-768 (FIPS 203) gives a shared secret, which is the key of XChaCha20-Poly1305. The
//! key is a function of a seed that everybody can know: on a development chain the shield shows how it is used, and
//! hides nothing from whoever looks for it.

use std::collections::HashSet;

use chacha20poly1305::aead::Aead;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use codec::{Decode, DecodeLimit, Encode};
use frame_support::MAX_EXTRINSIC_DEPTH;
use ml_kem::kem::Decapsulate;
use ml_kem::{B32, EncodedSizeUser, KemCore, MlKem768};
use narrows_runtime::opaque::UncheckedExtrinsic as Opaque;
use narrows_runtime::{Hash, RuntimeCall, UncheckedExtrinsic};
use sha2::{Digest, Sha512};

type DecapsulationKey = <MlKem768 as KemCore>::DecapsulationKey;
type EncapsulationKey = <MlKem768 as KemCore>::EncapsulationKey;

/// Bytes of the hash that names the key.
const KEY_HASH_BYTES: usize = 16;
/// Bytes of the nonce.
const NONCE_BYTES: usize = 24;

/// Separates this key from any other made from the same seed.
const KEY_INFO: &[u8] = b"narrows development shield";

/// The author's key, and the carriers it has opened already.
pub(crate) struct Shield {
    secret: DecapsulationKey,
    public: EncapsulationKey,
    opened: HashSet<Hash>,
}

impl Shield {
    /// The shield that `seed` stands for.
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        let halves = Sha512::new().chain_update(KEY_INFO).chain_update(seed).finalize();
        let (d, z) = halves.split_at(32);
        let half = |bytes: &[u8]| B32::try_from(bytes).unwrap_or_default();
        let (secret, public) = MlKem768::generate_deterministic(&half(d), &half(z));
        Self { secret, public, opened: HashSet::new() }
    }

    /// The key that clients encrypt to.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.public.as_bytes().to_vec()
    }

    /// Forgets which carriers were opened: the chain went back to before them.
    pub(crate) fn forget(&mut self) {
        self.opened.clear();
    }

    /// The transactions inside those carriers among `ready` that were not opened before. What is no carrier, or none of
    /// ours, or holds no transaction, is passed over: its sender sees that nothing came of it.
    pub(crate) fn open<'a>(&mut self, ready: impl Iterator<Item = (Hash, &'a Opaque)>) -> Vec<Opaque> {
        let mut seen = HashSet::new();
        let mut inner = Vec::new();
        for (hash, transaction) in ready {
            let Some(ciphertext) = ciphertext(transaction) else { continue };
            seen.insert(hash);
            if !self.opened.contains(&hash)
                && let Some(opened) = self.decrypt(&ciphertext)
            {
                inner.push(opened);
            }
        }
        self.opened = seen;
        inner
    }

    /// The transactions inside those carriers of a block that arrived too late to be opened before it: they were included
    /// alone, and what they hold has to come behind.
    pub(crate) fn open_late<'a>(&self, included: impl Iterator<Item = (Hash, &'a Opaque)>) -> Vec<Opaque> {
        included
            .filter(|(hash, _)| !self.opened.contains(hash))
            .filter_map(|(_, transaction)| self.decrypt(&ciphertext(transaction)?))
            .collect()
    }

    fn decrypt(&self, ciphertext: &[u8]) -> Option<Opaque> {
        let (_key_hash, rest) = ciphertext.split_at_checked(KEY_HASH_BYTES)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (encapsulated, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES)?;
        let encapsulated = ml_kem::Ciphertext::<MlKem768>::try_from(encapsulated).ok()?;
        let shared = self.secret.decapsulate(&encapsulated).ok()?;
        let cipher = XChaCha20Poly1305::new_from_slice(&shared).ok()?;
        let plain = cipher.decrypt(XNonce::from_slice(nonce), sealed).ok()?;
        Opaque::decode(&mut &plain[..]).ok()
    }
}

/// What a carrier carries.
fn ciphertext(transaction: &Opaque) -> Option<Vec<u8>> {
    let encoded = transaction.encode();
    let transaction = UncheckedExtrinsic::decode_with_depth_limit(MAX_EXTRINSIC_DEPTH, &mut &encoded[..]).ok()?;
    match transaction.function {
        RuntimeCall::MevShield(pallet_shield::Call::submit_encrypted { ciphertext }) => Some(ciphertext.into_inner()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_kem::EncapsulateDeterministic;

    fn shield() -> Shield {
        Shield::from_seed(&[7; 32])
    }

    /// A transaction, encrypted as clients do it.
    fn encrypted(shield: &Shield, transaction: &Opaque) -> Vec<u8> {
        let (encapsulated, shared) =
            shield.public.encapsulate_deterministic(&B32::from([3; 32])).expect("encapsulates");
        let nonce = [5; NONCE_BYTES];
        let cipher = XChaCha20Poly1305::new_from_slice(&shared).expect("32 bytes");
        let sealed = cipher.encrypt(XNonce::from_slice(&nonce), &transaction.encode()[..]).expect("encrypts");
        let length = u16::try_from(encapsulated.len()).expect("fits").to_le_bytes();
        [&[9; KEY_HASH_BYTES][..], &length[..], &encapsulated[..], &nonce[..], &sealed[..]].concat()
    }

    fn carrier(ciphertext: Vec<u8>) -> Opaque {
        let ciphertext = ciphertext.try_into().expect("within the limit");
        let call = RuntimeCall::MevShield(pallet_shield::Call::submit_encrypted { ciphertext });
        Opaque::decode(&mut &UncheckedExtrinsic::new_bare(call).encode()[..]).expect("a transaction")
    }

    fn some_transaction() -> Opaque {
        let call = RuntimeCall::System(frame_system::Call::remark { remark: vec![1, 2, 3] });
        Opaque::decode(&mut &UncheckedExtrinsic::new_bare(call).encode()[..]).expect("a transaction")
    }

    #[test]
    fn a_carrier_is_opened_once() {
        let mut shield = shield();
        let inner = some_transaction();
        let carrier = carrier(encrypted(&shield, &inner));
        let ready = [(Hash::repeat_byte(1), &carrier), (Hash::repeat_byte(2), &inner)];
        assert_eq!(shield.open(ready.into_iter()), std::slice::from_ref(&inner));
        assert_eq!(shield.open(ready.into_iter()), [], "it waits for its block, and is not opened again");
        shield.forget();
        assert_eq!(shield.open(ready.into_iter()), std::slice::from_ref(&inner), "after the chain went back");
        assert_eq!(shield.open(std::iter::empty()), []);
        assert_eq!(shield.open(ready.into_iter()), std::slice::from_ref(&inner), "what went and came back is new");
    }

    #[test]
    fn a_carrier_that_came_late_is_opened_after_its_block() {
        let mut shield = shield();
        let inner = some_transaction();
        let carrier = carrier(encrypted(&shield, &inner));
        let included = [(Hash::repeat_byte(1), &carrier), (Hash::repeat_byte(2), &inner)];
        assert_eq!(shield.open(std::iter::empty()), [], "nothing was there before the block");
        assert_eq!(shield.open_late(included.into_iter()), std::slice::from_ref(&inner));
        assert_eq!(shield.open(included.into_iter()), std::slice::from_ref(&inner));
        assert_eq!(shield.open_late(included.into_iter()), [], "what came in time is in the block");
    }

    #[test]
    fn what_is_cut_off_changed_or_for_another_key_is_passed_over() {
        let shield = shield();
        let whole = encrypted(&shield, &some_transaction());
        for length in 0..whole.len() {
            assert_eq!(shield.decrypt(&whole[..length]), None, "cut off at {length}");
        }
        for place in KEY_HASH_BYTES..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            assert_eq!(shield.decrypt(&changed), None, "changed at {place}");
        }
        assert!(shield.decrypt(&whole).is_some());
        assert_eq!(Shield::from_seed(&[8; 32]).decrypt(&whole), None);
    }

    #[test]
    fn the_key_is_a_function_of_the_seed() {
        assert_eq!(shield().public_key(), shield().public_key());
        assert_ne!(shield().public_key(), Shield::from_seed(&[8; 32]).public_key());
        assert_eq!(shield().public_key().len(), 1_184);
    }
}
