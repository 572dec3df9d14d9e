//! Upper bounds on what calls cost, in reference time and database accesses.
//!
//! They are bounds by counting, not benchmarks: a development chain needs blocks that cannot be overfilled, not fees
//! that are fair to the microsecond.

use crate::{Config, Pallet, defaults};
use frame_support::{traits::Get, weights::Weight};

/// Reference time of a call's own arithmetic.
const CALL_PICOSECONDS: u64 = 50_000_000;
/// Reference time per element of a vector argument: hashing, sorting, scaling.
const ELEMENT_PICOSECONDS: u64 = 200_000;
/// Reference time of opening sealed weights: a pairing and two multiplications.
const REVEAL_PICOSECONDS: u64 = 5_000_000_000;
/// Proof size of a neuron vector of a full subnet, and of a call's other reads.
const CALL_PROOF_BYTES: u64 = 64 * 1024;

fn bound<T: Config>(reads: u64, writes: u64) -> Weight {
    Weight::from_parts(CALL_PICOSECONDS, CALL_PROOF_BYTES)
        .saturating_add(T::DbWeight::get().reads_writes(reads, writes))
}

impl<T: Config> Pallet<T> {
    /// Setting or revealing `elements` weights. Every uid is looked up by arithmetic, not in storage.
    pub(crate) fn weights_weight(elements: usize) -> Weight {
        let elements = u64::try_from(elements).unwrap_or(u64::MAX);
        bound::<T>(16, 4).saturating_add(Weight::from_parts(ELEMENT_PICOSECONDS.saturating_mul(elements), 0))
    }

    /// Committing to weights.
    pub(crate) fn commit_weight() -> Weight {
        bound::<T>(10, 2)
    }

    /// Swapping a hotkey: everything that any subnet keeps by it, and everybody's stake.
    pub(crate) fn swap_weight() -> Weight {
        bound::<T>(40, 40).saturating_mul(u64::from(defaults::SUBNET_LIMIT))
    }

    /// Opening so many sealed weights.
    pub(crate) fn reveal_weight(opened: u32) -> Weight {
        bound::<T>(6, 2).saturating_add(Weight::from_parts(REVEAL_PICOSECONDS, 0)).saturating_mul(u64::from(opened))
    }

    /// Staking or unstaking.
    pub(crate) fn stake_weight() -> Weight {
        bound::<T>(16, 10)
    }

    /// Moving stake: two markets, two pools of shares.
    pub(crate) fn move_weight() -> Weight {
        bound::<T>(24, 16)
    }

    /// Unstaking from every subnet.
    pub(crate) fn stake_everywhere_weight() -> Weight {
        Self::stake_weight().saturating_mul(u64::from(defaults::SUBNET_LIMIT).saturating_add(1))
    }

    /// Serving an axon.
    pub(crate) fn serve_weight() -> Weight {
        bound::<T>(4, 1)
    }

    /// Registering, where every neuron of a full subnet is weighed for pruning.
    pub(crate) fn registration_weight() -> Weight {
        bound::<T>(30 + u64::from(defaults::MAX_ALLOWED_UIDS), 30)
    }

    /// Creating a subnet, where every existing one is counted.
    pub(crate) fn network_weight() -> Weight {
        bound::<T>(30 + u64::from(defaults::SUBNET_LIMIT), 50)
    }

    /// Numbering the neurons of a full subnet anew; with several mechanisms there are as many fewer.
    pub(crate) fn trim_weight() -> Weight {
        bound::<T>(30, 15).saturating_add(
            T::DbWeight::get().reads_writes(15, 15).saturating_mul(u64::from(defaults::MAX_ALLOWED_UIDS)),
        )
    }

    /// Taking a full subnet down: what it keeps by neuron in every mechanism, and everybody's stake.
    pub(crate) fn dissolve_weight() -> Weight {
        bound::<T>(100, 100).saturating_add(
            T::DbWeight::get().reads_writes(40, 40).saturating_mul(u64::from(defaults::MAX_ALLOWED_UIDS)),
        )
    }

    /// Starting a subnet, or changing one hyperparameter.
    pub(crate) fn start_weight() -> Weight {
        bound::<T>(5, 3)
    }

    /// The beginning of a block: prices and emission of `subnets`, and epochs over `neurons` in all.
    pub(crate) fn block_weight(subnets: usize, neurons: usize) -> Weight {
        let subnets = u64::try_from(subnets).unwrap_or(u64::MAX);
        let neurons = u64::try_from(neurons).unwrap_or(u64::MAX);
        let per_subnet = T::DbWeight::get().reads_writes(36, 26).saturating_mul(subnets);
        // A neuron's row of weights and of bonds can name every other neuron.
        let per_neuron = T::DbWeight::get().reads_writes(10, 8).saturating_add(Weight::from_parts(
            ELEMENT_PICOSECONDS.saturating_mul(2 * u64::from(defaults::MAX_ALLOWED_UIDS)),
            0,
        ));
        bound::<T>(4, 4).saturating_add(per_subnet).saturating_add(per_neuron.saturating_mul(neurons))
    }
}
