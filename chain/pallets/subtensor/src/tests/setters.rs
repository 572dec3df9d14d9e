//! Every call of `AdminUtils`, in one table: who may make it, what it stores, and what it refuses.

use super::*;
use crate::{
    ActivityCutoff, AdjustmentAlpha, AdjustmentInterval, AdminFreezeWindow, AlphaSigmoidSteepness, AlphaValues,
    BondsMovingAverage, BondsPenalty, BondsResetOn, BurnHalfLife, BurnIncreaseMult, CKBurn,
    ColdkeySwapAnnouncementDelay, ColdkeySwapReannouncementDelay, CommitRevealWeightsEnabled,
    CommitRevealWeightsVersion, Difficulty, EMAPriceHalvingBlocks, Error, I96F32, ImmuneOwnerUidsLimit, ImmunityPeriod,
    Kappa, LiquidAlphaOn, MaxAllowedUids, MaxAllowedValidators, MaxBurn, MaxDelegateTake, MaxDifficulty,
    MaxEpochsPerBlock, MaxMechanismCount, MaxRegistrationsPerBlock, MechId, MechanismCountCurrent,
    MechanismEmissionSplit, MinAllowedUids, MinAllowedWeights, MinBurn, MinChildkeyTakePerSubnet, MinDelegateTake,
    MinDifficulty, MinNonImmuneUids, NetworkImmunityPeriod, NetworkLockReductionInterval, NetworkMinLockCost,
    NetworkPowRegistrationAllowed, NetworkRateLimit, NetworkRegistrationAllowed, NominatorMinRequiredStake,
    OwnerCutEnabled, OwnerHyperparamRateLimit, RAORecycledForRegistration, RecycleOrBurn, RecycleOrBurnEnum,
    RevealPeriodEpochs, Rho, ServingRateLimit, StakeThreshold, StartCallDelay, SubnetEmissionEnabled, SubnetLimit,
    SubnetMovingAlpha, SubnetOwnerCut, SubtokenEnabled, TargetRegistrationsPerInterval, Tempo, TransferToggle,
    TxDelegateTakeRateLimit, TxRateLimit, U64F64, WeightsSetRateLimit, WeightsVersionKey, Yuma3On, admin,
};
use frame_support::{assert_noop, traits::GetCallName};
use sp_runtime::DispatchError;

/// Who may make a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Root and the subnet's owner.
    Owner,
    /// Root alone.
    Root,
}

/// One call with a value that it takes.
struct Setter {
    name: &'static str,
    who: Who,
    /// Whether it is about one subnet.
    of_a_subnet: bool,
    /// Makes the call about a subnet.
    set: fn(RuntimeOrigin, NetUid) -> DispatchResult,
    /// Whether the value is what is stored.
    is_stored: fn() -> bool,
    /// Makes it with values that it refuses, even from root.
    refused: Vec<fn(RuntimeOrigin, NetUid) -> DispatchResult>,
}

/// Makes a call about the whole chain, or about a subnet.
macro_rules! call {
    ($call:ident chain ($($argument:expr),*)) => {
        |origin, _| AdminUtils::$call(origin, $($argument),*)
    };
    ($call:ident subnet ($($argument:expr),*)) => {
        |origin, netuid| AdminUtils::$call(origin, netuid, $($argument),*)
    };
}

/// `who chain|subnet: call(arguments) stores item => value, refuses (arguments) …`.
macro_rules! setters {
    ($($who:ident $scope:ident: $call:ident($($argument:expr),*) stores $item:expr => $value:expr
        $(, refuses $(($($bad:expr),*))+)?;)*) => {
        vec![$(Setter {
            name: stringify!($call),
            who: Who::$who,
            of_a_subnet: stringify!($scope) == "subnet",
            set: call!($call $scope ($($argument),*)),
            is_stored: || $item == $value,
            refused: vec![$($(call!($call $scope ($($bad),*))),+)?],
        }),*]
    };
}

