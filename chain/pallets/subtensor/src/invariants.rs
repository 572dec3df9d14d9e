//! What must hold between any two calls, as one function: tests run it after every step, and an operator can run it over
//! a chain's state.

use crate::{
    Active, Alpha, AlphaBalance, Config, Consensus, Dividends, Emission, Incentive, IsNetworkMember, Keys, LastUpdate,
    MaxAllowedUids, NetUid, NetUidStorageIndex, NetworksAdded, Pallet, PendingOwnerCut, PendingServerEmission,
    PendingValidatorEmission, StakeWeight, SubnetTAO, SubnetworkN, TaoBalance, TotalHotkeyAlpha, TotalHotkeyShares,
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

    /// Every rao outside free balances is stake or pending, subnet by subnet.
    fn check_money() -> Result<(), &'static str> {
        let mut owed: BTreeMap<NetUid, TaoBalance> = BTreeMap::new();
        let stakes = TotalHotkeyAlpha::<T>::iter().map(|(_, netuid, alpha)| (netuid, alpha));
        let pending = PendingServerEmission::<T>::iter()
            .chain(PendingValidatorEmission::<T>::iter())
            .chain(PendingOwnerCut::<T>::iter());
        for (netuid, amount) in stakes.chain(pending) {
            let sum = owed.entry(netuid).or_default();
            *sum = sum.checked_add(amount).ok_or("a subnet owes more than fits")?;
        }
        let mut total: TaoBalance = 0;
        for (netuid, backing) in SubnetTAO::<T>::iter() {
            let due = owed.remove(&netuid).unwrap_or_default();
            ensure!(backing == due, "SubnetTAO is not what the subnet's stakers and pending emission add up to");
            total = total.checked_add(backing).ok_or("all subnets together hold more than fits")?;
        }
        ensure!(owed.values().all(|due| *due == 0), "a subnet owes stake without SubnetTAO");
        ensure!(TotalStake::<T>::get() == total, "TotalStake is not the sum of SubnetTAO");
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
