//! Several settings, commits or reveals of weights in one transaction.

use crate::{Config, Error, Event, MechId, NetUid, Pallet, weights::Row};
use alloc::vec::Vec;
use codec::Compact;
use frame_support::{ensure, pallet_prelude::*, storage::with_storage_layer};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};
use sp_core::H256;

impl<T: Config> Pallet<T> {
    /// Sets weights on several subnets. An item that fails changes nothing and does not stop the others; events tell.
    pub(crate) fn do_batch_set_weights(
        origin: OriginFor<T>,
        netuids: Vec<Compact<NetUid>>,
        rows: Vec<Vec<(Compact<u16>, Compact<u16>)>>,
        version_keys: Vec<Compact<u64>>,
    ) -> DispatchResult {
        let hotkey = ensure_signed(origin.clone())?;
        ensure!(netuids.len() == rows.len() && netuids.len() == version_keys.len(), Error::<T>::InputLengthsUnequal);
        let items = rows.into_iter().zip(version_keys);
        Self::run_batch(hotkey, netuids, items, |netuid, (row, version_key)| {
            let (uids, values) = row.into_iter().map(|(uid, value)| (uid.0, value.0)).unzip();
            Self::do_set_weights(origin.clone(), netuid, MechId::MAIN, uids, values, version_key.0)
        });
        Ok(())
    }

    /// Commits to weights on several subnets, item by item like [`Self::do_batch_set_weights`].
    pub(crate) fn do_batch_commit_weights(
        origin: OriginFor<T>,
        netuids: Vec<Compact<NetUid>>,
        hashes: Vec<H256>,
    ) -> DispatchResult {
        let hotkey = ensure_signed(origin.clone())?;
        ensure!(netuids.len() == hashes.len(), Error::<T>::InputLengthsUnequal);
        Self::run_batch(hotkey, netuids, hashes.into_iter(), |netuid, hash| {
            Self::do_commit_weights(origin.clone(), netuid, MechId::MAIN, hash)
        });
        Ok(())
    }

    fn run_batch<I>(
        hotkey: T::AccountId,
        netuids: Vec<Compact<NetUid>>,
        items: impl Iterator<Item = I>,
        mut run: impl FnMut(NetUid, I) -> DispatchResult,
    ) {
        let mut failed = false;
        for (Compact(netuid), item) in netuids.iter().zip(items) {
            if let Err(error) = with_storage_layer(|| run(*netuid, item)) {
                failed = true;
                Self::deposit_event(Event::BatchWeightItemFailed(*netuid, error));
            }
        }
        if failed {
            Self::deposit_event(Event::BatchCompletedWithErrors());
        }
        Self::deposit_event(Event::BatchWeightsCompleted(netuids, hotkey));
    }

    /// Reveals several commits on one subnet: all of them, or none.
    pub(crate) fn do_batch_reveal_weights(
        origin: OriginFor<T>,
        netuid: NetUid,
        uids: Vec<Vec<u16>>,
        values: Vec<Vec<u16>>,
        salts: Vec<Vec<u16>>,
        version_keys: Vec<u64>,
    ) -> DispatchResult {
        let hotkey = ensure_signed(origin)?;
        let lengths = [values.len(), salts.len(), version_keys.len()];
        ensure!(lengths == [uids.len(); 3], Error::<T>::InputLengthsUnequal);
        let rows = uids.into_iter().zip(values).zip(version_keys);
        let rows = rows.map(|((uids, values), version_key)| Row { uids, values, version_key });
        let hashes = rows.zip(&salts).map(|(row, salt)| Self::reveal(&hotkey, netuid, MechId::MAIN, row, salt));
        let hashes = hashes.collect::<Result<_, _>>()?;
        Self::deposit_event(Event::WeightsBatchRevealed(hotkey, netuid, hashes));
        Ok(())
    }
}