fn all() -> Vec<Setter> {
    setters! {
        Root chain: sudo_set_default_take(7) stores MaxDelegateTake::<Test>::get() => 7;
        Root chain: sudo_set_tx_rate_limit(7) stores TxRateLimit::<Test>::get() => 7;
        Owner subnet: sudo_set_serving_rate_limit(7) stores ServingRateLimit::<Test>::get(NET) => 7;
        Root subnet: sudo_set_min_difficulty(7) stores MinDifficulty::<Test>::get(NET) => 7;
        Owner subnet: sudo_set_max_difficulty(7) stores MaxDifficulty::<Test>::get(NET) => 7;
        Owner subnet: sudo_set_weights_version_key(7) stores WeightsVersionKey::<Test>::get(NET) => 7;
        Root subnet: sudo_set_weights_set_rate_limit(7) stores WeightsSetRateLimit::<Test>::get(NET) => 7;
        Root subnet: sudo_set_adjustment_interval(7) stores AdjustmentInterval::<Test>::get(NET) => 7;
        Owner subnet: sudo_set_adjustment_alpha(7) stores AdjustmentAlpha::<Test>::get(NET) => 7;
        Owner subnet: sudo_set_immunity_period(7) stores ImmunityPeriod::<Test>::get(NET) => 7;
        Root subnet: sudo_set_min_non_immune_uids(7) stores MinNonImmuneUids::<Test>::get(NET) => 7;
        Root chain: sudo_set_network_immunity_period(7) stores NetworkImmunityPeriod::<Test>::get() => 7;
        Owner subnet: sudo_set_min_allowed_weights(7) stores MinAllowedWeights::<Test>::get(NET) => 7;
        Owner subnet: sudo_trim_to_max_allowed_uids(64) stores MaxAllowedUids::<Test>::get(NET) => 64,
            refuses (63) (257);
        Root subnet: sudo_set_min_allowed_uids(7) stores MinAllowedUids::<Test>::get(NET) => 7, refuses (0) (257);
        Owner subnet: sudo_set_max_allowed_uids(70) stores MaxAllowedUids::<Test>::get(NET) => 70,
            refuses (1) (257);
        Root subnet: sudo_set_kappa(7) stores Kappa::<Test>::get(NET) => 7;
        Owner subnet: sudo_set_rho(7) stores Rho::<Test>::get(NET) => 7;
        Owner subnet: sudo_set_activity_cutoff(400) stores ActivityCutoff::<Test>::get(NET) => 400, refuses (359);
        Root subnet: sudo_set_network_registration_allowed(false)
            stores NetworkRegistrationAllowed::<Test>::get(NET) => false;
        Root subnet: sudo_set_network_pow_registration_allowed(false)
            stores NetworkPowRegistrationAllowed::<Test>::get(NET) => false;
        Root subnet: sudo_set_target_registrations_per_interval(7)
            stores TargetRegistrationsPerInterval::<Test>::get(NET) => 7;
        Owner subnet: sudo_set_min_burn(700_000) stores MinBurn::<Test>::get(NET) => 700_000,
            refuses (RAO_PER_TAO) (u64::MAX);
        Owner subnet: sudo_set_max_burn(7 * RAO_PER_TAO) stores MaxBurn::<Test>::get(NET) => 7 * RAO_PER_TAO,
            refuses (RAO_PER_TAO / 10) (0);
        Root subnet: sudo_set_difficulty(7) stores Difficulty::<Test>::get(NET) => 7;
        Root subnet: sudo_set_max_allowed_validators(7) stores MaxAllowedValidators::<Test>::get(NET) => 7,
            refuses (101);
        Owner subnet: sudo_set_bonds_moving_average(975_000) stores BondsMovingAverage::<Test>::get(NET) => 975_000,
            refuses (1_000_001);
        Owner subnet: sudo_set_bonds_penalty(7) stores BondsPenalty::<Test>::get(NET) => 7;
        Root subnet: sudo_set_max_registrations_per_block(7)
            stores MaxRegistrationsPerBlock::<Test>::get(NET) => 7;
        Root chain: sudo_set_subnet_owner_cut(7) stores SubnetOwnerCut::<Test>::get() => 7;
        Root chain: sudo_set_network_rate_limit(7) stores NetworkRateLimit::<Test>::get() => 7;
        Root subnet: sudo_set_tempo(7) stores Tempo::<Test>::get(NET) => 7, refuses (50_401);
        Root chain: sudo_set_network_min_lock_cost(7) stores NetworkMinLockCost::<Test>::get() => 7;
        Root chain: sudo_set_subnet_limit(7) stores SubnetLimit::<Test>::get() => 7;
        Root chain: sudo_set_lock_reduction_interval(7) stores NetworkLockReductionInterval::<Test>::get() => 7;
        Root subnet: sudo_set_rao_recycled(7) stores RAORecycledForRegistration::<Test>::get(NET) => 7;
        Root chain: sudo_set_stake_threshold(7) stores StakeThreshold::<Test>::get() => 7;
        Root chain: sudo_set_nominator_min_required_stake(7) stores NominatorMinRequiredStake::<Test>::get() => 7;
        Root chain: sudo_set_tx_delegate_take_rate_limit(7) stores TxDelegateTakeRateLimit::<Test>::get() => 7;
        Root chain: sudo_set_min_delegate_take(7) stores MinDelegateTake::<Test>::get() => 7;
        Owner subnet: sudo_set_commit_reveal_weights_enabled(false)
            stores CommitRevealWeightsEnabled::<Test>::get(NET) => false;
        Owner subnet: sudo_set_liquid_alpha_enabled(false) stores LiquidAlphaOn::<Test>::get(NET) => false;
        Owner subnet: sudo_set_alpha_values(20_000, 40_000) stores AlphaValues::<Test>::get(NET) => (20_000, 40_000),
            refuses (20_000, 1_637) (1_637, 40_000) (40_001, 40_000);
        Owner subnet: sudo_set_commit_reveal_weights_interval(7) stores RevealPeriodEpochs::<Test>::get(NET) => 7,
            refuses (0) (101);
        Owner subnet: sudo_set_bonds_reset_enabled(true) stores BondsResetOn::<Test>::get(NET) => true;
        Owner subnet: sudo_set_toggle_transfer(false) stores TransferToggle::<Test>::get(NET) => false;
        Root chain: sudo_set_subnet_moving_alpha(I96F32 { bits: 7 })
            stores SubnetMovingAlpha::<Test>::get() => (I96F32 { bits: 7 }),
            refuses (I96F32 { bits: -1 }) (I96F32 { bits: (1 << 32) + 1 });
        Owner subnet: sudo_set_subnet_owner_hotkey(hot(1)) stores SubnetOwnerHotkey::<Test>::get(NET) => hot(1),
            refuses (hot(9));
        Root subnet: sudo_set_ema_price_halving_period(7) stores EMAPriceHalvingBlocks::<Test>::get(NET) => 7;
        Root subnet: sudo_set_subtoken_enabled(false) stores SubtokenEnabled::<Test>::get(NET) => false;
        Owner subnet: sudo_set_sn_owner_hotkey(hot(1)) stores SubnetOwnerHotkey::<Test>::get(NET) => hot(1),
            refuses (hot(9));
        Owner subnet: sudo_set_alpha_sigmoid_steepness(7) stores AlphaSigmoidSteepness::<Test>::get(NET) => 7;
        Owner subnet: sudo_set_yuma3_enabled(false) stores Yuma3On::<Test>::get(NET) => false;
        Root chain: sudo_set_commit_reveal_version(7) stores CommitRevealWeightsVersion::<Test>::get() => 7;
        Owner subnet: sudo_set_owner_immune_neuron_limit(7) stores ImmuneOwnerUidsLimit::<Test>::get(NET) => 7,
            refuses (0) (11);
        Root chain: sudo_set_ck_burn(7) stores CKBurn::<Test>::get() => 7;
        Root chain: sudo_set_admin_freeze_window(7) stores AdminFreezeWindow::<Test>::get() => 7;
        Root chain: sudo_set_owner_hparam_rate_limit(7) stores OwnerHyperparamRateLimit::<Test>::get() => 7;
        Owner subnet: sudo_set_mechanism_count(MechId(2)) stores MechanismCountCurrent::<Test>::get(NET) => MechId(2),
            refuses (MechId(0)) (MechId(3));
        Owner subnet: sudo_set_mechanism_emission_split(Some(vec![u16::MAX]))
            stores MechanismEmissionSplit::<Test>::get(NET) => Some(vec![u16::MAX]),
            refuses (Some(vec![])) (Some(vec![u16::MAX - 1])) (Some(vec![u16::MAX, 0]));
        Owner subnet: sudo_set_recycle_or_burn(RecycleOrBurnEnum::Recycle)
            stores RecycleOrBurn::<Test>::get(NET) => RecycleOrBurnEnum::Recycle;
        Root chain: sudo_set_start_call_delay(7) stores StartCallDelay::<Test>::get() => 7;
        Root chain: sudo_set_coldkey_swap_announcement_delay(7) stores ColdkeySwapAnnouncementDelay::<Test>::get() => 7;
        Root chain: sudo_set_coldkey_swap_reannouncement_delay(7)
            stores ColdkeySwapReannouncementDelay::<Test>::get() => 7;
        Root chain: sudo_set_max_mechanism_count(MechId(7)) stores MaxMechanismCount::<Test>::get() => MechId(7),
            refuses (MechId(0)) (MechId(16));
        Owner subnet: sudo_set_burn_half_life(7) stores BurnHalfLife::<Test>::get(NET) => 7;
        Owner subnet: sudo_set_burn_increase_mult(U64F64::from_integer(7))
            stores BurnIncreaseMult::<Test>::get(NET) => U64F64::from_integer(7),
            refuses (U64F64 { bits: U64F64::ONE.bits - 1 });
        Root subnet: sudo_set_owner_cut_enabled(false) stores OwnerCutEnabled::<Test>::get(NET) => false;
        Owner subnet: sudo_set_min_childkey_take_per_subnet(7)
            stores MinChildkeyTakePerSubnet::<Test>::get(NET) => 7;
        Root subnet: sudo_set_subnet_emission_enabled(false) stores SubnetEmissionEnabled::<Test>::get(NET) => false;
        Root chain: sudo_set_max_epochs_per_block(7) stores MaxEpochsPerBlock::<Test>::get() => 7, refuses (0);
    }
}

