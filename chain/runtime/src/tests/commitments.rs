//! What commitments ask of the rest of the chain.

use frame_support::assert_noop;
use pallet_commitments::{CommitmentInfo, CommitmentOf, Data, Error, MIN_SPACE_BYTES};
use pallet_subtensor::{BeaconSignatures, Bonds, BondsResetOn, NetUid, NetUidStorageIndex, OnDissolved};
use pallet_subtensor::{SubnetEpochIndex, Uids};
use sp_runtime::DispatchResult;

use super::chain;
use crate::{AccountId, Commitments, Runtime, RuntimeOrigin};

const NET: NetUid = NetUid(1);
const UID: u16 = 3;

fn hotkey() -> AccountId {
    AccountId::new([8; 32])
}

/// A chain with one hotkey on a subnet.
fn with_hotkey(test: impl FnOnce()) {
    chain().execute_with(|| {
        Uids::<Runtime>::insert(NET, hotkey(), UID);
        test();
    });
}

fn post(fields: Vec<Data>) -> DispatchResult {
    let info = Box::new(CommitmentInfo { fields: fields.try_into().expect("few fields") });
    Commitments::set_commitment(RuntimeOrigin::signed(hotkey()), NET.0, info)
}

#[test]
fn space_is_handed_out_anew_with_the_subnets_epoch() {
    with_hotkey(|| {
        let posts = pallet_commitments::DEFAULT_MAX_SPACE_BYTES as u64 / MIN_SPACE_BYTES;
        for _ in 0..posts {
            assert_eq!(post(vec![]), Ok(()));
        }
        assert_noop!(post(vec![]), Error::<Runtime>::SpaceLimitExceeded);
        SubnetEpochIndex::<Runtime>::insert(NET, 1);
        assert_eq!(post(vec![]), Ok(()));
    });
}

#[test]
fn bonds_are_reset_where_the_subnet_allows_it() {
    with_hotkey(|| {
        let (index, validator) = (NetUidStorageIndex::from(NET), 0);
        Bonds::<Runtime>::insert(index, validator, vec![(UID, 7), (4, 9)]);
        assert_eq!(post(vec![Data::ResetBondsFlag]), Ok(()));
        assert_eq!(Bonds::<Runtime>::get(index, validator), [(UID, 7), (4, 9)]);
        BondsResetOn::<Runtime>::insert(NET, true);
        assert_eq!(post(vec![Data::ResetBondsFlag]), Ok(()));
        assert_eq!(Bonds::<Runtime>::get(index, validator), [(4, 9)]);
    });
}

#[test]
fn what_was_posted_goes_with_the_subnet() {
    with_hotkey(|| {
        assert_eq!(post(vec![]), Ok(()));
        assert!(CommitmentOf::<Runtime>::contains_key(NET.0, hotkey()));
        <Runtime as OnDissolved>::dissolved(NetUid(2));
        assert!(CommitmentOf::<Runtime>::contains_key(NET.0, hotkey()), "another one's");
        <Runtime as OnDissolved>::dissolved(NET);
        assert!(!CommitmentOf::<Runtime>::contains_key(NET.0, hotkey()));
    });
}

#[test]
fn time_locks_are_opened_with_the_chains_own_pulses() {
    chain().execute_with(|| {
        assert_eq!(<Runtime as BeaconSignatures>::signature(1_000), None);
        let signature = vec![5; 48].try_into().expect("as long as signatures are");
        let randomness = vec![6; 32].try_into().expect("as long as randomness is");
        pallet_drand::Pulses::<Runtime>::insert(1_000, pallet_drand::Pulse { round: 1_000, randomness, signature });
        assert_eq!(<Runtime as BeaconSignatures>::signature(1_000), Some(vec![5; 48]));
    });
}
