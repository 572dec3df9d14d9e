//! What a chain that was begun by an earlier version lacks, and gets in the first block of this one.

use crate::{Config, NetUid, NetworksAdded, Pallet, TotalAlphaStaked, TotalHotkeyAlpha, TotalNetworks};
use alloc::collections::BTreeMap;
use frame_support::{traits::Get, weights::Weight};

impl<T: Config> Pallet<T> {
    /// Counts anew what can be counted. Changes nothing where all is there.
    pub(crate) fn catch_up() -> Weight {
        NetworksAdded::<T>::insert(NetUid::ROOT, true);
        let networks = NetworksAdded::<T>::iter_keys().count();
        TotalNetworks::<T>::put(u16::try_from(networks).unwrap_or(u16::MAX));
        let mut staked: BTreeMap<NetUid, u64> = BTreeMap::new();
        let mut read = networks;
        for (_, netuid, alpha) in TotalHotkeyAlpha::<T>::iter() {
            let sum = staked.entry(netuid).or_default();
            *sum = sum.saturating_add(alpha);
            read = read.saturating_add(1);
        }
        for (netuid, sum) in &staked {
            TotalAlphaStaked::<T>::insert(netuid, sum);
        }
        let reads = u64::try_from(read).unwrap_or(u64::MAX);
        T::DbWeight::get().reads_writes(reads, u64::try_from(staked.len()).unwrap_or(u64::MAX).saturating_add(2))
    }
}
