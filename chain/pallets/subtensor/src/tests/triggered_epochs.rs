use super::*;
use crate::{AdminFreezeWindow, Error, LastEpochBlock, PendingEpochAt, SubnetEpochIndex, Tempo};
use frame_support::assert_noop;

fn trigger(n: u8) -> DispatchResult {
    SubtensorModule::trigger_epoch(signed(cold(n)), NET)
}

fn now() -> u64 {
    System::block_number().into()
}

#[test]
fn an_epoch_comes_when_hyperparameters_have_stood_still_and_the_clock_goes_on_from_it() {
    with_subnet(|| {
        commit_reveal(false);
        ok(AdminUtils::sudo_set_admin_freeze_window(RuntimeOrigin::root(), 3));
        pass(1);
        let (epochs, at) = (SubnetEpochIndex::<Test>::get(NET), now() + 3);
        ok(trigger(OWNER));
        assert_eq!(events().last(), Some(&Event::EpochTriggered { netuid: NET, by: cold(OWNER), fires_at: at }));
        assert_eq!(SubtensorModule::next_epoch_start_block(NET), Some(at));
        assert_noop!(trigger(OWNER), Error::<Test>::EpochTriggerAlreadyPending);
        pass(1);
        let frozen = AdminUtils::sudo_set_rho(signed(cold(OWNER)), NET, 1);
        assert_eq!(frozen, Err(Error::<Test>::AdminActionProhibitedDuringWeightsWindow.into()));
        pass(1);
        assert_eq!(SubnetEpochIndex::<Test>::get(NET), epochs);
        pass(1);
        assert_eq!((SubnetEpochIndex::<Test>::get(NET), LastEpochBlock::<Test>::get(NET)), (epochs + 1, at));
        assert_eq!(PendingEpochAt::<Test>::get(NET), 0);
        assert_eq!(SubtensorModule::next_epoch_start_block(NET), Some(at + u64::from(TEMPO)));
    });
}

#[test]
fn without_a_window_it_comes_in_the_next_block() {
    with_subnet(|| {
        commit_reveal(false);
        assert_eq!(AdminFreezeWindow::<Test>::get(), 0);
        let epochs = SubnetEpochIndex::<Test>::get(NET);
        ok(trigger(OWNER));
        pass(1);
        assert_eq!(SubnetEpochIndex::<Test>::get(NET), epochs + 1);
    });
}

#[test]
fn it_is_refused_where_it_would_do_harm_or_nothing() {
    with_subnet(|| {
        assert_noop!(trigger(OWNER), Error::<Test>::DynamicTempoBlockedByCommitReveal);
        commit_reveal(false);
        assert_noop!(trigger(1), sp_runtime::DispatchError::BadOrigin);
        assert_noop!(SubtensorModule::trigger_epoch(signed(cold(OWNER)), NetUid(9)), Error::<Test>::SubnetNotExists);
        ok(AdminUtils::sudo_set_admin_freeze_window(RuntimeOrigin::root(), 3));
        let next = SubtensorModule::next_epoch_start_block(NET).unwrap();
        pass(u32::try_from(next - now() - 2).unwrap());
        assert_noop!(trigger(OWNER), Error::<Test>::AutoEpochAlreadyImminent);
        Tempo::<Test>::insert(NET, 0);
        assert_noop!(trigger(OWNER), Error::<Test>::TempoOutOfBounds);
    });
}

#[test]
fn hyperparameters_stand_still_from_the_call_on() {
    with_subnet(|| {
        commit_reveal(false);
        ok(AdminUtils::sudo_set_admin_freeze_window(RuntimeOrigin::root(), 3));
        ok(AdminUtils::sudo_set_rho(signed(cold(OWNER)), NET, 1));
        ok(trigger(OWNER));
        let frozen = || AdminUtils::sudo_set_rho(signed(cold(OWNER)), NET, 2);
        assert_noop!(frozen(), Error::<Test>::AdminActionProhibitedDuringWeightsWindow);
        ok(AdminUtils::sudo_set_kappa(RuntimeOrigin::root(), NET, 1));
    });
}

#[test]
fn a_shorter_tempo_does_not_bring_an_epoch_at_once() {
    with_subnet(|| {
        pass(u32::from(TEMPO) - 1);
        let epochs = SubnetEpochIndex::<Test>::get(NET);
        ok(AdminUtils::sudo_set_tempo(RuntimeOrigin::root(), NET, 4));
        assert_eq!(SubtensorModule::next_epoch_start_block(NET), Some(now() + 4));
        pass(3);
        assert_eq!(SubnetEpochIndex::<Test>::get(NET), epochs);
        pass(1);
        assert_eq!(SubnetEpochIndex::<Test>::get(NET), epochs + 1);
    });
}
