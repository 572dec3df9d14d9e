//! The constant `Aura.SlotDuration`, which Bittensor's clients read to learn the block time.
//!
//! Nothing else of Aura is here: blocks are sealed by the node on a timer. The block time is chosen when a chain is
//! started, so the constant is not compiled in: genesis stores it, and [`StoredSlotDuration`] reads it whenever the
//! metadata is made. Metadata is therefore only made inside a runtime call (as every RPC does), never from thin air.

use core::marker::PhantomData;
use frame_support::traits::Get;

pub use pallet::*;

/// What a chain whose genesis says nothing claims: Bittensor's twelve seconds.
const DEFAULT_SLOT_DURATION_MILLIS: u64 = 12_000;

/// The pallet.
#[allow(clippy::expect_used, reason = "FRAME's expansion of a pallet expects its place in the runtime")]
#[frame_support::pallet]
pub mod pallet {
    use super::DEFAULT_SLOT_DURATION_MILLIS;
    use frame_support::pallet_prelude::*;

    /// What the pallet needs from the runtime.
    #[pallet::config]
    pub trait Config: frame_system::Config {
        /// Time between blocks in milliseconds.
        #[pallet::constant]
        type SlotDuration: Get<u64>;
    }

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    /// The default of [`SlotDurationMillis`].
    #[pallet::type_value]
    pub fn DefaultSlotDurationMillis() -> u64 {
        DEFAULT_SLOT_DURATION_MILLIS
    }

    /// Time between blocks in milliseconds, as chosen at genesis.
    #[pallet::storage]
    pub type SlotDurationMillis<T> = StorageValue<_, u64, ValueQuery, DefaultSlotDurationMillis>;

    /// The block time at genesis.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Time between blocks in milliseconds; zero leaves the default.
        pub slot_duration_millis: u64,
        #[serde(skip)]
        #[doc(hidden)]
        pub _config: core::marker::PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            if self.slot_duration_millis > 0 {
                SlotDurationMillis::<T>::put(self.slot_duration_millis);
            }
        }
    }
}

/// Reads [`SlotDurationMillis`]; what the runtime gives as `SlotDuration`.
pub struct StoredSlotDuration<T>(PhantomData<T>);

impl<T: Config> Get<u64> for StoredSlotDuration<T> {
    fn get() -> u64 {
        SlotDurationMillis::<T>::get()
    }
}
