//! Who may post, how much, and what stays, on a chain of this pallet alone.

use frame_support::traits::ConstU32;
use frame_support::{BoundedVec, assert_noop, assert_ok, derive_impl, parameter_types};
use sp_runtime::{BuildStorage, DispatchError};

use crate::*;

type Block = frame_system::mocking::MockBlock<Test>;

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(RuntimeCall, RuntimeEvent, RuntimeError, RuntimeOrigin, RuntimeTask)]
    pub struct Test;
    #[runtime::pallet_index(0)]
    pub type System = frame_system::Pallet<Test>;
    #[runtime::pallet_index(1)]
    pub type Commitments = crate::Pallet<Test>;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

parameter_types! {
    /// The subnet's epoch in the tests.
    static Epoch: u64 = 0;
}

/// One subnet, [`NETUID`], on which [`HOTKEY`] is registered.
pub struct OneSubnet;

impl SubnetInfo<u64> for OneSubnet {
    fn is_registered(netuid: u16, who: &u64) -> bool {
        netuid == NETUID && *who == HOTKEY
    }

    fn epoch_index(_: u16) -> u64 {
        Epoch::get()
    }
}

impl Config for Test {
    type MaxFields = ConstU32<MAX_FIELDS>;
    type Subnets = OneSubnet;
}

const NETUID: u16 = 2;
const HOTKEY: u64 = 7;

fn chain() -> sp_io::TestExternalities {
    let storage = frame_system::GenesisConfig::<Test>::default().build_storage().expect("genesis builds");
    let mut chain = sp_io::TestExternalities::new(storage);
    chain.execute_with(|| {
        Epoch::set(0);
        frame_system::Pallet::<Test>::set_block_number(1);
    });
    chain
}

fn post(who: u64, netuid: u16, fields: Vec<Data>) -> frame_support::dispatch::DispatchResult {
    let fields = BoundedVec::try_from(fields).expect("at most three fields");
    let origin = frame_system::RawOrigin::Signed(who).into();
    Pallet::<Test>::set_commitment(origin, netuid, Box::new(CommitmentInfo { fields }))
}

fn big(bytes: usize) -> Data {
    Data::BigRaw(BoundedVec::try_from(vec![1; bytes]).expect("at most 512 bytes"))
}

#[test]
fn the_latest_post_stays_with_its_block() {
    chain().execute_with(|| {
        assert_ok!(post(HOTKEY, NETUID, vec![big(3)]));
        frame_system::Pallet::<Test>::set_block_number(9);
        assert_ok!(post(HOTKEY, NETUID, vec![Data::Sha256([5; 32]), Data::None]));
        let stored = CommitmentOf::<Test>::get(NETUID, HOTKEY).expect("posted");
        assert_eq!(stored.block, 9);
        assert_eq!(stored.info.fields.to_vec(), vec![Data::Sha256([5; 32]), Data::None]);
        assert_eq!(LastCommitment::<Test>::get(NETUID, HOTKEY), Some(9));
        frame_system::Pallet::<Test>::assert_last_event(
            Event::<Test>::Commitment { netuid: NETUID, who: HOTKEY }.into(),
        );
    });
}

#[test]
fn only_registered_hotkeys_post() {
    chain().execute_with(|| {
        assert_noop!(post(HOTKEY + 1, NETUID, vec![]), Error::<Test>::AccountNotAllowedCommit);
        assert_noop!(post(HOTKEY, NETUID + 1, vec![]), Error::<Test>::AccountNotAllowedCommit);
    });
}

#[test]
fn small_posts_count_as_a_hundred_bytes() {
    chain().execute_with(|| {
        for _ in 0..31 {
            assert_ok!(post(HOTKEY, NETUID, vec![]));
        }
        assert_noop!(post(HOTKEY, NETUID, vec![]), Error::<Test>::SpaceLimitExceeded);
        assert_eq!(UsedSpaceOf::<Test>::get(NETUID, HOTKEY).expect("posted").used_space, 3_100);

        Epoch::set(1);
        assert_ok!(post(HOTKEY, NETUID, vec![]));
        assert_eq!(
            UsedSpaceOf::<Test>::get(NETUID, HOTKEY),
            Some(UsageTracker { last_epoch: 1, used_space: 100 }),
            "a new epoch begins from nothing"
        );
    });
}

#[test]
fn large_posts_count_by_their_bytes() {
    chain().execute_with(|| {
        for _ in 0..2 {
            assert_ok!(post(HOTKEY, NETUID, vec![big(512), big(512), big(512)]));
        }
        // 3,072 of 3,100 bytes are gone, and no post counts for less than 100.
        assert_noop!(post(HOTKEY, NETUID, vec![big(28)]), Error::<Test>::SpaceLimitExceeded);
        assert_ok!(Pallet::<Test>::set_max_space(frame_system::RawOrigin::Root.into(), 3_172));
        assert_ok!(post(HOTKEY, NETUID, vec![big(28)]));
        assert_noop!(
            Pallet::<Test>::set_max_space(frame_system::RawOrigin::Signed(HOTKEY).into(), 9_999),
            DispatchError::BadOrigin
        );
    });
}

#[test]
fn what_this_chain_cannot_open_is_refused() {
    chain().execute_with(|| {
        let sealed = Data::TimelockEncrypted { encrypted: Default::default(), reveal_round: 1 };
        assert_noop!(post(HOTKEY, NETUID, vec![sealed]), Error::<Test>::TimelockNotSupported);
        assert_ok!(post(HOTKEY, NETUID, vec![Data::ResetBondsFlag]));
    });
}

#[test]
fn an_oversized_call_does_not_decode() {
    use codec::{Decode, Encode};
    let four_fields = (0u8, NETUID, vec![Data::None; 4]).encode();
    assert!(Call::<Test>::decode(&mut &four_fields[..]).is_err());
    let three_fields = (0u8, NETUID, vec![Data::None; 3]).encode();
    assert!(Call::<Test>::decode(&mut &three_fields[..]).is_ok());
}
