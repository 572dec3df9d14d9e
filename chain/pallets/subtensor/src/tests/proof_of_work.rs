use super::*;
use crate::{
    Burn, Difficulty, Error, MinDifficulty, POWRegistrationsThisInterval, RAORecycledForRegistration,
    RegistrationsThisBlock, defaults,
    proof_of_work::{Challenge, meets_difficulty, seal},
};
use codec::Encode;
use frame_support::{assert_noop, traits::fungible::Inspect};

/// Tries that a proof takes on average in these tests.
const EASY: u64 = 64;

/// The hash of every block in these tests, as far as they ask.
fn give_blocks_hashes() {
    for number in 1..400u32 {
        frame_system::BlockHash::<Test>::insert(number, sp_core::H256::from_low_u64_be(number.into()));
    }
}

/// Runs a test on a subnet where a proof is soon found, in block 10.
fn with_easy_work(test: impl FnOnce()) {
    with_subnet(|| {
        give_blocks_hashes();
        ok(AdminUtils::sudo_set_min_difficulty(RuntimeOrigin::root(), NET, EASY));
        ok(AdminUtils::sudo_set_difficulty(RuntimeOrigin::root(), NET, EASY));
        pass(9);
        test();
    });
}

/// The challenge for pair `n` to register in a subnet with work on a block, as tried by a nonce.
fn tried(netuid: NetUid, block: u32, n: u8, nonce: u64) -> [u8; 32] {
    let block_hash = System::block_hash(block);
    let (hotkey, coldkey) = (hot(n).encode(), cold(n).encode());
    seal(Challenge { netuid, block_hash: block_hash.as_bytes(), hotkey: &hotkey, coldkey: &coldkey }, nonce)
}

/// A nonce whose seal is as good as is `wanted`, and the seal.
fn find(netuid: NetUid, block: u32, n: u8, wanted: impl Fn(&[u8; 32]) -> bool) -> (u64, [u8; 32]) {
    (0..).map(|nonce| (nonce, tried(netuid, block, n, nonce))).find(|(_, seal)| wanted(seal)).unwrap()
}

/// Registers pair `n` with work on a block.
fn work_on(block: u32, n: u8) -> DispatchResult {
    let (nonce, work) = find(NET, block, n, |seal| meets_difficulty(seal, Difficulty::<Test>::get(NET)));
    SubtensorModule::pow_register(signed(cold(n)), NET, block.into(), nonce, work, hot(n))
}

#[test]
fn the_seal_is_the_one_that_bittensors_client_makes() {
    // Made by `registration_seal` of bittensor 11.3: netuid 7, nonce 258.
    let challenge = Challenge { netuid: NetUid(7), block_hash: &[1; 32], hotkey: &[2; 32], coldkey: &[3; 32] };
    let made = seal(challenge, 258).map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(made, "73d81e4d6171767e0cbee36a494fb4d3610e34a11f7042396586f3431703443a");
}

#[test]
fn work_registers_without_paying() {
    with_easy_work(|| {
        let (price, issuance) = (Burn::<Test>::get(NET), SubtensorModule::issuance());
        ok(work_on(9, 1));
        assert_eq!(Uids::<Test>::get(NET, hot(1)), Some(1));
        assert_eq!(Balances::balance(&cold(1)), FUNDS_RAO);
        assert_eq!((Burn::<Test>::get(NET), SubtensorModule::issuance()), (price, issuance));
        assert_eq!(RAORecycledForRegistration::<Test>::get(NET), 0);
        assert_eq!(RegistrationsThisBlock::<Test>::get(NET), 1);
        assert_eq!(POWRegistrationsThisInterval::<Test>::get(NET), 1);
        assert_eq!(events().last(), Some(&Event::NeuronRegistered(NET, 1, hot(1))));
    });
}

