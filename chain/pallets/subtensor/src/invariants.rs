//! What must hold between any two calls, as one function: tests run it after every step, and an operator can run it over
//! a chain's state.

use crate::{
    Active, Alpha, AlphaBalance, Config, Consensus, Dividends, Emission, Incentive, IsNetworkMember, Keys, LastUpdate,
    MaxAllowedUids, NetUid, NetUidStorageIndex, NetworksAdded, Pallet, PendingOwnerCut, PendingRootAlphaDivs,
    PendingServerEmission, PendingValidatorEmission, StakeWeight, SubnetAlphaBurned, SubnetAlphaIn, SubnetAlphaOut,
    SubnetProtocolAlpha, SubnetTAO, SubnetworkN, TaoBalance, TotalAlphaStaked, TotalHotkeyAlpha, TotalHotkeyShares,
    TotalNetworks, TotalStake, U64F64, Uids, ValidatorPermit, ValidatorTrust, Weights, defaults,
};
use alloc::collections::BTreeMap;
use frame_support::ensure;

impl<T: Config> Pallet<T> {
    /// Checks that money adds up and that neurons are numbered without gaps. Reads all of storage: not for a block.
    ///
    /// # Errors
    ///
    /// The first invariant that does not hold, in words.
    pub fn check_invariants() -> Result<(), &'static str> {
        Self::check_money()?;
        Self::check_shares()?;
        let subnets = NetworksAdded::<T>::iter_keys().count();
        ensure!(usize::from(TotalNetworks::<T>::get()) == subnets, "TotalNetworks is not the number of subnets");
        Self::check_children()?;
        NetworksAdded::<T>::iter_keys().try_for_each(Self::check_mechanisms)?;
        NetworksAdded::<T>::iter_keys().try_for_each(Self::check_neurons)
    }

    /// All alpha that a subnet issued is somebody's stake, pending, or burned; and where it is TAO one to one, TAO backs
    /// all of it. All TAO outside free balances is in a subnet.
    fn check_money() -> Result<(), &'static str> {
        let mut held: BTreeMap<NetUid, AlphaBalance> = BTreeMap::new();
        let stakes = TotalHotkeyAlpha::<T>::iter().map(|(_, netuid, alpha)| (netuid, alpha));
        let others = PendingServerEmission::<T>::iter()
            .chain(PendingValidatorEmission::<T>::iter())
            .chain(PendingOwnerCut::<T>::iter())
            .chain(PendingRootAlphaDivs::<T>::iter())
            .chain(SubnetAlphaBurned::<T>::iter())
            .chain(SubnetProtocolAlpha::<T>::iter());
        for (netuid, amount) in stakes.chain(others) {
            let sum = held.entry(netuid).or_default();
            *sum = sum.checked_add(amount).ok_or("a subnet's alpha does not fit")?;
        }
        let mut staked: BTreeMap<NetUid, AlphaBalance> = BTreeMap::new();
        for (_, netuid, alpha) in TotalHotkeyAlpha::<T>::iter() {
            let sum = staked.entry(netuid).or_default();
            *sum = sum.saturating_add(alpha);
        }
        ensure!(
            TotalAlphaStaked::<T>::iter().all(|(netuid, sum)| staked.remove(&netuid).unwrap_or_default() == sum)
                && staked.values().all(|alpha| *alpha == 0),
            "TotalAlphaStaked is not the sum of TotalHotkeyAlpha"
        );
        for (netuid, issued) in SubnetAlphaOut::<T>::iter() {
            let sum = held.remove(&netuid).unwrap_or_default();
            ensure!(issued == sum, "SubnetAlphaOut is not what is staked, pending, burned and the protocol's");
        }
        ensure!(held.values().all(|alpha| *alpha == 0), "a subnet holds alpha that was not issued");
        let mut total: TaoBalance = 0;
        for (netuid, tao) in SubnetTAO::<T>::iter() {
            let backs_all = Self::is_dynamic(netuid) || tao == SubnetAlphaOut::<T>::get(netuid);
            ensure!(backs_all, "alpha that is TAO one to one is not backed by it");
            total = total.checked_add(tao).ok_or("all subnets together hold more than fits")?;
        }
        ensure!(TotalStake::<T>::get() == total, "TotalStake is not the sum of SubnetTAO");
        ensure!(
            SubnetAlphaIn::<T>::iter().all(|(netuid, alpha)| alpha == 0 || Self::is_dynamic(netuid)),
            "a pool without a price"
        );
        Ok(())
    }

    /// Coldkeys hold exactly the shares there are, and nobody can take out more than is in.
    fn check_shares() -> Result<(), &'static str> {
        let mut held: BTreeMap<(T::AccountId, NetUid), (u128, AlphaBalance)> = BTreeMap::new();
        for ((hotkey, coldkey, netuid), shares) in Alpha::<T>::iter() {
            let worth = Self::stake_of(&hotkey, &coldkey, netuid);
            let (bits, value) = held.entry((hotkey, netuid)).or_default();
            *bits = bits.checked_add(shares.bits).ok_or("shares of a pool do not fit")?;
            *value = value.checked_add(worth).ok_or("stakes of a pool do not fit")?;
        }
        for (hotkey, netuid, shares) in TotalHotkeyShares::<T>::iter() {
            let alpha = TotalHotkeyAlpha::<T>::get(&hotkey, netuid);
            let (bits, value) = held.remove(&(hotkey, netuid)).unwrap_or_default();
            ensure!(shares == U64F64 { bits }, "TotalHotkeyShares is not the sum of Alpha");
            ensure!(value <= alpha, "shares are worth more than TotalHotkeyAlpha");
        }
        ensure!(held.is_empty(), "Alpha holds shares of no pool");
        ensure!(
            TotalHotkeyAlpha::<T>::iter()
                .all(|(hotkey, netuid, _)| TotalHotkeyShares::<T>::get(hotkey, netuid) != U64F64::default()),
            "TotalHotkeyAlpha holds stake without shares"
        );
        Ok(())
    }

    /// Uids are 0 to `SubnetworkN`, each with one hotkey and one element in every vector.
    fn check_neurons(netuid: NetUid) -> Result<(), &'static str> {
        let neurons = SubnetworkN::<T>::get(netuid);
        let count = usize::from(neurons);
        ensure!(neurons <= MaxAllowedUids::<T>::get(netuid).max(1), "more neurons than MaxAllowedUids");
        ensure!(neurons <= defaults::MAX_ALLOWED_UIDS, "more neurons than the chain's weights are made for");
        let index = NetUidStorageIndex::from(netuid);
        let lengths = [
            Active::<T>::get(netuid).len(),
            ValidatorPermit::<T>::get(netuid).len(),
            Emission::<T>::get(netuid).len(),
            Consensus::<T>::get(netuid).len(),
            Dividends::<T>::get(netuid).len(),
            ValidatorTrust::<T>::get(netuid).len(),
            StakeWeight::<T>::get(netuid).len(),
            Incentive::<T>::get(index).len(),
            LastUpdate::<T>::get(index).len(),
            Uids::<T>::iter_prefix(netuid).count(),
            Keys::<T>::iter_prefix(netuid).count(),
        ];
        ensure!(lengths.iter().all(|length| *length == count), "a vector does not have one element per neuron");
        for uid in 0..neurons {
            let hotkey = Keys::<T>::get(netuid, uid);
            ensure!(Uids::<T>::get(netuid, &hotkey) == Some(uid), "Keys and Uids disagree");
            ensure!(IsNetworkMember::<T>::get(&hotkey, netuid), "a neuron is no member of its subnet");
            ensure!(
                Weights::<T>::get(index, uid).iter().all(|(target, _)| *target < neurons),
                "a weight is on a uid that does not exist"
            );
        }
        Ok(())
    }
}
