//! What users may ask of the chain: Bittensor's names, indices and arguments. The logic is in the file named after
//! each concept; here are only the doors, with their weights and who pays. FRAME takes all calls of a pallet from one block,
//! so they are in one file.

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
        #[pallet::weight((Pallet::<T>::weights_weight(uids.len().saturating_add(values.len()).saturating_add(salt.len())), DispatchClass::Normal, Pays::No))]
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
        #[pallet::weight((Pallet::<T>::weights_weight(uids.len().saturating_add(values.len()).saturating_add(salt.len())), DispatchClass::Normal, Pays::No))]
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
            Self::do_add_stake(origin, hotkey, netuid, amount_staked, None)
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
            Self::do_remove_stake(origin, hotkey, netuid, amount_unstaked, None)
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

        /// Chooses the hotkey of a subnet that the coldkey's mining income is staked on from now on, instead of the hotkeys
        /// that mine it.
        #[pallet::call_index(114)]
        #[pallet::weight(Pallet::<T>::start_weight())]
        pub fn set_coldkey_auto_stake_hotkey(
            origin: OriginFor<T>,
            netuid: NetUid,
            hotkey: T::AccountId,
        ) -> DispatchResult {
            Self::do_set_auto_stake(origin, netuid, hotkey)
        }

        /// Takes a subnet down. By root; `_coldkey` is asked for and not used.
        #[pallet::call_index(61)]
        #[pallet::weight(Pallet::<T>::dissolve_weight())]
        pub fn dissolve_network(origin: OriginFor<T>, _coldkey: T::AccountId, netuid: NetUid) -> DispatchResult {
            Self::do_dissolve_network(origin, netuid)
        }

        /// Takes a subnet down. By root.
        #[pallet::call_index(120)]
        #[pallet::weight(Pallet::<T>::dissolve_weight())]
        pub fn root_dissolve_network(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
            Self::do_dissolve_network(origin, netuid)
        }

        /// Gives a subnet's token another symbol, one that no other has. By root or the subnet's owner.
        #[pallet::call_index(112)]
        #[pallet::weight(Pallet::<T>::network_weight())]
        pub fn update_symbol(origin: OriginFor<T>, netuid: NetUid, symbol: Vec<u8>) -> DispatchResult {
            Self::do_update_symbol(origin, netuid, symbol)
        }

        /// Sets how long, in thousandths of a tempo, a silent neuron counts as active. By the subnet's owner.
        #[pallet::call_index(140)]
        #[pallet::weight(Pallet::<T>::start_weight())]
        pub fn set_activity_cutoff_factor(origin: OriginFor<T>, netuid: NetUid, factor_milli: u32) -> DispatchResult {
            Self::ensure_subnet_owner_or_root(origin, netuid)?;
            Self::set_activity_cutoff_factor_milli(netuid, factor_milli)
        }

        // ---- Incentives: parents and children, takes, swaps, batches, time-locked commits. ----

        /// Says where the signing hotkey's metrics can be read.
        #[pallet::call_index(5)]
        #[pallet::weight((Pallet::<T>::serve_weight(), DispatchClass::Normal, Pays::No))]
        pub fn serve_prometheus(
            origin: OriginFor<T>,
            netuid: NetUid,
            version: u32,
            ip: u128,
            port: u16,
            ip_type: u8,
        ) -> DispatchResult {
            Self::do_serve_prometheus(origin, netuid, PrometheusInfo { block: 0, version, ip, port, ip_type })
        }

        /// Says where the signing hotkey can be reached, and by what key it proves itself.
        #[pallet::call_index(40)]
        #[pallet::weight((Pallet::<T>::serve_weight(), DispatchClass::Normal, Pays::No))]
        pub fn serve_axon_tls(
            origin: OriginFor<T>,
            netuid: NetUid,
            version: u32,
            ip: u128,
            port: u16,
            ip_type: u8,
            protocol: u8,
            placeholder1: u8,
            placeholder2: u8,
            certificate: Vec<u8>,
        ) -> DispatchResult {
            let axon = AxonInfo { block: 0, version, ip, port, ip_type, protocol, placeholder1, placeholder2 };
            Self::do_serve_axon_tls(origin, netuid, axon, certificate)
        }

        /// Registers a hotkey for the price of the moment. The arguments of a proof of work are Bittensor's old ones, and
        /// ignored like there.
        #[pallet::call_index(6)]
        #[pallet::weight(Pallet::<T>::registration_weight())]
        pub fn register(
            origin: OriginFor<T>,
            netuid: NetUid,
            _block_number: u64,
            _nonce: u64,
            _work: Vec<u8>,
            hotkey: T::AccountId,
            _coldkey: T::AccountId,
        ) -> DispatchResult {
            Self::do_burned_register(origin, netuid, hotkey, None)
        }

        /// Registers a hotkey that a proof of work speaks for: see [`proof_of_work`](crate::proof_of_work). All but the index,
        /// which is above Bittensor's, is of its later versions.
        #[pallet::call_index(200)]
        #[pallet::weight(Pallet::<T>::registration_weight())]
        pub fn pow_register(
            origin: OriginFor<T>,
            netuid: NetUid,
            work_block: u64,
            nonce: u64,
            work: [u8; 32],
            hotkey: T::AccountId,
        ) -> DispatchResult {
            Self::do_pow_register(origin, netuid, work_block, nonce, work, hotkey)
        }

        /// Makes a hotkey a member of the root network.
        #[pallet::call_index(62)]
        #[pallet::weight(Pallet::<T>::registration_weight())]
        pub fn root_register(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
            Self::do_root_register(origin, hotkey)
        }

        /// Lowers what a hotkey keeps of the dividends it earns for those who staked to it. By its coldkey.
        #[pallet::call_index(65)]
        #[pallet::weight((Pallet::<T>::serve_weight(), DispatchClass::Normal, Pays::No))]
        pub fn decrease_take(origin: OriginFor<T>, hotkey: T::AccountId, take: u16) -> DispatchResult {
            Self::do_decrease_take(origin, hotkey, take)
        }

        /// Raises what a hotkey keeps of the dividends it earns for those who staked to it. By its coldkey.
        #[pallet::call_index(66)]
        #[pallet::weight((Pallet::<T>::serve_weight(), DispatchClass::Normal, Pays::No))]
        pub fn increase_take(origin: OriginFor<T>, hotkey: T::AccountId, take: u16) -> DispatchResult {
            Self::do_increase_take(origin, hotkey, take)
        }

        /// Names the hotkeys that work with a part of this one's stake, from an epoch after the cooldown on. By its coldkey.
        #[pallet::call_index(67)]
        #[pallet::weight(Pallet::<T>::stake_weight())]
        pub fn set_children(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            children: Vec<(u64, T::AccountId)>,
        ) -> DispatchResult {
            Self::do_set_children(origin, hotkey, netuid, children)
        }

        /// Sets what a hotkey keeps of the dividends it earns with its parents' stake. By its coldkey.
        #[pallet::call_index(75)]
        #[pallet::weight(Pallet::<T>::serve_weight())]
        pub fn set_childkey_take(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            take: u16,
        ) -> DispatchResult {
            Self::do_set_childkey_take(origin, hotkey, netuid, take)
        }

        /// Sets the blocks between two raises of a child's take. By root.
        #[pallet::call_index(69)]
        #[pallet::weight(Pallet::<T>::start_weight())]
        pub fn sudo_set_tx_childkey_take_rate_limit(origin: OriginFor<T>, tx_rate_limit: u64) -> DispatchResult {
            ensure_root(origin)?;
            Self::set_tx_childkey_take_rate_limit(tx_rate_limit);
            Ok(())
        }

        /// Sets the least take of a child. By root.
        #[pallet::call_index(76)]
        #[pallet::weight(Pallet::<T>::start_weight())]
        pub fn sudo_set_min_childkey_take(origin: OriginFor<T>, take: u16) -> DispatchResult {
            ensure_root(origin)?;
            Self::set_min_childkey_take(take);
            Ok(())
        }

        /// Sets the largest take of a child. By root.
        #[pallet::call_index(77)]
        #[pallet::weight(Pallet::<T>::start_weight())]
        pub fn sudo_set_max_childkey_take(origin: OriginFor<T>, take: u16) -> DispatchResult {
            ensure_root(origin)?;
            Self::set_max_childkey_take(take);
            Ok(())
        }

        /// Sets the blocks between naming children and the epoch that takes them on. By root.
        #[pallet::call_index(109)]
        #[pallet::weight(Pallet::<T>::start_weight())]
        pub fn set_pending_childkey_cooldown(origin: OriginFor<T>, cooldown: u64) -> DispatchResult {
            ensure_root(origin)?;
            Self::put_pending_childkey_cooldown(cooldown);
            Ok(())
        }

        /// Puts another hotkey in the place of one, with its stake, on one subnet or on all. By the coldkey of both.
        #[pallet::call_index(70)]
        #[pallet::weight(Pallet::<T>::swap_weight())]
        pub fn swap_hotkey(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            new_hotkey: T::AccountId,
            netuid: Option<NetUid>,
        ) -> DispatchResult {
            Self::do_swap_hotkey(origin, hotkey, new_hotkey, netuid, false)
        }

        /// Puts another hotkey in the place of one; with `keep_stake` the stake stays with the old one.
        #[pallet::call_index(72)]
        #[pallet::weight(Pallet::<T>::swap_weight())]
        pub fn swap_hotkey_v2(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            new_hotkey: T::AccountId,
            netuid: Option<NetUid>,
            keep_stake: bool,
        ) -> DispatchResult {
            Self::do_swap_hotkey(origin, hotkey, new_hotkey, netuid, keep_stake)
        }

        /// Puts another coldkey in the place of one at once. By root.
        #[pallet::call_index(71)]
        #[pallet::weight(Pallet::<T>::swap_weight())]
        pub fn swap_coldkey(
            origin: OriginFor<T>,
            old_coldkey: T::AccountId,
            new_coldkey: T::AccountId,
            swap_cost: TaoBalance,
        ) -> DispatchResult {
            Self::do_swap_coldkey(origin, old_coldkey, new_coldkey, swap_cost)
        }

        /// Announces by its hash the coldkey that is to take the place of the signing one.
        #[pallet::call_index(125)]
        #[pallet::weight(Pallet::<T>::serve_weight())]
        pub fn announce_coldkey_swap(origin: OriginFor<T>, new_coldkey_hash: T::Hash) -> DispatchResult {
            Self::do_announce_coldkey_swap(origin, new_coldkey_hash)
        }

        /// Makes the swap that the signing coldkey announced, after its delay.
        #[pallet::call_index(126)]
        #[pallet::weight(Pallet::<T>::swap_weight())]
        pub fn swap_coldkey_announced(origin: OriginFor<T>, new_coldkey: T::AccountId) -> DispatchResult {
            Self::do_swap_coldkey_announced(origin, new_coldkey)
        }

        /// Stops the swap that is announced for the signing coldkey, because somebody else announced it.
        #[pallet::call_index(127)]
        #[pallet::weight(Pallet::<T>::serve_weight())]
        pub fn dispute_coldkey_swap(origin: OriginFor<T>) -> DispatchResult {
            Self::do_dispute_coldkey_swap(origin)
        }

        /// Forgets the announced swap of a coldkey, and its dispute. By root.
        #[pallet::call_index(128)]
        #[pallet::weight(Pallet::<T>::serve_weight())]
        pub fn reset_coldkey_swap(origin: OriginFor<T>, coldkey: T::AccountId) -> DispatchResult {
            Self::do_reset_coldkey_swap(origin, coldkey)
        }

        /// Takes back the announced swap of the signing coldkey, once it could be announced anew.
        #[pallet::call_index(133)]
        #[pallet::weight(Pallet::<T>::serve_weight())]
        pub fn clear_coldkey_swap_announcement(origin: OriginFor<T>) -> DispatchResult {
            Self::do_clear_coldkey_swap(origin)
        }

        /// Says who the signing coldkey is.
        #[pallet::call_index(68)]
        #[pallet::weight(Pallet::<T>::serve_weight())]
        pub fn set_identity(
            origin: OriginFor<T>,
            name: Vec<u8>,
            url: Vec<u8>,
            github_repo: Vec<u8>,
            image: Vec<u8>,
            discord: Vec<u8>,
            description: Vec<u8>,
            additional: Vec<u8>,
        ) -> DispatchResult {
            Self::do_set_identity(
                origin,
                ChainIdentityV2 { name, url, github_repo, image, discord, description, additional },
            )
        }

        /// Says what a subnet is about. By its owner.
        #[pallet::call_index(78)]
        #[pallet::weight(Pallet::<T>::serve_weight())]
        pub fn set_subnet_identity(
            origin: OriginFor<T>,
            netuid: NetUid,
            subnet_name: Vec<u8>,
            github_repo: Vec<u8>,
            subnet_contact: Vec<u8>,
            subnet_url: Vec<u8>,
            discord: Vec<u8>,
            description: Vec<u8>,
            logo_url: Vec<u8>,
            additional: Vec<u8>,
        ) -> DispatchResult {
            let identity = SubnetIdentityV3 {
                subnet_name,
                github_repo,
                subnet_contact,
                subnet_url,
                discord,
                description,
                logo_url,
                additional,
            };
            Self::do_set_subnet_identity(origin, netuid, identity)
        }

        /// Gives a hotkey that nobody owns to the signing coldkey.
        #[pallet::call_index(91)]
        #[pallet::weight(Pallet::<T>::stake_weight())]
        pub fn try_associate_hotkey(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
            Self::do_try_associate_hotkey(origin, hotkey)
        }

        /// Sets weights on several subnets; what fails does not stop the others.
        #[pallet::call_index(80)]
        #[pallet::weight((Pallet::<T>::weights_weight(1).saturating_mul(netuids.len() as u64).saturating_add(Pallet::<T>::weights_weight(weights.iter().map(Vec::len).sum())), DispatchClass::Normal, Pays::No))]
        pub fn batch_set_weights(
            origin: OriginFor<T>,
            netuids: Vec<Compact<NetUid>>,
            weights: Vec<Vec<(Compact<u16>, Compact<u16>)>>,
            version_keys: Vec<Compact<u64>>,
        ) -> DispatchResult {
            Self::do_batch_set_weights(origin, netuids, weights, version_keys)
        }

        /// Commits to weights on several subnets; what fails does not stop the others.
        #[pallet::call_index(100)]
        #[pallet::weight((Pallet::<T>::commit_weight().saturating_mul(netuids.len() as u64), DispatchClass::Normal, Pays::No))]
        pub fn batch_commit_weights(
            origin: OriginFor<T>,
            netuids: Vec<Compact<NetUid>>,
            commit_hashes: Vec<H256>,
        ) -> DispatchResult {
            Self::do_batch_commit_weights(origin, netuids, commit_hashes)
        }

        /// Reveals several commits on one subnet: all or none.
        #[pallet::call_index(98)]
        #[pallet::weight((Pallet::<T>::weights_weight(1).saturating_mul(uids_list.len() as u64).saturating_add(Pallet::<T>::weights_weight(uids_list.iter().chain(values_list).chain(salts_list).map(Vec::len).sum())), DispatchClass::Normal, Pays::No))]
        pub fn batch_reveal_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            uids_list: Vec<Vec<u16>>,
            values_list: Vec<Vec<u16>>,
            salts_list: Vec<Vec<u16>>,
            version_keys: Vec<u64>,
        ) -> DispatchResult {
            Self::do_batch_reveal_weights(origin, netuid, uids_list, values_list, salts_list, version_keys)
        }

        /// Commits to weights of one mechanism until a round of the beacon, in the version that is taken.
        #[pallet::call_index(117)]
        #[pallet::weight((Pallet::<T>::weights_weight(commit.len()), DispatchClass::Normal, Pays::No))]
        pub fn commit_crv3_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            commit: SealedWeights,
            reveal_round: u64,
        ) -> DispatchResult {
            let version = CommitRevealWeightsVersion::<T>::get();
            Self::do_commit_timelocked_weights(origin, netuid, mecid, commit, reveal_round, version)
        }

        /// Sets the blocks between two epochs. By the subnet's owner.
        #[pallet::call_index(139)]
        #[pallet::weight(Pallet::<T>::start_weight())]
        pub fn set_tempo(origin: OriginFor<T>, netuid: NetUid, tempo: u16) -> DispatchResult {
            Self::do_set_tempo(origin, netuid, tempo)
        }

        // ---- Stake, with and without a limit on the price. ----

        /// Stakes TAO unless that would raise the price above `limit_price` rao; with `allow_partial`, as much as does
        /// not.
        #[pallet::call_index(88)]
        #[pallet::weight(Pallet::<T>::stake_weight())]
        pub fn add_stake_limit(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            amount_staked: TaoBalance,
            limit_price: TaoBalance,
            allow_partial: bool,
        ) -> DispatchResult {
            let limit = Some(Limit { price: limit_price, allow_partial });
            Self::do_add_stake(origin, hotkey, netuid, amount_staked, limit)
        }

        /// Takes stake back unless that would lower the price below `limit_price` rao; with `allow_partial`, as much as
        /// does not.
        #[pallet::call_index(89)]
        #[pallet::weight(Pallet::<T>::stake_weight())]
        pub fn remove_stake_limit(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            amount_unstaked: AlphaBalance,
            limit_price: TaoBalance,
            allow_partial: bool,
        ) -> DispatchResult {
            let limit = Some(Limit { price: limit_price, allow_partial });
            Self::do_remove_stake(origin, hotkey, netuid, amount_unstaked, limit)
        }

        /// Takes all of a stake back, unless that would lower the price below the limit, if there is one.
        #[pallet::call_index(103)]
        #[pallet::weight(Pallet::<T>::stake_weight())]
        pub fn remove_stake_full_limit(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            limit_price: Option<TaoBalance>,
        ) -> DispatchResult {
            Self::do_remove_stake_full(origin, hotkey, netuid, limit_price)
        }

        /// Takes all stake on a hotkey back, from every subnet and from root.
        #[pallet::call_index(83)]
        #[pallet::weight(Pallet::<T>::stake_everywhere_weight())]
        pub fn unstake_all(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
            Self::do_unstake_all(origin, hotkey)
        }

        /// Moves all stake on a hotkey from every subnet to root.
        #[pallet::call_index(84)]
        #[pallet::weight(Pallet::<T>::stake_everywhere_weight())]
        pub fn unstake_all_alpha(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
            Self::do_unstake_all_alpha(origin, hotkey)
        }

        /// Moves stake to another hotkey, another subnet or both.
        #[pallet::call_index(85)]
        #[pallet::weight(Pallet::<T>::move_weight())]
        pub fn move_stake(
            origin: OriginFor<T>,
            origin_hotkey: T::AccountId,
            destination_hotkey: T::AccountId,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
        ) -> DispatchResult {
            Self::do_move_stake(
                origin,
                origin_hotkey,
                destination_hotkey,
                origin_netuid,
                destination_netuid,
                alpha_amount,
                None,
            )
        }

        /// Gives stake to another coldkey, where `TransferToggle` allows it.
        #[pallet::call_index(86)]
        #[pallet::weight(Pallet::<T>::move_weight())]
        pub fn transfer_stake(
            origin: OriginFor<T>,
            destination_coldkey: T::AccountId,
            hotkey: T::AccountId,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
        ) -> DispatchResult {
            Self::do_transfer_stake(
                origin,
                destination_coldkey,
                hotkey.clone(),
                hotkey,
                origin_netuid,
                destination_netuid,
                alpha_amount,
            )
        }

        /// Moves stake to another subnet.
        #[pallet::call_index(87)]
        #[pallet::weight(Pallet::<T>::move_weight())]
        pub fn swap_stake(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
        ) -> DispatchResult {
            Self::do_swap_stake(origin, hotkey, origin_netuid, destination_netuid, alpha_amount, None)
        }

        /// Moves stake to another subnet unless afterwards one alpha of the origin would be worth less than
        /// `limit_price` billionths of the destination's; with `allow_partial`, as much as leaves it at that.
        #[pallet::call_index(90)]
        #[pallet::weight(Pallet::<T>::move_weight())]
        pub fn swap_stake_limit(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
            limit_price: TaoBalance,
            allow_partial: bool,
        ) -> DispatchResult {
            let limit = Some(Limit { price: limit_price, allow_partial });
            Self::do_swap_stake(origin, hotkey, origin_netuid, destination_netuid, alpha_amount, limit)
        }

        /// Destroys stake of the signing coldkey; the subnet may emit it again.
        #[pallet::call_index(101)]
        #[pallet::weight(Pallet::<T>::stake_weight())]
        pub fn recycle_alpha(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            amount: AlphaBalance,
            netuid: NetUid,
        ) -> DispatchResult {
            Self::do_recycle_alpha(origin, hotkey, amount, netuid)
        }

        /// Destroys stake of the signing coldkey for ever.
        #[pallet::call_index(102)]
        #[pallet::weight(Pallet::<T>::stake_weight())]
        pub fn burn_alpha(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            amount: AlphaBalance,
            netuid: NetUid,
        ) -> DispatchResult {
            Self::do_burn_alpha(origin, hotkey, amount, netuid)
        }

        /// Buys alpha for TAO and destroys it; with a limit, not if the price would rise past it.
        #[pallet::call_index(132)]
        #[pallet::weight(Pallet::<T>::stake_weight())]
        pub fn add_stake_burn(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            amount: TaoBalance,
            limit: Option<TaoBalance>,
        ) -> DispatchResult {
            Self::do_add_stake_burn(origin, hotkey, netuid, amount, limit)
        }

        /// Calls for an epoch out of turn. By the subnet's owner, where weights are not committed first.
        #[pallet::call_index(141)]
        #[pallet::weight(Pallet::<T>::start_weight())]
        pub fn trigger_epoch(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
            Self::do_trigger_epoch(origin, netuid)
        }

        // ---- What later versions of Bittensor's chain have. ----

        /// Moves stake like `move_stake`; to another subnet within a limit on the relative price, as `swap_stake_limit`. The
        /// largest amount there is stands for all of it.
        #[pallet::call_index(149)]
        #[pallet::weight(Pallet::<T>::move_weight())]
        pub fn move_stake_limit(
            origin: OriginFor<T>,
            origin_hotkey: T::AccountId,
            destination_hotkey: T::AccountId,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
            limit_price: TaoBalance,
            allow_partial: bool,
        ) -> DispatchResult {
            let amount = Self::all_or(&origin, &origin_hotkey, origin_netuid, alpha_amount);
            let limit = Some(Limit { price: limit_price, allow_partial });
            Self::do_move_stake(
                origin,
                origin_hotkey,
                destination_hotkey,
                origin_netuid,
                destination_netuid,
                amount,
                limit,
            )
        }

        /// Gives stake to another coldkey and another hotkey at once. The largest amount there is stands for all of it.
        #[pallet::call_index(143)]
        #[pallet::weight(Pallet::<T>::move_weight())]
        pub fn transfer_stake_and_hotkey(
            origin: OriginFor<T>,
            destination_coldkey: T::AccountId,
            origin_hotkey: T::AccountId,
            destination_hotkey: T::AccountId,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
        ) -> DispatchResult {
            let amount = Self::all_or(&origin, &origin_hotkey, origin_netuid, alpha_amount);
            Self::do_transfer_stake(
                origin,
                destination_coldkey,
                origin_hotkey,
                destination_hotkey,
                origin_netuid,
                destination_netuid,
                amount,
            )
        }
    }
}
