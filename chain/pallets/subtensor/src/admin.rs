//! The pallet `AdminUtils`: Bittensor's names for the calls by which root and subnet owners set hyperparameters.
//!
//! A second pallet in this crate, because clients look for these calls under a pallet name of their own. Checks of the
//! values are in `hyperparameters`; here is who may, and when. Bittensor forbids most of these calls in the last blocks
//! before an epoch and limits how often an owner may make them, and so does this chain. FRAME takes all calls of a pallet
//! from one block, so they are in one file.

pub use pallet::*;

/// See the module.
#[allow(clippy::expect_used, reason = "FRAME's expansion of a pallet expects its place in the runtime")]
#[frame_support::pallet]
pub mod pallet {
    use crate::{I96F32, MechId, NetUid, Pallet as Subtensor, RecycleOrBurnEnum, TaoBalance, U64F64, defaults};
    use alloc::vec::Vec;
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;

    /// The pallet.
    #[pallet::pallet]
    pub struct Pallet<T>(_);

    /// Everything it sets belongs to the main pallet.
    #[pallet::config]
    pub trait Config: frame_system::Config + crate::Config {}

    /// Why a call was refused beyond what the main pallet says.
    #[pallet::error]
    pub enum Error<T> {
        /// The subnet does not exist.
        SubnetDoesNotExist,
        /// An owner may not keep so much of the old bonds.
        BondsMovingAverageMaxReached,
        /// An owner may not make the steepness negative.
        NegativeSigmoidSteepness,
    }

    impl<T: Config> Pallet<T> {
        /// Passes root, for a subnet that exists and whose hyperparameters do not stand still.
        fn ensure_root_for(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
            Self::ensure_root_anytime(origin, netuid)?;
            Subtensor::<T>::ensure_not_frozen(netuid)
        }

        /// Passes root, for a subnet that exists, before an epoch too.
        fn ensure_root_anytime(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
            ensure_root(origin)?;
            ensure!(Subtensor::<T>::subnet_exists(netuid), Error::<T>::SubnetDoesNotExist);
            Ok(())
        }

        /// Passes root and the subnet's owner, and says which: `true` for root. An owner may make one call (named by its
        /// index) only so often.
        fn ensure_owner_or_root(origin: OriginFor<T>, netuid: NetUid, call: u8) -> Result<bool, DispatchError> {
            ensure!(Subtensor::<T>::subnet_exists(netuid), Error::<T>::SubnetDoesNotExist);
            Subtensor::<T>::ensure_subnet_owner_or_root(origin.clone(), netuid)?;
            Subtensor::<T>::ensure_not_frozen(netuid)?;
            let Some(owner) = ensure_signed_or_root(origin)? else { return Ok(true) };
            Subtensor::<T>::pass_owner_rate_limit(&owner, netuid, call)?;
            Ok(false)
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Sets the blocks between two servings of one neuron. By root or the subnet's owner.
        #[pallet::call_index(3)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_serving_rate_limit(
            origin: OriginFor<T>,
            netuid: NetUid,
            serving_rate_limit: u64,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 3)?;
            Subtensor::<T>::set_serving_rate_limit(netuid, serving_rate_limit);
            Ok(())
        }

