//! Who may post, how much, and what stays, on a chain of this pallet alone.

use frame_support::traits::{ConstU32, Hooks};
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
    /// Whether the beacon has signed [`ROUND`].
    static Signed: bool = false;
    /// Whether the hotkey still holds its place.
    static Registered: bool = true;
    /// Whose bonds were to be reset.
    static Resets: Vec<(u16, u64)> = vec![];
}

/// One subnet, [`NETUID`], on which [`HOTKEY`] is registered.
pub struct OneSubnet;

impl SubnetInfo<u64> for OneSubnet {
    fn is_registered(netuid: u16, who: &u64) -> bool {
        netuid == NETUID && *who == HOTKEY && Registered::get()
    }

    fn epoch_index(_: u16) -> u64 {
        Epoch::get()
    }

    fn reset_bonds(netuid: u16, who: &u64) {
        Resets::mutate(|resets| resets.push((netuid, *who)));
    }
}

/// drand's quicknet: its key, and its signature of round 1000. Both are public records.
const KEY: &str = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";
const SIGNATURE: &str =
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";
const ROUND: u64 = 1_000;

/// A beacon that signs one round.
pub struct OneRound;

impl BeaconSignatures for OneRound {
    fn signature(round: u64) -> Option<Vec<u8>> {
        (round == ROUND && Signed::get()).then(|| hex::decode(SIGNATURE).expect("hex"))
    }
}

impl Config for Test {
    type MaxFields = ConstU32<MAX_FIELDS>;
    type Subnets = OneSubnet;
    type Beacon = OneRound;
}

const NETUID: u16 = 2;
const HOTKEY: u64 = 7;

