//! The pallet `SubtensorModule`: subnets, neurons, stake, weights, and the emission that consensus pays.
//!
//! Names, argument and field types, storage keys and defaults are Bittensor's, so that clients written for Bittensor's
//! chain find here what they look for. What this chain leaves out, it leaves out whole: there are no claims of root
//! dividends (they are paid), no liquidity of users, no locks and no leases.
//!
//! `pallet` below is thin: `storage`, `calls`, `events` and `errors` are pasted into it, and the logic is in one file per
//! concept.
//!
//! | file | what |
//! |---|---|
//! | `subnets` | creating and starting a subnet |
//! | `registration`, `price` | uids, pruning; what a registration costs |
//! | [`proof_of_work`] | registering without paying |
//! | `serving` | where a neuron can be reached |
//! | `staking`, `shares` | TAO in and out; a hotkey's pool and its shares |
//! | `moving`, `burning` | stake that goes elsewhere, or nowhere |
//! | `pool`, `market`, [`swap`] | what alpha costs: the arithmetic, a subnet's market, and the pallet `Swap` with its fee |
//! | `root`, `root_members` | TAO staked on root: what it counts for, and what it earns; who has a uid there |
//! | `weights`, `commit_reveal`, `timelocked` | setting weights in the open; committing and revealing them; under a time lock |
//! | `emission`, `injection` | TAO per block; which subnet gets how much of it, and what it does in its pool |
//! | `epoch`, `payout` | storage → [`yuma`] → storage; who gets what |
//! | `batches` | several settings, commits or reveals of weights at once |
//! | `children`, `take` | working with others' stake; what is kept of what it earns |
//! | `mechanisms` | several incentive mechanisms in one subnet |
//! | `hotkey_swap`, `coldkey_swap` | one key in the place of another |
//! | `identities` | who keys say they are |
//! | `rate_limit` | what may be done only so often, or not before an epoch |
//! | `hyperparameters`, [`admin`] | setters; the pallet `AdminUtils` with the calls of root and owners |
//! | [`info`] | what clients ask about all of it |
//! | `invariants` | what must hold after every block, as a function |
//!
//! **Money.** Staked TAO is burned from the free balance and counted in `SubnetTAO`; unstaking mints it again. At the
//! end of every block `TotalIssuance` = free balances + `TotalStake`, and `TotalStake` = Σ `SubnetTAO`. Only the block's
//! emission adds to it, and only what is burned (registrations, fees of transactions, alpha where it is TAO one to one)
//! takes from it. Of each subnet's alpha, `SubnetAlphaOut` = all stake + all that is pending + all that was burned.
//!
//! The runtime needs nothing beyond [`Config`]: the currency, with `u64` rao, the beacon, and
//! the fees of pools.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod auto_stake;
mod batches;
mod burning;
mod calls;
mod children;
mod coldkey_swap;
mod commit_reveal;
mod cost;
mod dissolving;
mod emission;
mod epoch;
mod errors;
mod events;
mod forgetting;
mod hotkey_swap;
mod hyperparameters;
mod identities;
mod injection;
mod invariants;
mod market;
mod mechanisms;
mod moving;
mod nominations;
mod numbers;
mod payout;
mod pool;
mod price;
pub mod proof_of_work;
mod rate_limit;
mod registration;
mod root;
mod root_members;
mod serving;
mod shares;
mod staking;
mod storage;
mod subnets;
mod symbols;
mod take;
mod timelocked;
mod trimming;
mod types;
mod weights;

#[cfg(test)]
mod tests;

pub mod admin;
pub mod defaults;
pub mod info;
pub mod swap;

pub use dissolving::OnDissolved;
pub use emission::block_emission;
pub use market::{FeeRates, SimSwapResult, SubnetPrice};
pub use numbers::I96F32;
pub use pallet::*;
pub use timelock::BeaconSignatures;
pub use timelocked::SealedWeights;
pub use types::*;

use frame_support::pallet_macros::import_section;

#[allow(clippy::expect_used, reason = "FRAME's expansion of a pallet expects its place in the runtime")]
#[allow(clippy::too_many_arguments, reason = "the arguments of calls are Bittensor's")]
#[import_section(storage::asked::asked)]
#[import_section(calls::calls)]
#[import_section(errors::errors)]
#[import_section(events::events)]
#[import_section(storage::consensus::consensus)]
#[import_section(storage::money::money)]
#[import_section(storage::relations::relations)]
#[import_section(storage::subnets::subnets)]
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use crate::staking::Limit;
    use alloc::{
        collections::{BTreeMap, VecDeque},
        vec::Vec,
    };
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

    /// What the pallet needs of the runtime.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Free balances, in rao.
        type Currency: fungible::Inspect<Self::AccountId, Balance = u64> + fungible::Mutate<Self::AccountId>;

        /// The beacon that opens time-locked weights.
        type Beacon: BeaconSignatures;

        /// The fees of pools: the pallet [`swap`].
        type FeeRates: FeeRates;

        /// What other pallets keep of a subnet, and forget when it is dissolved.
        type OnDissolved: OnDissolved;
    }

    /// What clients read as constants.
    #[pallet::extra_constants]
    impl<T: Config> Pallet<T> {
        /// The price of swapping a hotkey everywhere, in rao.
        #[pallet::constant_name(KeySwapCost)]
        fn key_swap_cost() -> TaoBalance {
            defaults::KEY_SWAP_COST_RAO
        }

        /// Blocks that an owner must wait before starting a subnet, on a fresh chain.
        #[pallet::constant_name(InitialStartCallDelay)]
        fn initial_start_call_delay() -> u64 {
            0
        }
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
        /// Whether alpha is worth TAO one to one on the subnets that will be created. As on Bittensor, it has a price
        /// otherwise.
        pub stable_subnets: bool,
        /// Nothing.
        #[serde(skip)]
        pub _config: PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            // Clients read the symbol by key and refuse to connect without it.
            NetworksAdded::<T>::insert(NetUid::ROOT, true);
            TotalNetworks::<T>::put(1);
            TokenSymbol::<T>::insert(NetUid::ROOT, defaults::TaoSymbol::get());
            MaxAllowedUids::<T>::insert(NetUid::ROOT, defaults::MAX_ROOT_MEMBERS);
            if self.stable_subnets {
                NewSubnetMechanism::<T>::put(defaults::STABLE_MECHANISM);
            }
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
