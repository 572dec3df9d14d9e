//! Transactions that nobody can read before the block's author has placed them, under the names of Bittensor's pallet
//! `MevShield`.
//!
//! Who does not want to be front-run signs two transactions. The inner one is what is wanted, with the next nonce but
//! one; it is encrypted to [`NextKey`] (ML-KEM-768 and XChaCha20-Poly1305). The outer one, the *carrier*, is
//! [`Call::submit_encrypted`] with the ciphertext. The author, who holds the key, opens the carriers that it is about
//! to include and puts the inner transactions behind them, as a rule into the same block.
//!
//! On Bittensor authors take turns and announce new keys in every block. A development chain has one author and one
//! key, set in its first block, so the three keys that clients can read are the same. What is left out: transactions
//! that are stored and opened by later authors, and the limits on them.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(test)]
mod tests;

pub use pallet::*;

/// The longest ciphertext that a carrier takes.
pub const MAX_CIPHERTEXT_BYTES: u32 = 8_192;

/// The longest key. One of ML-KEM-768 has 1,184 bytes.
pub const MAX_KEY_BYTES: u32 = 2_048;

/// The pallet. The macro writes many items; their documentation is on what they are made from.
#[allow(clippy::expect_used, reason = "FRAME's expansion of a pallet expects its place in the runtime")]
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::vec::Vec;
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::Hash;

    /// A public key of ML-KEM-768.
    pub type ShieldEncKey = BoundedVec<u8, ConstU32<MAX_KEY_BYTES>>;

    /// What the pallet needs from the runtime.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {}

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    /// The key of this block's author.
    #[pallet::storage]
    pub type CurrentKey<T> = StorageValue<_, ShieldEncKey, OptionQuery>;

    /// The key of the author after the next.
    #[pallet::storage]
    pub type PendingKey<T> = StorageValue<_, ShieldEncKey, OptionQuery>;

    /// The key of the next block's author, to which clients encrypt. `None` on a chain without a shield.
    #[pallet::storage]
    pub type NextKey<T> = StorageValue<_, ShieldEncKey, OptionQuery>;

    /// The chain's one key.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// A public key of ML-KEM-768; empty for a chain without a shield.
        pub key: Vec<u8>,
        /// Nothing.
        #[serde(skip)]
        pub _config: PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        #[expect(clippy::expect_used, reason = "a genesis that cannot be built must not be")]
        fn build(&self) {
            if self.key.is_empty() {
                return;
            }
            let key = ShieldEncKey::try_from(self.key.clone()).expect("the shield's key is too long");
            CurrentKey::<T>::put(&key);
            PendingKey::<T>::put(&key);
            NextKey::<T>::put(&key);
        }
    }

    /// What the pallet announces.
    #[pallet::event]
    #[pallet::generate_deposit(fn deposit_event)]
    pub enum Event<T: Config> {
        /// A carrier was included.
        EncryptedSubmitted {
            /// The hash of the ciphertext and its sender.
            id: T::Hash,
            /// Who sent it.
            who: T::AccountId,
        },
    }

    /// Why a call was refused.
    #[pallet::error]
    pub enum Error<T> {
        /// The ciphertext holds nothing.
        Empty,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Carries an encrypted transaction. The author has opened it by now, if it is one; the call itself only says
        /// that it was here.
        #[pallet::call_index(1)]
        #[pallet::weight((
            T::DbWeight::get().reads_writes(1, 1).saturating_add(Weight::from_parts(10_000 * ciphertext.len() as u64, 0)),
            DispatchClass::Normal,
            Pays::Yes,
        ))]
        pub fn submit_encrypted(
            origin: OriginFor<T>,
            ciphertext: BoundedVec<u8, ConstU32<MAX_CIPHERTEXT_BYTES>>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            ensure!(!ciphertext.is_empty(), Error::<T>::Empty);
            let id = T::Hashing::hash_of(&(&who, &ciphertext));
            Self::deposit_event(Event::EncryptedSubmitted { id, who });
            Ok(())
        }
    }
}