fn chain() -> sp_io::TestExternalities {
    let storage = frame_system::GenesisConfig::<Test>::default().build_storage().expect("genesis builds");
    let mut chain = sp_io::TestExternalities::new(storage);
    chain.execute_with(|| {
        Epoch::set(0);
        Signed::set(false);
        Registered::set(true);
        Resets::set(vec![]);
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

/// A field that [`ROUND`] opens to `message`.
fn sealed(message: &[u8]) -> Data {
    let key = hex::decode(KEY).expect("hex").try_into().expect("a key's length");
    let randomness = timelock::Randomness { key: [1; 32], sigma: [2; 32], nonce: [3; 12] };
    let sealed = timelock::seal(&key, ROUND, message, &randomness).expect("seals");
    Data::TimelockEncrypted { encrypted: sealed.try_into().expect("within the bound"), reveal_round: ROUND }
}

/// The next block begins.
fn pass() {
    let next = frame_system::Pallet::<Test>::block_number() + 1;
    frame_system::Pallet::<Test>::set_block_number(next);
    frame_system::Pallet::<Test>::reset_events();
    Commitments::on_initialize(next);
}

fn fields() -> Option<Vec<Data>> {
    CommitmentOf::<Test>::get(NETUID, HOTKEY).map(|post| post.info.fields.to_vec())
}

fn revealed() -> Vec<(Vec<u8>, u64)> {
    RevealedCommitments::<Test>::get(NETUID, HOTKEY).unwrap_or_default()
}

#[test]
fn what_is_locked_opens_with_its_round() {
    chain().execute_with(|| {
        assert_ok!(post(HOTKEY, NETUID, vec![big(3), sealed(b"a prediction")]));
        frame_system::Pallet::<Test>::assert_last_event(
            Event::<Test>::TimelockCommitment { netuid: NETUID, who: HOTKEY, reveal_round: ROUND }.into(),
        );
        pass();
        assert_eq!(fields(), Some(vec![big(3), sealed(b"a prediction")]), "its round has not come");
        assert_eq!(revealed(), []);

        Signed::set(true);
        pass();
        assert_eq!(revealed(), [(b"a prediction".to_vec(), 3)]);
        assert_eq!(fields(), Some(vec![big(3)]));
        assert!(TimelockedIndex::<Test>::get().is_empty());
        frame_system::Pallet::<Test>::assert_last_event(
            Event::<Test>::CommitmentRevealed { netuid: NETUID, who: HOTKEY }.into(),
        );
    });
}

#[test]
fn a_post_that_was_all_locked_is_gone_once_it_opened_and_so_is_what_never_opens() {
    chain().execute_with(|| {
        Signed::set(true);
        assert_ok!(post(HOTKEY, NETUID, vec![sealed(b"one"), sealed(b"two")]));
        pass();
        assert_eq!(revealed(), [(b"one".to_vec(), 2), (b"two".to_vec(), 2)]);
        assert_eq!(fields(), None);

        let garbage =
            Data::TimelockEncrypted { encrypted: vec![7; 99].try_into().expect("short"), reveal_round: ROUND };
        assert_ok!(post(HOTKEY, NETUID, vec![garbage]));
        pass();
        assert_eq!((fields(), revealed().len()), (None, 2));
        assert!(TimelockedIndex::<Test>::get().is_empty());
    });
}

#[test]
fn who_has_lost_the_place_waits_no_more() {
    chain().execute_with(|| {
        assert_ok!(post(HOTKEY, NETUID, vec![sealed(b"too late")]));
        pass();
        assert_eq!(TimelockedIndex::<Test>::get().len(), 1);
        Registered::set(false);
        pass();
        assert!(TimelockedIndex::<Test>::get().is_empty());
        Signed::set(true);
        pass();
        assert_eq!(revealed(), []);
    });
}

#[test]
fn only_the_latest_ten_are_kept() {
    chain().execute_with(|| {
        Signed::set(true);
        for n in 0..12u8 {
            assert_ok!(post(HOTKEY, NETUID, vec![sealed(&[n])]));
            pass();
        }
        let kept: Vec<u8> = revealed().iter().map(|(message, _)| message[0]).collect();
        assert_eq!(kept, (2..12).collect::<Vec<_>>());
    });
}

#[test]
fn nothing_is_left_of_a_subnet_that_is_no_more() {
    chain().execute_with(|| {
        Signed::set(true);
        assert_ok!(post(HOTKEY, NETUID, vec![sealed(b"opened"), Data::ResetBondsFlag]));
        pass();
        Signed::set(false);
        assert_ok!(post(HOTKEY, NETUID, vec![big(1), sealed(b"never opened")]));
        assert!(fields().is_some() && !revealed().is_empty() && TimelockedIndex::<Test>::get().len() == 1);
        Commitments::purge(NETUID + 1);
        assert!(fields().is_some() && TimelockedIndex::<Test>::get().len() == 1, "another's stays");

        Commitments::purge(NETUID);
        assert!(fields().is_none() && revealed().is_empty() && TimelockedIndex::<Test>::get().is_empty());
        assert_eq!(LastCommitment::<Test>::get(NETUID, HOTKEY), None);
        assert_eq!(LastBondsReset::<Test>::get(NETUID, HOTKEY), None);
        assert_eq!(UsedSpaceOf::<Test>::get(NETUID, HOTKEY), None);
    });
}

#[test]
fn a_later_post_without_a_lock_takes_the_earlier_with_it() {
    chain().execute_with(|| {
        assert_ok!(post(HOTKEY, NETUID, vec![sealed(b"never mind")]));
        assert_ok!(post(HOTKEY, NETUID, vec![big(1)]));
        assert!(TimelockedIndex::<Test>::get().is_empty());
        Signed::set(true);
        pass();
        assert_eq!((fields(), revealed()), (Some(vec![big(1)]), vec![]));
    });
}

#[test]
fn a_flag_asks_for_bonds_to_be_reset() {
    chain().execute_with(|| {
        assert_ok!(post(HOTKEY, NETUID, vec![big(1)]));
        assert_eq!((Resets::get(), LastBondsReset::<Test>::get(NETUID, HOTKEY)), (vec![], None));
        assert_ok!(post(HOTKEY, NETUID, vec![big(1), Data::ResetBondsFlag]));
        assert_eq!((Resets::get(), LastBondsReset::<Test>::get(NETUID, HOTKEY)), (vec![(NETUID, HOTKEY)], Some(1)));
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