#[test]
fn work_that_must_not_count_changes_nothing() {
    with_easy_work(|| {
        let register = |block: u64, nonce, work: &[u8; 32], hotkey| {
            SubtensorModule::pow_register(signed(cold(1)), NET, block, nonce, *work, hotkey)
        };
        let good = |seal: &[u8; 32]| meets_difficulty(seal, EASY);
        let (nonce, work) = find(NET, 9, 1, good);
        assert_noop!(register(9, nonce + 1, &work, hot(1)), Error::<Test>::InvalidSeal);
        let anothers = SubtensorModule::pow_register(signed(cold(2)), NET, 9, nonce, work, hot(1));
        assert_eq!(anothers, Err(Error::<Test>::InvalidSeal.into()));
        assert_noop!(register(9, nonce, &work, hot(2)), Error::<Test>::InvalidSeal);
        assert_noop!(register(8, nonce, &work, hot(1)), Error::<Test>::InvalidSeal);
        assert_noop!(register(4, nonce, &work, hot(1)), Error::<Test>::InvalidWorkBlock);
        assert_noop!(register(10, nonce, &work, hot(1)), Error::<Test>::InvalidWorkBlock);
        assert_noop!(register(u64::MAX, nonce, &work, hot(1)), Error::<Test>::InvalidWorkBlock);
        let (lazy, little) = find(NET, 9, 1, |seal| !good(seal));
        assert_noop!(register(9, lazy, &little, hot(1)), Error::<Test>::InvalidDifficulty);

        ok(AdminUtils::sudo_set_network_pow_registration_allowed(RuntimeOrigin::root(), NET, false));
        assert_noop!(register(9, nonce, &work, hot(1)), Error::<Test>::SubNetRegistrationDisabled);
        ok(AdminUtils::sudo_set_network_pow_registration_allowed(RuntimeOrigin::root(), NET, true));
        ok(register(9, nonce, &work, hot(1)));
        assert_noop!(register(9, nonce, &work, hot(1)), Error::<Test>::HotKeyAlreadyRegisteredInSubNet);
    });
}

#[test]
fn a_hotkey_proves_work_on_a_block_once_whatever_the_subnet() {
    with_easy_work(|| {
        ok(AdminUtils::sudo_set_network_rate_limit(RuntimeOrigin::root(), 0));
        let other = another_subnet(5, defaults::STABLE_MECHANISM);
        ok(AdminUtils::sudo_set_difficulty(RuntimeOrigin::root(), other, EASY));
        ok(work_on(9, 1));
        let again = |block| {
            let (nonce, work) = find(other, block, 1, |seal| meets_difficulty(seal, EASY));
            SubtensorModule::pow_register(signed(cold(1)), other, block.into(), nonce, work, hot(1))
        };
        assert_noop!(again(9), Error::<Test>::InvalidWorkBlock);
        pass(1);
        ok(again(10));
    });
}

#[test]
fn a_block_takes_only_so_many() {
    with_easy_work(|| {
        ok(work_on(9, 1));
        assert_noop!(work_on(9, 2), Error::<Test>::TooManyRegistrationsThisBlock);
        ok(AdminUtils::sudo_set_max_registrations_per_block(RuntimeOrigin::root(), NET, 9));
        ok(work_on(9, 2));
        ok(SubtensorModule::burned_register(signed(cold(7)), NET, hot(7)));
    });
}

#[test]
fn the_difficulty_doubles_under_demand_and_halves_without() {
    with_easy_work(|| {
        ok(AdminUtils::sudo_set_max_registrations_per_block(RuntimeOrigin::root(), NET, 9));
        for n in 1..=6 {
            ok(work_on(9, n));
        }
        // The subnet was made in block 1; adjustments are 100 blocks apart.
        pass(90);
        assert_eq!(Difficulty::<Test>::get(NET), EASY);
        pass(1);
        assert_eq!(Difficulty::<Test>::get(NET), 2 * EASY);
        assert_eq!(POWRegistrationsThisInterval::<Test>::get(NET), 0);
        assert!(events().contains(&Event::DifficultySet(NET, 2 * EASY)));
        pass(100);
        assert_eq!(Difficulty::<Test>::get(NET), EASY);
        pass(100);
        assert_eq!(Difficulty::<Test>::get(NET), MinDifficulty::<Test>::get(NET), "never below the floor");
    });
}
