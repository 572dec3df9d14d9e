//! What users may ask of the chain: Bittensor's names, indices and arguments. The logic is in the file named after
//! each concept; here are only the doors, with their weights and who pays.

use frame_support::pallet_macros::pallet_section;

/// Calls, pasted into the pallet.
#[pallet_section]
mod calls {
    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Sets weights in the open, where commit-reveal is off. Signed by the validator's hotkey.
        #[pallet::call_index(0)]
        #[pallet::weight((Pallet::<T>::weights_weight(dests.len()), DispatchClass::Normal, Pays::No))]
        pub fn set_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            dests: Vec<u16>,
            weights: Vec<u16>,
            version_key: u64,
        ) -> DispatchResult {
            Self::do_set_weights(origin, netuid, MechId::MAIN, dests, weights, version_key)
        }

        /// Sets weights of one mechanism in the open, where commit-reveal is off.
        #[pallet::call_index(119)]
        #[pallet::weight((Pallet::<T>::weights_weight(dests.len()), DispatchClass::Normal, Pays::No))]
        pub fn set_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            dests: Vec<u16>,
            weights: Vec<u16>,
            version_key: u64,
        ) -> DispatchResult {
            Self::do_set_weights(origin, netuid, mecid, dests, weights, version_key)
        }

        /// Commits to weights by their hash, to be revealed `RevealPeriodEpochs` epochs later.
        #[pallet::call_index(96)]
        #[pallet::weight((Pallet::<T>::commit_weight(), DispatchClass::Normal, Pays::No))]
        pub fn commit_weights(origin: OriginFor<T>, netuid: NetUid, commit_hash: H256) -> DispatchResult {
            Self::do_commit_weights(origin, netuid, MechId::MAIN, commit_hash)
        }

        /// Commits to weights of one mechanism.
        #[pallet::call_index(115)]
        #[pallet::weight((Pallet::<T>::commit_weight(), DispatchClass::Normal, Pays::No))]
        pub fn commit_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            commit_hash: H256,
        ) -> DispatchResult {
            Self::do_commit_weights(origin, netuid, mecid, commit_hash)
        }

        /// Reveals committed weights in the epoch that the commit fixed.
        #[pallet::call_index(97)]
        #[pallet::weight((Pallet::<T>::weights_weight(uids.len().saturating_add(salt.len())), DispatchClass::Normal, Pays::No))]
        pub fn reveal_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            uids: Vec<u16>,
            values: Vec<u16>,
            salt: Vec<u16>,
            version_key: u64,
        ) -> DispatchResult {
            Self::do_reveal_weights(origin, netuid, MechId::MAIN, uids, values, salt, version_key)
        }

        /// Reveals committed weights of one mechanism.
        #[pallet::call_index(116)]
        #[pallet::weight((Pallet::<T>::weights_weight(uids.len().saturating_add(salt.len())), DispatchClass::Normal, Pays::No))]
        pub fn reveal_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            uids: Vec<u16>,
            values: Vec<u16>,
            salt: Vec<u16>,
            version_key: u64,
        ) -> DispatchResult {
            Self::do_reveal_weights(origin, netuid, mecid, uids, values, salt, version_key)
        }

        /// Commits to weights under a time lock: the chain opens them when the beacon has signed `reveal_round`.
        #[pallet::call_index(113)]
        #[pallet::weight((Pallet::<T>::weights_weight(commit.len()), DispatchClass::Normal, Pays::No))]
        pub fn commit_timelocked_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            commit: SealedWeights,
            reveal_round: u64,
            commit_reveal_version: u16,
        ) -> DispatchResult {
            Self::do_commit_timelocked_weights(
                origin,
                netuid,
                MechId::MAIN,
                commit,
                reveal_round,
                commit_reveal_version,
            )
        }

        /// Commits to weights of one mechanism under a time lock.
        #[pallet::call_index(118)]
        #[pallet::weight((Pallet::<T>::weights_weight(commit.len()), DispatchClass::Normal, Pays::No))]
        pub fn commit_timelocked_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            commit: SealedWeights,
            reveal_round: u64,
            commit_reveal_version: u16,
        ) -> DispatchResult {
            Self::do_commit_timelocked_weights(origin, netuid, mecid, commit, reveal_round, commit_reveal_version)
        }

        /// Stakes TAO of the signing coldkey to a hotkey.
        #[pallet::call_index(2)]
        #[pallet::weight(Pallet::<T>::stake_weight())]
        pub fn add_stake(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            amount_staked: TaoBalance,
        ) -> DispatchResult {
            Self::do_add_stake(origin, hotkey, netuid, amount_staked)
        }

        /// Takes stake of the signing coldkey back from a hotkey.
        #[pallet::call_index(3)]
        #[pallet::weight(Pallet::<T>::stake_weight())]
        pub fn remove_stake(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            amount_unstaked: AlphaBalance,
        ) -> DispatchResult {
            Self::do_remove_stake(origin, hotkey, netuid, amount_unstaked)
        }

        /// Says where the signing hotkey can be reached.
        #[pallet::call_index(4)]
        #[pallet::weight((Pallet::<T>::serve_weight(), DispatchClass::Normal, Pays::No))]
        pub fn serve_axon(
            origin: OriginFor<T>,
            netuid: NetUid,
            version: u32,
            ip: u128,
            port: u16,
            ip_type: u8,
            protocol: u8,
            placeholder1: u8,
            placeholder2: u8,
        ) -> DispatchResult {
            let axon = AxonInfo { block: 0, version, ip, port, ip_type, protocol, placeholder1, placeholder2 };
            Self::do_serve_axon(origin, netuid, axon)
        }

        /// Registers a hotkey for the price of the moment, paid by the signing coldkey.
        #[pallet::call_index(7)]
        #[pallet::weight(Pallet::<T>::registration_weight())]
        pub fn burned_register(origin: OriginFor<T>, netuid: NetUid, hotkey: T::AccountId) -> DispatchResult {
            Self::do_burned_register(origin, netuid, hotkey, None)
        }

        /// Registers a hotkey unless the price is above `limit_price` rao.
        #[pallet::call_index(134)]
        #[pallet::weight(Pallet::<T>::registration_weight())]
        pub fn register_limit(
            origin: OriginFor<T>,
            netuid: NetUid,
            hotkey: T::AccountId,
            limit_price: u64,
        ) -> DispatchResult {
            Self::do_burned_register(origin, netuid, hotkey, Some(limit_price))
        }

        /// Creates a subnet whose owner is the signing coldkey and whose first neuron is `hotkey`.
        #[pallet::call_index(59)]
        #[pallet::weight(Pallet::<T>::network_weight())]
        pub fn register_network(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
            Self::do_register_network(origin, hotkey, None)
        }

        /// Creates a subnet and says what it is about.
        #[pallet::call_index(79)]
        #[pallet::weight(Pallet::<T>::network_weight())]
        pub fn register_network_with_identity(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            identity: Option<SubnetIdentityV3>,
        ) -> DispatchResult {
            Self::do_register_network(origin, hotkey, identity)
        }

        /// Starts a subnet: it may be staked to, and emits once root has enabled its emission. By its owner.
        #[pallet::call_index(92)]
        #[pallet::weight(Pallet::<T>::start_weight())]
        pub fn start_call(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
            Self::do_start_call(origin, netuid)
        }

        /// Sets how long, in thousandths of a tempo, a silent neuron counts as active. By the subnet's owner.
        #[pallet::call_index(140)]
        #[pallet::weight(Pallet::<T>::start_weight())]
        pub fn set_activity_cutoff_factor(origin: OriginFor<T>, netuid: NetUid, factor_milli: u32) -> DispatchResult {
            Self::ensure_subnet_owner_or_root(origin, netuid)?;
            Self::set_activity_cutoff_factor_milli(netuid, factor_milli)
        }
    }
}
