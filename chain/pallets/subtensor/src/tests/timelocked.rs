use super::*;
use crate::{BeaconSignatures, Error, NetUidStorageIndex, SealedWeights, TimelockedWeightCommits, Weights, defaults};
use codec::Encode;
use frame_support::assert_noop;
use frame_support::storage::unhashed;
use timelock::Randomness;

/// drand's quicknet: its key, and its signature of round 1000. Both are public records.
const KEY: &str = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";
const SIGNATURE: &str =
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";
const ROUND: u64 = 1_000;
const VERSION: u16 = 4;
/// Where these tests keep whether the round has come.
const SIGNED: &[u8] = b"the round is signed";

pub struct Beacon;

impl BeaconSignatures for Beacon {
    fn signature(round: u64) -> Option<Vec<u8>> {
        (round == ROUND && unhashed::exists(SIGNED)).then(|| hex::decode(SIGNATURE).unwrap())
    }
}

fn sign_the_round() {
    unhashed::put(SIGNED, &true);
}

/// A subnet where pair 1 (uid 1) is a validator with a permit and pairs 2 and 3 are miners; an epoch has just run.
fn with_validator(test: impl FnOnce()) {
    with_subnet(|| {
        (1..=3).for_each(|n| {
            register(n);
        });
        stake(1, 100 * RAO_PER_TAO);
        pass_epoch();
        test();
    });
}

fn seal(message: &[u8]) -> SealedWeights {
    let key = hex::decode(KEY).unwrap().try_into().unwrap();
    let randomness = Randomness { key: [1; 32], sigma: [2; 32], nonce: [3; 12] };
    timelock::seal(&key, ROUND, message, &randomness).unwrap().try_into().unwrap()
}

fn weights_of(n: u8, uids: &[u16], values: &[u16], version_key: u64) -> SealedWeights {
    seal(&(hot(n).encode(), uids, values, version_key).encode())
}

fn commit(n: u8, sealed: SealedWeights) -> DispatchResult {
    SubtensorModule::commit_timelocked_weights(signed(hot(n)), NET, sealed, ROUND, VERSION)
}

fn stored(uid: u16) -> Vec<(u16, u16)> {
    Weights::<Test>::get(NetUidStorageIndex::from(NET), uid)
}

fn waiting() -> usize {
    TimelockedWeightCommits::<Test>::iter_values().map(|commits| commits.len()).sum()
}

#[test]
fn sealed_weights_open_by_themselves_in_the_epoch_after() {
    with_validator(|| {
        let committed_at = u64::from(System::block_number());
        let sealed = weights_of(1, &[2, 3], &[65_535, 1], 0);
        ok(commit(1, sealed.clone()));
        let index = NetUidStorageIndex::from(NET);
        let hash = sp_core::H256(sp_io::hashing::blake2_256(&sealed));
        assert_eq!(events().last(), Some(&Event::TimelockedWeightsCommitted(hot(1), index, hash, ROUND)));
        let commits = TimelockedWeightCommits::<Test>::get(index, 1);
        assert_eq!(commits, [(hot(1), committed_at, sealed, ROUND)]);

        sign_the_round();
        pass(u32::from(TEMPO) - 1);
        assert_eq!(stored(1), [], "the round has come, but not the epoch");
        pass(2);
        assert_eq!(stored(1), [(2, 65_535), (3, 1)]);
        assert!(events().contains(&Event::TimelockedWeightsRevealed(index, hot(1))));
        assert_eq!(crate::LastUpdate::<Test>::get(index)[1], committed_at, "the judgement is as old as its commit");
        assert_eq!(waiting(), 0);
    });
}

#[test]
fn sealed_weights_wait_for_their_round_and_expire_without_it() {
    with_validator(|| {
        ok(commit(1, weights_of(1, &[2], &[1], 0)));
        pass_epoch();
        pass(3);
        assert_eq!((stored(1), waiting()), (vec![], 1));
        sign_the_round();
        pass(1);
        assert_eq!((stored(1), waiting()), (vec![(2, 65_535)], 0));

        unhashed::kill(SIGNED);
        ok(commit(1, weights_of(1, &[3], &[1], 0)));
        pass_epoch();
        pass_epoch();
        pass(1);
        assert_eq!((stored(1), waiting()), (vec![(2, 65_535)], 0), "too late is never");
    });
}