        /// Sets the least version of validator software whose weights are taken. By root or the subnet's owner.
        #[pallet::call_index(6)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_weights_version_key(
            origin: OriginFor<T>,
            netuid: NetUid,
            weights_version_key: u64,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 6)?;
            Subtensor::<T>::set_weights_version_key(netuid, weights_version_key);
            Ok(())
        }

        /// Sets the blocks between two weight settings of one neuron. By root.
        #[pallet::call_index(7)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_weights_set_rate_limit(
            origin: OriginFor<T>,
            netuid: NetUid,
            weights_set_rate_limit: u64,
        ) -> DispatchResult {
            Self::ensure_root_anytime(origin, netuid)?;
            Subtensor::<T>::set_weights_set_rate_limit(netuid, weights_set_rate_limit);
            Ok(())
        }

        /// Sets the blocks during which a new neuron is not pruned. By root or the subnet's owner.
        #[pallet::call_index(13)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_immunity_period(origin: OriginFor<T>, netuid: NetUid, immunity_period: u16) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 13)?;
            Subtensor::<T>::set_immunity_period(netuid, immunity_period);
            Ok(())
        }

        /// Sets the least number of weights. By root or the subnet's owner.
        #[pallet::call_index(14)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_min_allowed_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            min_allowed_weights: u16,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 14)?;
            Subtensor::<T>::set_min_allowed_weights(netuid, min_allowed_weights);
            Ok(())
        }

        /// Makes a subnet smaller: those who earned least go, and uids are numbered anew. By root or the subnet's owner.
        #[pallet::call_index(78)]
        #[pallet::weight(Subtensor::<T>::trim_weight())]
        pub fn sudo_trim_to_max_allowed_uids(origin: OriginFor<T>, netuid: NetUid, max_n: u16) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 78)?;
            Subtensor::<T>::trim_to_max_allowed_uids(netuid, max_n)
        }

        /// Sets to how many neurons a subnet's owner may trim it. By root.
        #[pallet::call_index(79)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_min_allowed_uids(
            origin: OriginFor<T>,
            netuid: NetUid,
            min_allowed_uids: u16,
        ) -> DispatchResult {
            Self::ensure_root_for(origin, netuid)?;
            Subtensor::<T>::set_min_allowed_uids(netuid, min_allowed_uids)
        }

        /// Sets how many neurons fit. By root or the subnet's owner.
        #[pallet::call_index(15)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_max_allowed_uids(
            origin: OriginFor<T>,
            netuid: NetUid,
            max_allowed_uids: u16,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 15)?;
            Subtensor::<T>::set_max_allowed_uids(netuid, max_allowed_uids)
        }

        /// Sets the consensus majority. By root.
        #[pallet::call_index(16)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_kappa(origin: OriginFor<T>, netuid: NetUid, kappa: u16) -> DispatchResult {
            Self::ensure_root_anytime(origin, netuid)?;
            Subtensor::<T>::set_kappa(netuid, kappa);
            Ok(())
        }

        /// Sets rho, which no epoch reads. By root or the subnet's owner.
        #[pallet::call_index(17)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_rho(origin: OriginFor<T>, netuid: NetUid, rho: u16) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 17)?;
            Subtensor::<T>::set_rho(netuid, rho);
            Ok(())
        }

        /// Sets how long a silent neuron counts as active, in blocks. By root or the subnet's owner.
        #[pallet::call_index(18)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_activity_cutoff(origin: OriginFor<T>, netuid: NetUid, activity_cutoff: u16) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 18)?;
            Subtensor::<T>::set_activity_cutoff(netuid, activity_cutoff)
        }

        /// Sets whether neurons may register. By root.
        #[pallet::call_index(19)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_network_registration_allowed(
            origin: OriginFor<T>,
            netuid: NetUid,
            registration_allowed: bool,
        ) -> DispatchResult {
            Self::ensure_root_anytime(origin, netuid)?;
            Subtensor::<T>::set_network_registration_allowed(netuid, registration_allowed);
            Ok(())
        }

        /// Sets registrations by proof of work in an interval at which the difficulty stays. By root.
        #[pallet::call_index(21)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_target_registrations_per_interval(
            origin: OriginFor<T>,
            netuid: NetUid,
            target_registrations_per_interval: u16,
        ) -> DispatchResult {
            Self::ensure_root_for(origin, netuid)?;
            Subtensor::<T>::set_target_registrations_per_interval(netuid, target_registrations_per_interval);
            Ok(())
        }

        /// Sets the floor of the registration price. By root or the subnet's owner.
        #[pallet::call_index(22)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_min_burn(origin: OriginFor<T>, netuid: NetUid, min_burn: TaoBalance) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 22)?;
            Subtensor::<T>::set_min_burn(netuid, min_burn)
        }

        /// Sets the ceiling of the registration price. By root or the subnet's owner.
        #[pallet::call_index(23)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_max_burn(origin: OriginFor<T>, netuid: NetUid, max_burn: TaoBalance) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 23)?;
            Subtensor::<T>::set_max_burn(netuid, max_burn)
        }

        /// Sets how many neurons may hold a validator permit. By root.
        #[pallet::call_index(25)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_max_allowed_validators(
            origin: OriginFor<T>,
            netuid: NetUid,
            max_allowed_validators: u16,
        ) -> DispatchResult {
            Self::ensure_root_for(origin, netuid)?;
            Subtensor::<T>::set_max_allowed_validators(netuid, max_allowed_validators)
        }

        /// Sets the share of old bonds that an epoch keeps, in millionths. An owner may keep 97.5 % at most. By root or the subnet's owner.
        #[pallet::call_index(26)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_bonds_moving_average(
            origin: OriginFor<T>,
            netuid: NetUid,
            bonds_moving_average: u64,
        ) -> DispatchResult {
            let is_root = Self::ensure_owner_or_root(origin, netuid, 26)?;
            ensure!(
                is_root || bonds_moving_average <= defaults::MAX_OWNER_BONDS_MOVING_AVERAGE,
                Error::<T>::BondsMovingAverageMaxReached
            );
            Subtensor::<T>::set_bonds_moving_average(netuid, bonds_moving_average)
        }

        /// Sets how far weights above consensus are cut in bonds. By root or the subnet's owner.
        #[pallet::call_index(60)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_bonds_penalty(origin: OriginFor<T>, netuid: NetUid, bonds_penalty: u16) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 60)?;
            Subtensor::<T>::set_bonds_penalty(netuid, bonds_penalty);
            Ok(())
        }

        /// Sets whether neurons may register by proof of work. By root.
        #[pallet::call_index(20)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_network_pow_registration_allowed(
            origin: OriginFor<T>,
            netuid: NetUid,
            registration_allowed: bool,
        ) -> DispatchResult {
            Self::ensure_root_for(origin, netuid)?;
            Subtensor::<T>::set_network_pow_registration_allowed(netuid, registration_allowed);
            Ok(())
        }

        /// Sets the difficulty of a proof of work, until the next adjustment. By root.
        #[pallet::call_index(24)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_difficulty(origin: OriginFor<T>, netuid: NetUid, difficulty: u64) -> DispatchResult {
            Self::ensure_root_for(origin, netuid)?;
            Subtensor::<T>::set_difficulty(netuid, difficulty);
            Ok(())
        }

        /// Sets the floor of the difficulty. By root.
        #[pallet::call_index(4)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_min_difficulty(origin: OriginFor<T>, netuid: NetUid, min_difficulty: u64) -> DispatchResult {
            Self::ensure_root_for(origin, netuid)?;
            Subtensor::<T>::set_min_difficulty(netuid, min_difficulty);
            Ok(())
        }

        /// Sets the ceiling of the difficulty. By root or the subnet's owner.
        #[pallet::call_index(5)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_max_difficulty(origin: OriginFor<T>, netuid: NetUid, max_difficulty: u64) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 5)?;
            Subtensor::<T>::set_max_difficulty(netuid, max_difficulty);
            Ok(())
        }

        /// Sets the share of the old difficulty that an adjustment keeps. By root or the subnet's owner.
        #[pallet::call_index(9)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_adjustment_alpha(
            origin: OriginFor<T>,
            netuid: NetUid,
            adjustment_alpha: u64,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 9)?;
            Subtensor::<T>::set_adjustment_alpha(netuid, adjustment_alpha);
            Ok(())
        }

        /// Sets whether a hotkey may have its bonds reset. By root or the subnet's owner.
        #[pallet::call_index(70)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_bonds_reset_enabled(origin: OriginFor<T>, netuid: NetUid, enabled: bool) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 70)?;
            Subtensor::<T>::set_bonds_reset(netuid, enabled);
            Ok(())
        }

        /// Sets the blocks between the announcement of a coldkey's swap and the swap. By root.
        #[pallet::call_index(86)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_coldkey_swap_announcement_delay(
            origin: OriginFor<T>,
            duration: BlockNumberFor<T>,
        ) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_coldkey_swap_announcement_delay(duration);
            Ok(())
        }

        /// Sets the blocks that an announced swap may be made before it can be announced anew. By root.
        #[pallet::call_index(87)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_coldkey_swap_reannouncement_delay(
            origin: OriginFor<T>,
            duration: BlockNumberFor<T>,
        ) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_coldkey_swap_reannouncement_delay(duration);
            Ok(())
        }

        /// Sets registrations per block (proof of work). By root.
        #[pallet::call_index(27)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_max_registrations_per_block(
            origin: OriginFor<T>,
            netuid: NetUid,
            max_registrations_per_block: u16,
        ) -> DispatchResult {
            Self::ensure_root_for(origin, netuid)?;
            Subtensor::<T>::set_max_registrations_per_block(netuid, max_registrations_per_block);
            Ok(())
        }

        /// Sets the owners' share of emission, as a fraction of 65535. By root.
        #[pallet::call_index(28)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_subnet_owner_cut(origin: OriginFor<T>, subnet_owner_cut: u16) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_subnet_owner_cut(subnet_owner_cut);
            Ok(())
        }

        /// Sets the blocks between two creations of subnets. By root.
        #[pallet::call_index(29)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_network_rate_limit(origin: OriginFor<T>, rate_limit: u64) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_network_rate_limit(rate_limit);
            Ok(())
        }

        /// Sets the blocks between two epochs; 0 stops them. By root.
        #[pallet::call_index(30)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_tempo(origin: OriginFor<T>, netuid: NetUid, tempo: u16) -> DispatchResult {
            Self::ensure_root_for(origin, netuid)?;
            Subtensor::<T>::put_tempo(netuid, tempo)
        }

        /// Sets the floor of the price of a subnet. By root.
        #[pallet::call_index(36)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_network_min_lock_cost(origin: OriginFor<T>, lock_cost: TaoBalance) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_network_min_lock_cost(lock_cost);
            Ok(())
        }

        /// Sets how many subnets may exist. By root.
        #[pallet::call_index(37)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_subnet_limit(origin: OriginFor<T>, max_subnets: u16) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_subnet_limit(max_subnets);
            Ok(())
        }

        /// Sets the stake below which a neuron has no say. By root.
        #[pallet::call_index(42)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_stake_threshold(origin: OriginFor<T>, min_stake: u64) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_stake_threshold(min_stake);
            Ok(())
        }

        /// Sets the least that may stay staked with somebody else's hotkey, in millionths of the least stake; what is less is
        /// unstaked. By root.
        #[pallet::call_index(43)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_nominator_min_required_stake(origin: OriginFor<T>, min_stake: u64) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_nominator_min_required_stake(min_stake);
            Ok(())
        }

        /// Switches commit-reveal. By root or the subnet's owner.
        #[pallet::call_index(49)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_commit_reveal_weights_enabled(
            origin: OriginFor<T>,
            netuid: NetUid,
            enabled: bool,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 49)?;
            Subtensor::<T>::set_commit_reveal_weights_enabled(netuid, enabled);
            Ok(())
        }

        /// Switches liquid alpha. By root or the subnet's owner.
        #[pallet::call_index(50)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_liquid_alpha_enabled(origin: OriginFor<T>, netuid: NetUid, enabled: bool) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 50)?;
            Subtensor::<T>::set_liquid_alpha_enabled(netuid, enabled);
            Ok(())
        }

        /// Sets the bounds of liquid alpha, as fractions of 65535. By root or the subnet's owner.
        #[pallet::call_index(51)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_alpha_values(
            origin: OriginFor<T>,
            netuid: NetUid,
            alpha_low: u16,
            alpha_high: u16,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 51)?;
            Subtensor::<T>::set_alpha_values(netuid, alpha_low, alpha_high)
        }

        /// Sets the epochs between a commit and its reveal. By root or the subnet's owner.
        #[pallet::call_index(57)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_commit_reveal_weights_interval(
            origin: OriginFor<T>,
            netuid: NetUid,
            interval: u64,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 57)?;
            Subtensor::<T>::set_reveal_period(netuid, interval)
        }

        /// Sets whether stake may be moved. By root.
        #[pallet::call_index(66)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_subtoken_enabled(
            origin: OriginFor<T>,
            netuid: NetUid,
            subtoken_enabled: bool,
        ) -> DispatchResult {
            Self::ensure_root_for(origin, netuid)?;
            Subtensor::<T>::set_subtoken_enabled(netuid, subtoken_enabled);
            Ok(())
        }

        /// Sets the steepness of liquid alpha, in hundredths. Only root may make it negative. By root or the subnet's owner.
        #[pallet::call_index(68)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_alpha_sigmoid_steepness(
            origin: OriginFor<T>,
            netuid: NetUid,
            steepness: i16,
        ) -> DispatchResult {
            let is_root = Self::ensure_owner_or_root(origin, netuid, 68)?;
            ensure!(is_root || steepness >= 0, Error::<T>::NegativeSigmoidSteepness);
            Subtensor::<T>::set_alpha_sigmoid_steepness(netuid, steepness);
            Ok(())
        }

        /// Chooses Yuma 3 or Yuma 1. By root or the subnet's owner.
        #[pallet::call_index(69)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_yuma3_enabled(origin: OriginFor<T>, netuid: NetUid, enabled: bool) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 69)?;
            Subtensor::<T>::set_yuma3_enabled(netuid, enabled);
            Ok(())
        }

        /// Sets the blocks before a subnet may start. By root.
        #[pallet::call_index(85)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_start_call_delay(origin: OriginFor<T>, delay: u64) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_start_call_delay(delay);
            Ok(())
        }

        /// Sets the blocks in which the registration price halves; 0 lets it stand. By root or the subnet's owner.
        #[pallet::call_index(89)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_burn_half_life(origin: OriginFor<T>, netuid: NetUid, burn_half_life: u16) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 89)?;
            Subtensor::<T>::set_burn_half_life(netuid, burn_half_life);
            Ok(())
        }

        /// Sets the factor by which a registration raises the price of the next. By root or the subnet's owner.
        #[pallet::call_index(90)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_burn_increase_mult(
            origin: OriginFor<T>,
            netuid: NetUid,
            burn_increase_mult: U64F64,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 90)?;
            Subtensor::<T>::set_burn_increase_mult(netuid, burn_increase_mult)
        }

        /// Sets whether a subnet's owner gets a share. By root.
        #[pallet::call_index(92)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_owner_cut_enabled(origin: OriginFor<T>, netuid: NetUid, enabled: bool) -> DispatchResult {
            Self::ensure_root_for(origin, netuid)?;
            Subtensor::<T>::set_owner_cut_enabled(netuid, enabled);
            Ok(())
        }

        /// Sets whether a subnet shares in the emission. By root.
        #[pallet::call_index(94)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_subnet_emission_enabled(origin: OriginFor<T>, netuid: NetUid, enabled: bool) -> DispatchResult {
            Self::ensure_root_anytime(origin, netuid)?;
            Subtensor::<T>::set_subnet_emission_enabled(netuid, enabled);
            Ok(())
        }

        /// Sets how many epochs may run in one block. By root.
        #[pallet::call_index(96)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_max_epochs_per_block(origin: OriginFor<T>, max_epochs_per_block: u8) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_max_epochs_per_block(max_epochs_per_block)
        }

        /// Sets the largest take of a delegate. By root.
        #[pallet::call_index(1)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_default_take(origin: OriginFor<T>, default_take: u16) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_max_delegate_take(default_take);
            Ok(())
        }

        /// Sets the blocks between two swaps of hotkeys by one coldkey. By root.
        #[pallet::call_index(2)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_tx_rate_limit(origin: OriginFor<T>, tx_rate_limit: u64) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_tx_rate_limit(tx_rate_limit);
            Ok(())
        }

        /// Sets the blocks between two adjustments of the difficulty; 0 stops them. By root.
        #[pallet::call_index(8)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_adjustment_interval(
            origin: OriginFor<T>,
            netuid: NetUid,
            adjustment_interval: u16,
        ) -> DispatchResult {
            Self::ensure_root_anytime(origin, netuid)?;
            Subtensor::<T>::set_adjustment_interval(netuid, adjustment_interval);
            Ok(())
        }

        /// Sets the blocks in which the price of a subnet falls by the last price paid. By root.
        #[pallet::call_index(38)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_lock_reduction_interval(origin: OriginFor<T>, interval: u64) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_lock_reduction_interval(interval);
            Ok(())
        }

        /// Sets what counts as destroyed by registrations. By root.
        #[pallet::call_index(39)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_rao_recycled(origin: OriginFor<T>, netuid: NetUid, rao_recycled: TaoBalance) -> DispatchResult {
            Self::ensure_root_anytime(origin, netuid)?;
            Subtensor::<T>::set_rao_recycled(netuid, rao_recycled);
            Ok(())
        }

        /// Sets the blocks between two raises of a delegate's take. By root.
        #[pallet::call_index(45)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_tx_delegate_take_rate_limit(origin: OriginFor<T>, tx_rate_limit: u64) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_tx_delegate_take_rate_limit(tx_rate_limit);
            Ok(())
        }

        /// Sets the least take of a delegate. By root.
        #[pallet::call_index(46)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_min_delegate_take(origin: OriginFor<T>, take: u16) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_min_delegate_take(take);
            Ok(())
        }

        /// Sets the least take of a child in a subnet. By root or the subnet's owner.
        #[pallet::call_index(93)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_min_childkey_take_per_subnet(
            origin: OriginFor<T>,
            netuid: NetUid,
            take: u16,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 93)?;
            Subtensor::<T>::set_min_childkey_take_per_subnet(netuid, take);
            Ok(())
        }

        /// Sets what becomes of what the owner's hotkey mines. By root or the subnet's owner.
        #[pallet::call_index(80)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_recycle_or_burn(
            origin: OriginFor<T>,
            netuid: NetUid,
            recycle_or_burn: RecycleOrBurnEnum,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 80)?;
            Subtensor::<T>::set_recycle_or_burn(netuid, recycle_or_burn);
            Ok(())
        }

        /// Sets the hotkey that the owner's cut goes to. By root or the subnet's owner.
        #[pallet::call_index(64)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_subnet_owner_hotkey(
            origin: OriginFor<T>,
            netuid: NetUid,
            hotkey: T::AccountId,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 64)?;
            Subtensor::<T>::set_subnet_owner_hotkey(netuid, hotkey)
        }

        /// Sets the hotkey that the owner's cut goes to. By root or the subnet's owner.
        #[pallet::call_index(67)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_sn_owner_hotkey(origin: OriginFor<T>, netuid: NetUid, hotkey: T::AccountId) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 67)?;
            Subtensor::<T>::set_subnet_owner_hotkey(netuid, hotkey)
        }

        /// Sets the version of time-locked commits that is taken. By root.
        #[pallet::call_index(71)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_commit_reveal_version(origin: OriginFor<T>, version: u16) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_commit_reveal_version(version);
            Ok(())
        }

        /// Sets how many of the owner's neurons are never pruned. By root or the subnet's owner.
        #[pallet::call_index(72)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_owner_immune_neuron_limit(
            origin: OriginFor<T>,
            netuid: NetUid,
            immune_neurons: u16,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 72)?;
            Subtensor::<T>::set_owner_immune_neuron_limit(netuid, immune_neurons)
        }

        /// Sets the part that is destroyed of what children earn with strangers' stake. By root.
        #[pallet::call_index(73)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_ck_burn(origin: OriginFor<T>, burn: u64) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_ck_burn(burn);
            Ok(())
        }

        /// Sets how many neurons that are not immune must be there before one of them is pruned instead of an immune one. By
        /// root.
        #[pallet::call_index(84)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_min_non_immune_uids(origin: OriginFor<T>, netuid: NetUid, min: u16) -> DispatchResult {
            Self::ensure_root_anytime(origin, netuid)?;
            Subtensor::<T>::set_min_non_immune_uids(netuid, min);
            Ok(())
        }

        /// Sets the blocks during which a new subnet is not taken down to make room for another. By root.
        #[pallet::call_index(35)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_network_immunity_period(origin: OriginFor<T>, immunity_period: u64) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_network_immunity_period(immunity_period);
            Ok(())
        }

        /// Sets the blocks before an epoch in which hyperparameters stand still. By root.
        #[pallet::call_index(74)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_admin_freeze_window(origin: OriginFor<T>, window: u16) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_admin_freeze_window(window);
            Ok(())
        }

        /// Sets the tempos between two settings of one hyperparameter by an owner. By root.
        #[pallet::call_index(75)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_owner_hparam_rate_limit(origin: OriginFor<T>, epochs: u16) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_owner_hyperparam_rate_limit(epochs);
            Ok(())
        }

        /// Sets how many mechanisms a subnet has. By root or the subnet's owner.
        #[pallet::call_index(76)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_mechanism_count(
            origin: OriginFor<T>,
            netuid: NetUid,
            mechanism_count: MechId,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 76)?;
            Subtensor::<T>::set_mechanism_count(netuid, mechanism_count)
        }

        /// Sets how the emission is split over mechanisms. By root or the subnet's owner.
        #[pallet::call_index(77)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_mechanism_emission_split(
            origin: OriginFor<T>,
            netuid: NetUid,
            maybe_split: Option<Vec<u16>>,
        ) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 77)?;
            Subtensor::<T>::set_mechanism_emission_split(netuid, maybe_split)
        }

        /// Sets how many mechanisms a subnet may have. By root.
        #[pallet::call_index(88)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_max_mechanism_count(origin: OriginFor<T>, max_mechanism_count: MechId) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_max_mechanism_count(max_mechanism_count)
        }

        // ---- The pool. ----

        /// Sets whether stake may be given to another coldkey. By root or the subnet's owner.
        #[pallet::call_index(61)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_toggle_transfer(origin: OriginFor<T>, netuid: NetUid, toggle: bool) -> DispatchResult {
            Self::ensure_owner_or_root(origin, netuid, 61)?;
            Subtensor::<T>::set_transfer_toggle(netuid, toggle);
            Ok(())
        }

        /// Sets how fast average prices follow prices at most. By root.
        #[pallet::call_index(63)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_subnet_moving_alpha(origin: OriginFor<T>, alpha: I96F32) -> DispatchResult {
            ensure_root(origin)?;
            Subtensor::<T>::set_subnet_moving_alpha(alpha)
        }

        /// Sets the blocks after which a subnet's average price follows half as fast as it ever will. By root.
        #[pallet::call_index(65)]
        #[pallet::weight(Subtensor::<T>::start_weight())]
        pub fn sudo_set_ema_price_halving_period(
            origin: OriginFor<T>,
            netuid: NetUid,
            ema_halving: u64,
        ) -> DispatchResult {
            Self::ensure_root_anytime(origin, netuid)?;
            Subtensor::<T>::set_ema_price_halving_blocks(netuid, ema_halving);
            Ok(())
        }
    }
}
