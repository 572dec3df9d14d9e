//! The pallet `Swap`: what a trade with a subnet's pool costs. Clients look for it under a pallet name of its own; the
//! pools themselves are the main pallet's.

pub use pallet::*;

/// See the module.
#[allow(clippy::expect_used, reason = "FRAME's expansion of a pallet expects its place in the runtime")]
#[frame_support::pallet]
pub mod pallet {
    use crate::{FeeRates, NetUid, Pallet as Subtensor, defaults};
    use frame_support::{pallet_prelude::*, traits::ConstU16};
    use frame_system::pallet_prelude::*;

    /// The pallet.
    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    /// The subnets are the main pallet's.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> + crate::Config {}

    /// What a pool keeps of a trade, as a fraction of 65535.
    #[pallet::storage]
    pub type FeeRate<T> = StorageMap<_, Twox64Concat, NetUid, u16, ValueQuery, ConstU16<{ defaults::FEE_RATE }>>;

    /// What the pallet announces.
    #[pallet::event]
    #[pallet::generate_deposit(fn deposit_event)]
    pub enum Event<T: Config> {
        /// A pool's fee was set.
        FeeRateSet {
            /// The subnet.
            netuid: NetUid,
            /// The fee, as a fraction of 65535.
            rate: u16,
        },
    }

    /// Why a call was refused beyond what the main pallet says.
    #[pallet::error]
    pub enum Error<T> {
        /// The fee would be above `MAX_FEE_RATE`.
        FeeRateTooHigh,
        /// The subnet does not exist.
        MechanismDoesNotExist,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Sets what a pool keeps of a trade, as a fraction of 65535. By root.
        #[pallet::call_index(0)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn set_fee_rate(origin: OriginFor<T>, netuid: NetUid, rate: u16) -> DispatchResult {
            ensure_root(origin)?;
            ensure!(Subtensor::<T>::subnet_exists(netuid), Error::<T>::MechanismDoesNotExist);
            ensure!(rate <= defaults::MAX_FEE_RATE, Error::<T>::FeeRateTooHigh);
            FeeRate::<T>::insert(netuid, rate);
            Self::deposit_event(Event::FeeRateSet { netuid, rate });
            Ok(())
        }
    }

    impl<T: Config> FeeRates for Pallet<T> {
        fn fee_rate(netuid: NetUid) -> u16 {
            FeeRate::<T>::get(netuid)
        }

        fn forget_fee_rate(netuid: NetUid) {
            FeeRate::<T>::remove(netuid);
        }
    }
}
