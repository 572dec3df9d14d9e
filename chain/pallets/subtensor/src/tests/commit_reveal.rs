use super::*;
use crate::{Error, MechId, NetUidStorageIndex, ValidatorPermit, WeightCommits, Weights, defaults};
use frame_support::assert_noop;
use sp_core::H256;

const SALT: [u16; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// A subnet where pair 1 (uid 1) is a validator with a permit and pairs 2 and 3 are miners; an epoch has just run.
fn with_validator(test: impl FnOnce()) {
    with_subnet(|| {
        (1..=3).for_each(|n| {
            register(n);
        });
        stake(1, 100 * RAO_PER_TAO);
        pass_epoch();
        assert_eq!(ValidatorPermit::<Test>::get(NET), [true, true, false, false]);
        test();
    });
}

fn index() -> NetUidStorageIndex {
    NetUidStorageIndex::from(NET)
}

fn hash(n: u8, uids: &[u16], weights: &[u16]) -> H256 {
    SubtensorModule::weights_commit_hash(&hot(n), index(), uids, weights, &SALT, 0)
}

fn commit(n: u8, uids: &[u16], weights: &[u16]) -> DispatchResult {
    SubtensorModule::commit_weights(signed(hot(n)), NET, hash(n, uids, weights))
}

fn reveal(n: u8, uids: &[u16], weights: &[u16]) -> DispatchResult {
    SubtensorModule::reveal_weights(signed(hot(n)), NET, uids.to_vec(), weights.to_vec(), SALT.to_vec(), 0)
}

fn stored(uid: u16) -> Vec<(u16, u16)> {
    Weights::<Test>::get(index(), uid)
}

#[test]
fn the_hash_is_the_one_that_bittensors_clients_make() {
    // Made by Bittensor's own command line; the hotkey is //Alice.
    let alice = AccountId32::new([
        0xd4, 0x35, 0x93, 0xc7, 0x15, 0xfd, 0xd3, 0x1c, 0x61, 0x14, 0x1a, 0xbd, 0x04, 0xa9, 0x9f, 0xd6, 0x82, 0x2c,
        0x85, 0x58, 0x85, 0x4c, 0xcd, 0xe3, 0x9a, 0x56, 0x84, 0xe7, 0xa5, 0x6d, 0xa2, 0x7d,
    ]);
    let made = |netuid, mecid, uids: &[u16], values: &[u16], salt: &[u16], version| {
        let index = NetUidStorageIndex::new(NetUid(netuid), MechId(mecid));
        format!("{:?}", SubtensorModule::weights_commit_hash(&alice, index, uids, values, salt, version))
    };
    assert_eq!(
        made(1, 0, &[0, 1], &[65_535, 1], &SALT, 0),
        "0x95ed5623fa1e73a73170c9b581b719e399e3e3157c482649043d33ae64df87c7"
    );
    assert_eq!(
        made(1, 1, &[3], &[65_535], &[9; 8], 1_000),
        "0x843d3835954b76f92d78df809bb79d9ff255b84de1fa513620721a19ebfafae6"
    );
}

#[test]
fn what_is_committed_in_one_epoch_is_revealed_in_the_next() {
    with_validator(|| {
        let committed_at = u64::from(System::block_number());
        ok(commit(1, &[2, 3], &[65_535, 1]));
        let hash = hash(1, &[2, 3], &[65_535, 1]);
        assert_eq!(events().last(), Some(&Event::WeightsCommitted(hot(1), index(), hash)));
        assert_eq!(WeightCommits::<Test>::get(index(), hot(1)).unwrap(), [(hash, 1, committed_at, 0)]);

        assert_noop!(reveal(1, &[2, 3], &[65_535, 1]), Error::<Test>::RevealTooEarly);
        pass(u32::from(TEMPO) - 1);
        assert_noop!(reveal(1, &[2, 3], &[65_535, 1]), Error::<Test>::RevealTooEarly);
        pass(1);
        ok(reveal(1, &[2, 3], &[65_535, 1]));
        assert_eq!(stored(1), [(2, 65_535), (3, 1)]);
        assert_eq!(WeightCommits::<Test>::get(index(), hot(1)), None);
        assert_eq!(events().last(), Some(&Event::WeightsRevealed(hot(1), index(), hash)));
        assert_eq!(crate::LastUpdate::<Test>::get(index())[1], committed_at, "the judgement is as old as its commit");
    });
}

#[test]
fn a_reveal_comes_in_its_last_block_but_not_later() {
    with_validator(|| {
        ok(commit(1, &[2], &[1]));
        pass_epoch();
        pass(u32::from(TEMPO) - 1);
        pass(1);
        assert_noop!(reveal(1, &[2], &[1]), Error::<Test>::ExpiredWeightCommit);
        assert!(stored(1).is_empty());
        // The next commit clears what expired.
        ok(commit(1, &[3], &[1]));
        assert_eq!(WeightCommits::<Test>::get(index(), hot(1)).unwrap().len(), 1);
        pass_epoch();
        pass(u32::from(TEMPO) - 1);
        ok(reveal(1, &[3], &[1]));
    });
}

#[test]
fn a_changed_period_moves_what_waits() {
    with_validator(|| {
        ok(commit(1, &[2], &[1]));
        ok(AdminUtils::sudo_set_commit_reveal_weights_interval(signed(cold(OWNER)), NET, 3));
        pass_epoch();
        assert_noop!(reveal(1, &[2], &[1]), Error::<Test>::RevealTooEarly);
        ok(commit(1, &[3], &[1]));
        pass_epoch();
        pass_epoch();
        ok(reveal(1, &[2], &[1]));
        assert_noop!(reveal(1, &[3], &[1]), Error::<Test>::RevealTooEarly);
        ok(AdminUtils::sudo_set_commit_reveal_weights_interval(signed(cold(OWNER)), NET, 1));
        assert_noop!(reveal(1, &[3], &[1]), Error::<Test>::ExpiredWeightCommit);
        ok(AdminUtils::sudo_set_commit_reveal_weights_interval(signed(cold(OWNER)), NET, 2));
        ok(reveal(1, &[3], &[1]));
    });
}

#[test]
fn only_what_was_committed_can_be_revealed() {
    with_validator(|| {
        assert_noop!(reveal(1, &[2], &[1]), Error::<Test>::NoWeightsCommitFound);
        ok(commit(1, &[2], &[1]));
        pass_epoch();
        assert_noop!(reveal(1, &[3], &[1]), Error::<Test>::InvalidRevealCommitHashNotMatch);
        let with_salt =
            |salt: Vec<u16>| SubtensorModule::reveal_weights(signed(hot(1)), NET, vec![2], vec![1], salt, 0);
        assert_noop!(with_salt(vec![9; 8]), Error::<Test>::InvalidRevealCommitHashNotMatch);
        let endless = vec![0; defaults::MAX_REVEAL_SALT_WORDS + 1];
        assert_noop!(with_salt(endless), Error::<Test>::InvalidRevealCommitHashNotMatch);
        let anothers = || SubtensorModule::reveal_weights(signed(hot(2)), NET, vec![2], vec![1], SALT.to_vec(), 0);
        assert_noop!(anothers(), Error::<Test>::NoWeightsCommitFound);
    });
}

#[test]
fn what_is_revealed_is_checked_like_open_weights() {
    with_validator(|| {
        ok(commit(1, &[2, 9], &[1, 1]));
        ok(commit(1, &[2, 2], &[1, 1]));
        ok(commit(2, &[3], &[1]));
        pass_epoch();
        assert_noop!(reveal(1, &[2, 9], &[1, 1]), Error::<Test>::UidVecContainInvalidOne);
        assert_noop!(reveal(1, &[2, 2], &[1, 1]), Error::<Test>::DuplicateUids);
        assert_noop!(reveal(2, &[3], &[1]), Error::<Test>::NeuronNoValidatorPermit);
    });
}

#[test]
fn an_older_commit_cannot_be_revealed_over_a_newer() {
    with_validator(|| {
        ok(commit(1, &[2], &[1]));
        ok(commit(1, &[3], &[1]));
        pass_epoch();
        ok(reveal(1, &[3], &[1]));
        assert_noop!(reveal(1, &[2], &[1]), Error::<Test>::NoWeightsCommitFound);
        assert_eq!(stored(1), [(3, 65_535)]);
    });
}

#[test]
fn commits_are_limited_in_rate_and_number() {
    with_validator(|| {
        for _ in 0..defaults::MAX_UNREVEALED_COMMITS {
            ok(commit(1, &[2], &[1]));
        }
        assert_noop!(commit(1, &[2], &[1]), Error::<Test>::TooManyUnrevealedCommits);
        ok(commit(2, &[2], &[1]));
        ok(AdminUtils::sudo_set_weights_set_rate_limit(RuntimeOrigin::root(), NET, 5));
        assert_noop!(commit(2, &[2], &[1]), Error::<Test>::CommittingWeightsTooFast);
        assert_noop!(commit(9, &[2], &[1]), Error::<Test>::HotKeyNotRegisteredInSubNet);
        commit_reveal(false);
        assert_noop!(commit(2, &[2], &[1]), Error::<Test>::CommitRevealDisabled);
        assert_noop!(reveal(1, &[2], &[1]), Error::<Test>::CommitRevealDisabled);
    });
}

#[test]
fn several_commits_are_revealed_at_once_or_none_of_them() {
    with_validator(|| {
        let rows: [(&[u16], &[u16]); 2] = [(&[2], &[1]), (&[2, 3], &[1, 65_535])];
        for (uids, weights) in rows {
            ok(commit(1, uids, weights));
        }
        pass(u32::from(TEMPO));
        let reveal_all = |rows: [(&[u16], &[u16]); 2]| {
            let (uids, values) = rows.map(|(uids, values)| (uids.to_vec(), values.to_vec())).into_iter().unzip();
            SubtensorModule::batch_reveal_weights(signed(hot(1)), NET, uids, values, vec![SALT.to_vec(); 2], vec![0; 2])
        };
        assert_noop!(reveal_all([rows[0], (&[3], &[1])]), Error::<Test>::InvalidRevealCommitHashNotMatch);
        let short = SubtensorModule::batch_reveal_weights(signed(hot(1)), NET, vec![vec![2]], vec![], vec![], vec![]);
        assert_noop!(short, Error::<Test>::InputLengthsUnequal);

        ok(reveal_all(rows));
        assert_eq!(stored(1), [(2, 1), (3, 65_535)], "the last of them holds");
        assert_eq!(WeightCommits::<Test>::get(index(), hot(1)), None);
        let hashes = rows.map(|(uids, weights)| hash(1, uids, weights)).to_vec();
        assert_eq!(events().last(), Some(&Event::WeightsBatchRevealed(hot(1), NET, hashes)));
    });
}

/// The error says so: of what was hashed, it would be that no commit has this hash.
#[test]
fn rows_longer_than_the_subnet_are_refused_before_they_are_hashed() {
    with_validator(|| {
        ok(commit(1, &[2, 3], &[1, 3]));
        pass(u32::from(TEMPO));
        let long = || vec![2; 1_000_000];
        let reveal = |uids, values, salt| SubtensorModule::reveal_weights(signed(hot(1)), NET, uids, values, salt, 0);
        assert_noop!(reveal(long(), vec![1, 3], SALT.to_vec()), Error::<Test>::UidsLengthExceedUidsInSubNet);
        assert_noop!(reveal(vec![2, 3], long(), SALT.to_vec()), Error::<Test>::UidsLengthExceedUidsInSubNet);
        assert_noop!(reveal(vec![2, 3], vec![1, 3], long()), Error::<Test>::InvalidRevealCommitHashNotMatch);
        let (uids, values) = (vec![vec![2, 3], long()], vec![vec![1, 3], long()]);
        let both = SubtensorModule::batch_reveal_weights(
            signed(hot(1)),
            NET,
            uids,
            values,
            vec![SALT.to_vec(); 2],
            vec![0; 2],
        );
        // With the first, the one commit is gone.
        assert_noop!(both, Error::<Test>::NoWeightsCommitFound);
        ok(reveal(vec![2, 3], vec![1, 3], SALT.to_vec()));
        let set = |uids, values| SubtensorModule::set_weights(signed(hot(1)), NET, uids, values, 0);
        commit_reveal(false);
        assert_noop!(set(long(), long()), Error::<Test>::UidsLengthExceedUidsInSubNet);
        assert_noop!(set(vec![2], long()), Error::<Test>::WeightVecNotEqualSize);
    });
}