/// Runs a test on a subnet on which every value of the table can be set.
fn with_settable_subnet(test: impl FnOnce()) {
    with_subnet(|| {
        register(1);
        ok(AdminUtils::sudo_set_liquid_alpha_enabled(RuntimeOrigin::root(), NET, true));
        ok(AdminUtils::sudo_set_max_allowed_uids(RuntimeOrigin::root(), NET, 100));
        test();
    });
}

#[test]
fn the_table_has_every_call_once() {
    let mut named: Vec<&str> = all().iter().map(|setter| setter.name).collect();
    let mut calls = admin::Call::<Test>::get_call_names().to_vec();
    named.sort_unstable();
    calls.sort_unstable();
    assert_eq!(named, calls);
}

#[test]
fn each_is_taken_from_those_who_may_and_stores_what_it_says() {
    for Setter { name, who, of_a_subnet, set, is_stored, .. } in all() {
        with_settable_subnet(|| {
            assert!(!is_stored(), "{name} would change nothing");
            let stranger = set(signed(cold(5)), NET);
            let owner = || set(signed(cold(OWNER)), NET);
            match who {
                Who::Owner => {
                    assert_eq!(stranger, Err(DispatchError::BadOrigin), "{name}");
                    assert!(!is_stored(), "{name} by a stranger");
                    assert_eq!(owner(), Ok(()), "{name}");
                }
                Who::Root => {
                    assert_eq!(stranger, Err(DispatchError::BadOrigin), "{name}");
                    assert_eq!(owner(), Err(DispatchError::BadOrigin), "{name}");
                    assert!(!is_stored(), "{name} by its owner");
                    assert_eq!(set(RuntimeOrigin::root(), NET), Ok(()), "{name}");
                }
            }
            assert!(is_stored(), "{name}");
            check();
            if of_a_subnet {
                let nowhere = set(RuntimeOrigin::root(), NetUid(9));
                assert_eq!(nowhere, Err(admin::Error::<Test>::SubnetDoesNotExist.into()), "{name}");
            }
        });
    }
}

