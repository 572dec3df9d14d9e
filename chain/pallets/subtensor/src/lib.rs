//! The pallet `SubtensorModule`: subnets, neurons, stake, weights, and the emission that consensus pays.
//!
//! Names, argument and field types, storage keys and defaults are Bittensor's, so that clients written for Bittensor's
//! chain find here what they look for. What this chain leaves out, it leaves out whole: there is no pool (alpha is worth
//! TAO one to one) and no root network's stake.
//!
//! `pallet` below is thin: `storage`, `calls`, `events` and `errors` are pasted into it, and the logic is in one file per
//! concept.
//!
//! | file | what |
//! |---|---|
//! | `subnets` | creating and starting a subnet |
//! | `registration`, `price` | uids, pruning; what a registration costs |
//! | `serving` | where a neuron can be reached |
//! | `staking`, `shares` | TAO in and out; a hotkey's pool and its shares |
//! | `weights`, `commit_reveal`, `timelocked` | setting weights in the open; committing and revealing them; under a time lock |
//! | `emission`, `epoch`, `payout` | TAO per block; storage → [`yuma`] → storage; who gets it |
//! | `batches` | several settings, commits or reveals of weights at once |
//! | `children`, `take` | working with others' stake; what is kept of what it earns |
//! | `mechanisms` | several incentive mechanisms in one subnet |
//! | `hotkey_swap`, `identities` | one hotkey in the place of another; who keys say they are |
//! | `rate_limit` | what may be done only so often, or not before an epoch |
//! | `hyperparameters`, [`admin`] | setters; the pallet `AdminUtils` with the calls of root and owners |
//! | `invariants` | what must hold after every block, as a function |
//!
//! **Money.** Staked TAO is burned from the free balance and counted in `SubnetTAO`; unstaking mints it again. At the
//! end of every block `TotalIssuance` = free balances + `TotalStake`, and `TotalStake` = Σ `SubnetTAO` = all stake + all
//! that is pending. Only the block's emission adds to it, and only what is burned (registrations, subnets, the owner's
//! own miner, fees) takes from it.
//!
//! The runtime needs nothing beyond [`Config`]: the currency, with `u64` rao, and the beacon.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod batches;
mod calls;
mod children;
mod commit_reveal;
mod cost;
mod emission;
mod epoch;
mod errors;
mod events;
mod hotkey_swap;
mod hyperparameters;
mod identities;
mod invariants;
mod mechanisms;
mod payout;
mod price;
mod rate_limit;
mod registration;
mod serving;
mod shares;
mod staking;
mod storage;
mod subnets;
mod take;
mod timelocked;
mod types;
mod weights;

#[cfg(test)]
mod tests;

pub mod admin;
pub mod defaults;

pub use emission::block_emission;
pub use pallet::*;
pub use timelocked::SealedWeights;
pub use types::*;

use frame_support::pallet_macros::import_section;

#[allow(clippy::expect_used, reason = "FRAME's expansion of a pallet expects its place in the runtime")]
#[allow(clippy::too_many_arguments, reason = "the arguments of calls are Bittensor's")]
#[import_section(calls::calls)]
#[import_section(errors::errors)]
#[import_section(events::events)]
#[import_section(storage::storage)]
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::{collections::VecDeque, vec::Vec};
    use codec::Compact;
    use frame_support::{
        pallet_prelude::*,
        traits::{ConstBool, ConstU8, ConstU16, ConstU64, fungible},
    };
    use frame_system::pallet_prelude::*;
    use sp_core::H256;
    use sp_runtime::traits::UniqueSaturatedInto;

    /// The pallet.
    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    /// The beacon to whose rounds weights are locked.
    pub trait BeaconSignatures {
        /// The signature of a round, compressed, once the chain has it.
        fn signature(round: u64) -> Option<Vec<u8>>;
    }

    /// What the pallet needs of the runtime.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Free balances, in rao.
        type Currency: fungible::Inspect<Self::AccountId, Balance = u64> + fungible::Mutate<Self::AccountId>;

        /// The beacon that opens time-locked weights.
        type Beacon: BeaconSignatures;
    }

    /// How many mechanisms a subnet has unless its owner asks for more.
    pub struct OneMechanism;

    impl Get<MechId> for OneMechanism {
        fn get() -> MechId {
            MechId(1)
        }
    }

    /// A fresh chain has no subnets; everything starts from `defaults`. Put `Balances` before this pallet in the
    /// runtime, so that genesis sees its issuance.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Nothing to configure.
        #[serde(skip)]
        pub _config: PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            // Clients read the symbol by key and refuse to connect without it.
            TokenSymbol::<T>::insert(NetUid::ROOT, defaults::TaoSymbol::get());
            Pallet::<T>::refresh_total_issuance();
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(block: BlockNumberFor<T>) -> Weight {
            Self::begin_block(block.unique_saturated_into())
        }

        fn on_finalize(_block: BlockNumberFor<T>) {
            Self::refresh_total_issuance();
        }
    }
}
