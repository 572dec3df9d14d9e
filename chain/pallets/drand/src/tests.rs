//! Rounds, retention and who may write, on a chain of this pallet alone.

use frame_support::inherent::ProvideInherent;
use frame_support::traits::Time;
use frame_support::{BoundedVec, assert_noop, assert_ok, derive_impl, parameter_types};
use sp_inherents::InherentData;
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
    pub type Drand = crate::Pallet<Test>;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

parameter_types! {
    /// The clock of the tests, in milliseconds.
    static NowMillis: u64 = 0;
}

/// Reads [`NowMillis`].
pub struct TestClock;

impl Time for TestClock {
    type Moment = u64;
    fn now() -> u64 {
        NowMillis::get()
    }
}

impl Config for Test {
    type Time = TestClock;
}

const ROUND_MILLIS: u64 = 250;
const GENESIS_SECS: u32 = 1_000;

fn chain() -> sp_io::TestExternalities {
    let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().expect("genesis builds");
    GenesisConfig::<Test> {
        public_key: vec![7; 96],
        genesis_time: GENESIS_SECS,
        round_millis: ROUND_MILLIS,
        hash: vec![1; 32],
        group_hash: vec![2; 32],
        beacon_id: b"narrows".to_vec(),
        ..Default::default()
    }
    .assimilate_storage(&mut storage)
    .expect("genesis builds");
    let mut chain = sp_io::TestExternalities::new(storage);
    chain.execute_with(|| frame_system::Pallet::<Test>::set_block_number(1));
    chain
}

fn pulse(round: u64) -> Pulse {
    Pulse { round, ..Default::default() }
}

fn write(rounds: impl IntoIterator<Item = u64>) -> frame_support::dispatch::DispatchResult {
    let pulses: Vec<_> = rounds.into_iter().map(pulse).collect();
    Pallet::<Test>::write_pulses(
        frame_system::RawOrigin::None.into(),
        BoundedVec::try_from(pulses).expect("within bounds"),
    )
}

/// Stand in the block in which `round` became due.
fn at_round(round: u64) {
    NowMillis::set(u64::from(GENESIS_SECS) * 1_000 + (round - 1) * ROUND_MILLIS);
}

#[test]
fn a_timestamp_has_one_round() {
    assert_eq!(round_at(10, 250, 9_999), 0, "before genesis");
    assert_eq!(round_at(10, 250, 10_000), 1);
    assert_eq!(round_at(10, 250, 10_249), 1);
    assert_eq!(round_at(10, 250, 10_250), 2);
    assert_eq!(round_at(10, 0, 10_250), 0, "no beacon");
    // drand's quicknet: round 1000 began 999 periods after genesis.
    assert_eq!(round_at(1_692_803_367, 3_000, (1_692_803_367 + 999 * 3) * 1_000), 1_000);
    assert_eq!(round_at(u32::MAX, 1, u64::MAX), u64::MAX - u64::from(u32::MAX) * 1_000 + 1);
}

#[test]
fn genesis_tells_the_beacon_and_hides_a_period_that_drand_cannot_express() {
    chain().execute_with(|| {
        let beacon = BeaconConfig::<Test>::get();
        assert_eq!(beacon.public_key.to_vec(), vec![7; 96]);
        assert_eq!(beacon.genesis_time, GENESIS_SECS);
        assert_eq!(beacon.scheme_id.to_vec(), SCHEME_ID);
        assert_eq!(beacon.period, 0);
        assert_eq!(RoundMillis::<Test>::get(), 250);
    });
    assert_eq!(types::whole_seconds(12_000), 12);
    assert_eq!(types::whole_seconds(1_500), 0);
    assert_eq!(types::whole_seconds(u64::MAX - u64::MAX % 1_000), 0);
}

#[test]
fn pulses_are_stored_in_order_and_only_when_due() {
    chain().execute_with(|| {
        at_round(2);
        assert_noop!(write([1, 2, 3]), Error::<Test>::RoundInTheFuture);
        assert_ok!(write([1, 2]));
        assert_noop!(write([2]), Error::<Test>::InvalidRoundNumber);
        at_round(3);
        assert_noop!(write([3, 3]), Error::<Test>::InvalidRoundNumber);
        assert_ok!(write([3]));
        assert_eq!(Pulses::<Test>::get(3), Some(pulse(3)));
        assert_eq!((OldestStoredRound::<Test>::get(), LastStoredRound::<Test>::get()), (1, 3));
        frame_system::Pallet::<Test>::assert_last_event(Event::<Test>::NewPulse { rounds: vec![3] }.into());
    });
}

#[test]
fn nobody_but_the_author_writes() {
    chain().execute_with(|| {
        at_round(1);
        let pulses = BoundedVec::try_from(vec![pulse(1)]).expect("one fits");
        let signed = frame_system::RawOrigin::Signed(1).into();
        assert_noop!(Pallet::<Test>::write_pulses(signed, pulses), DispatchError::BadOrigin);
    });
}

#[test]
fn old_rounds_are_forgotten() {
    chain().execute_with(|| {
        let last = MAX_KEPT_PULSES + 300;
        at_round(last);
        let rounds: Vec<u64> = (1..=last).collect();
        for due in rounds.chunks(MAX_PULSES_PER_BLOCK as usize) {
            assert_ok!(write(due.iter().copied()));
        }
        assert_eq!(OldestStoredRound::<Test>::get(), last - MAX_KEPT_PULSES + 1);
        assert_eq!(Pulses::<Test>::iter().count() as u64, MAX_KEPT_PULSES);
        assert!(Pulses::<Test>::get(300).is_none());
        assert!(Pulses::<Test>::get(301).is_some());

        let root: <Test as frame_system::Config>::RuntimeOrigin = frame_system::RawOrigin::Root.into();
        assert_ok!(Pallet::<Test>::set_oldest_stored_round(root.clone(), last));
        assert_eq!(Pulses::<Test>::iter().count(), 1);
        assert_noop!(Pallet::<Test>::set_oldest_stored_round(root, last + 1), Error::<Test>::InvalidRoundNumber);
    });
}

#[test]
fn the_inherent_carries_what_the_author_hands_over() {
    let mut data = InherentData::new();
    assert!(Pallet::<Test>::create_inherent(&data).is_none(), "no pulses, no inherent");
    let due = PulseInherent::try_from(vec![pulse(1), pulse(2)]).expect("two fit");
    data.put_data(INHERENT_IDENTIFIER, &due).expect("fresh identifier");
    let call = Pallet::<Test>::create_inherent(&data).expect("pulses are due");
    assert!(Pallet::<Test>::is_inherent(&call));
    assert_eq!(call, Call::write_pulses { pulses: due });
}