#[test]
fn each_is_taken_from_root_and_refuses_what_is_out_of_bounds() {
    for Setter { name, set, is_stored, refused, .. } in all() {
        with_settable_subnet(|| {
            for bad in refused {
                let root = sp_io::storage::root(sp_runtime::StateVersion::V1);
                assert!(
                    frame_support::storage::with_storage_layer(|| bad(RuntimeOrigin::root(), NET)).is_err(),
                    "{name}"
                );
                assert_eq!(sp_io::storage::root(sp_runtime::StateVersion::V1), root, "{name} left a trace");
            }
            ok(set(RuntimeOrigin::root(), NET));
            assert!(is_stored(), "{name}");
        });
    }
}

#[test]
fn each_of_an_owners_counts_for_its_own_rate_limit() {
    with_settable_subnet(|| {
        ok(AdminUtils::sudo_set_owner_hparam_rate_limit(RuntimeOrigin::root(), 2));
        let owners: Vec<_> = all().into_iter().filter(|setter| setter.who == Who::Owner).collect();
        for setter in &owners {
            let first = frame_support::storage::with_storage_layer(|| (setter.set)(signed(cold(OWNER)), NET));
            // Whatever the calls before have made of it, it is not for their sake that it is refused.
            assert_ne!(first, Err(Error::<Test>::TxRateLimitExceeded.into()), "{}", setter.name);
            if first.is_ok() {
                assert_noop!((setter.set)(signed(cold(OWNER)), NET), Error::<Test>::TxRateLimitExceeded);
            }
        }
    });
}