#[test]
fn what_does_not_open_to_weights_of_its_author_is_dropped() {
    with_validator(|| {
        register(4);
        stake(4, 100 * RAO_PER_TAO);
        let garbage: SealedWeights = vec![7; 100].try_into().unwrap();
        let nonsense = seal(b"no weights");
        let trailing = seal(&[(hot(1).encode(), vec![2u16], vec![1u16], 0u64).encode(), vec![0]].concat());
        let copied = weights_of(1, &[2], &[1], 0);
        let stranger = weights_of(4, &[9], &[1], 0);
        let twice = weights_of(1, &[2, 2], &[1, 1], 0);
        for (n, sealed) in [(1, garbage), (1, nonsense), (1, trailing), (4, copied), (4, stranger), (1, twice)] {
            ok(commit(n, sealed));
        }
        sign_the_round();
        pass_epoch();
        pass(1);
        assert_eq!(waiting(), 0);
        assert_eq!((stored(1), stored(4)), (vec![], vec![]));
        assert!(!events().iter().any(|event| matches!(event, Event::TimelockedWeightsRevealed(..))));
    });
}

#[test]
fn a_later_commit_of_an_epoch_wins() {
    with_validator(|| {
        ok(commit(1, weights_of(1, &[2], &[1], 0)));
        ok(commit(1, weights_of(1, &[3], &[1], 0)));
        sign_the_round();
        pass_epoch();
        pass(1);
        assert_eq!(stored(1), [(3, 65_535)]);
    });
}

#[test]
fn one_block_opens_a_bounded_number() {
    with_validator(|| {
        let most = defaults::MAX_REVEALS_PER_BLOCK as usize;
        let index = NetUidStorageIndex::from(NET);
        // Put there directly: no validator may commit so often.
        TimelockedWeightCommits::<Test>::mutate(index, 1, |commits| {
            for _ in 0..most + 5 {
                commits.push_back((hot(1), 1, vec![7; 10].try_into().unwrap(), ROUND));
            }
            commits.push_back((hot(1), 1, weights_of(1, &[2], &[1], 0), ROUND));
        });
        sign_the_round();
        pass_epoch();
        pass(1);
        assert_eq!((waiting(), stored(1)), (6, vec![]));
        pass(1);
        assert_eq!((waiting(), stored(1)), (0, vec![(2, 65_535)]));
    });
}

#[test]
fn who_may_not_commit_is_told_why() {
    with_validator(|| {
        let sealed = || weights_of(1, &[2], &[1], 0);
        assert_noop!(commit(9, sealed()), Error::<Test>::HotKeyNotRegisteredInSubNet);
        let call = |n, netuid, version| {
            SubtensorModule::commit_timelocked_weights(signed(hot(n)), netuid, sealed(), ROUND, version)
        };
        assert_noop!(call(1, NET, 3), Error::<Test>::IncorrectCommitRevealVersion);
        assert_noop!(call(1, NetUid(9), VERSION), Error::<Test>::SubnetNotExists);
        assert_noop!(call(1, NetUid::ROOT, VERSION), Error::<Test>::CanNotSetRootNetworkWeights);
        assert_noop!(
            SubtensorModule::commit_timelocked_mechanism_weights(
                signed(hot(1)),
                NET,
                crate::MechId(7),
                sealed(),
                ROUND,
                VERSION
            ),
            Error::<Test>::MechanismDoesNotExist
        );
        for _ in 0..defaults::MAX_UNREVEALED_COMMITS {
            ok(commit(1, sealed()));
        }
        assert_noop!(commit(1, sealed()), Error::<Test>::TooManyUnrevealedCommits);
        ok(AdminUtils::sudo_set_weights_set_rate_limit(RuntimeOrigin::root(), NET, 100));
        assert_noop!(commit(1, sealed()), Error::<Test>::CommittingWeightsTooFast);
        commit_reveal(false);
        assert_noop!(commit(1, sealed()), Error::<Test>::CommitRevealDisabled);
    });
}
