use super::super::placement::{Member, MoverDraw, place};
use super::*;
use crate::manifest::tests::manifest;
use crate::message::names::{Beacon, BlockNumber};

const RUN: RunId = RunId(Hash([1; 32]));
const WINDOW: WindowId = WindowId(3);
const STAGE: StageId = StageId(1);

fn hotkey(number: u16) -> AccountId {
    AccountId(Hash::of(&number.to_le_bytes()).0)
}

/// `miners` miners on two stages, and three validators.
fn world(miners: u16) -> (Manifest, Placement) {
    let mut manifest = manifest();
    manifest.placement.movers_per_mille = 0;
    let member = |uid: u16| Member {
        uid: Uid(uid),
        hotkey: hotkey(uid),
        registered_at: BlockNumber(0),
        validator_permit: uid >= miners,
    };
    let members: Vec<_> = (0..miners + 3).map(member).collect();
    let draw = MoverDraw { beacon: Beacon([0; 32]), anchor: BlockNumber(0) };
    let placement = place(&manifest, WINDOW, &members, draw).unwrap();
    (manifest, placement)
}

fn says(placement: &Placement, bits: &[bool]) -> BitmapPost {
    let uids = placement.uids(STAGE);
    bitmap(RUN, WINDOW, placement, (STAGE, 1), |_, replica| {
        uids.iter().position(|uid| *uid == replica.uid).is_some_and(|place| bits[place])
    })
}

#[test]
fn more_than_half_of_the_bitmaps_that_were_posted_decide() {
    let (_, placement) = world(8);
    let replicas = placement.replicas(STAGE).to_vec();
    assert_eq!(replicas.len(), 4);
    let t = true;
    let posts = |rows: &[[bool; 4]]| -> Vec<_> {
        replicas.iter().zip(rows).map(|(replica, row)| (replica.hotkey, says(&placement, row))).collect()
    };
    let uids = placement.uids(STAGE);
    let all = posts(&[[t, t, false, false], [t, false, t, false], [t, t, false, false], [t, t, false, false]]);
    assert_eq!(included(&placement, STAGE, &all), [uids[0], uids[1]]);
    let two = posts(&[[t, t, t, t], [t, false, t, false]]);
    assert_eq!(included(&placement, STAGE, &two), [uids[0], uids[2]], "half is not more than half");
    assert_eq!(included(&placement, STAGE, &[]), []);
    // Votes of strangers and of validators of a stage that is not small do not count.
    let mut crowd = two.clone();
    crowd.push((hotkey(99), says(&placement, &[t; 4])));
    crowd.extend(placement.validators().iter().map(|judge| (judge.hotkey, says(&placement, &[t; 4]))));
    assert_eq!(included(&placement, STAGE, &crowd), [uids[0], uids[2]]);
}

#[test]
fn small_stages_count_validators_too() {
    let (_, placement) = world(4);
    let uids = placement.uids(STAGE);
    assert_eq!(uids.len(), 2);
    // One replica names nobody but itself; the other is silent; two validators hold both.
    let mut posts = vec![(placement.replicas(STAGE)[0].hotkey, says(&placement, &[true, false]))];
    assert_eq!(included(&placement, STAGE, &posts), [uids[0]]);
    for judge in &placement.validators()[..2] {
        posts.push((judge.hotkey, bitmap(RUN, WINDOW, &placement, (StageId(0), 2), |_, _| true)));
    }
    assert_eq!(included(&placement, STAGE, &posts), uids);
}

#[test]
fn bits_of_another_placement_are_not_read() {
    let (_, placement) = world(8);
    let (_, other) = world(10);
    let poster = placement.replicas(STAGE)[0].hotkey;
    let foreign = bitmap(RUN, WINDOW, &other, (STAGE, 1), |_, _| true);
    assert_eq!(included(&placement, STAGE, &[(poster, foreign)]), []);
    let mut short = says(&placement, &[true; 4]);
    short.bits.pop();
    assert_eq!(included(&placement, STAGE, &[(poster, short)]), []);
    let elsewhere = bitmap(RUN, WINDOW, &placement, (StageId(0), 1), |_, _| true);
    assert_eq!(included(&placement, STAGE, &[(poster, elsewhere)]), []);
    let absurd = BitmapPost { first_stage: StageId(u16::MAX), stages: u16::MAX, ..says(&placement, &[true; 4]) };
    assert_eq!(included(&placement, STAGE, &[(poster, absurd)]), []);
}

struct Bench {
    manifest: Manifest,
    placement: Placement,
    blobs: Blobs,
    commits: Vec<(AccountId, CommitPost)>,
}

impl Bench {
    fn new() -> Self {
        let (manifest, placement) = world(8);
        Self { manifest, placement, blobs: Blobs::default(), commits: Vec::new() }
    }

    /// Replica `place` commits to a state and a gradient; it is opened here, and held if wished.
    fn commit(&mut self, place: usize, state: u8, held: bool, spoil: impl FnOnce(&mut Commitment)) {
        let replica = self.placement.replicas(STAGE)[place];
        let gradient = Hash::of(&[place as u8]);
        let mut commitment = Commitment {
            run: RUN,
            window: WINDOW,
            stage: STAGE,
            hotkey: replica.hotkey,
            state: StageState { theta: Hash([state; 32]), blob: Hash([state; 32]) },
            leaves_root: Hash::ZERO,
            leaves: 1,
            upload: Some(Upload { gradient, segments: Hash::ZERO, tokens: 512 }),
            residual: Hash::ZERO,
        };
        spoil(&mut commitment);
        let hash = Hash::of(&commitment.to_bytes().unwrap());
        self.blobs.read(hash, commitment);
        if held {
            self.blobs.stored(gradient);
        }
        let post = CommitPost { run: RUN.prefix(), window: WINDOW, stage: STAGE, commitment: hash };
        self.commits.push((replica.hotkey, post));
    }

    fn round(&self) -> Round {
        Round::new(&self.manifest, RUN, (WINDOW, STAGE), &self.placement, &self.commits, &self.blobs)
    }
}

#[test]
fn one_vouches_for_what_is_held_and_was_made_with_the_majoritys_weights() {
    let mut bench = Bench::new();
    bench.commit(0, 7, true, |_| {});
    bench.commit(1, 7, false, |_| {});
    bench.commit(2, 8, true, |_| {});
    let round = bench.round();
    assert_eq!(round.majority().unwrap().theta, Hash([7; 32]));
    let vouched: Vec<_> = bench.placement.replicas(STAGE).iter().map(|replica| round.vouches_for(replica)).collect();
    assert_eq!(vouched, [true, false, false, false]);
    assert_eq!(round.wanted().len(), 1, "the second's gradient; the third's is of no use");
    assert!(!round.is_complete());
    let uids = bench.placement.uids(STAGE);
    let list = round.contributions(&[uids[0], uids[2], uids[3]]).unwrap();
    assert_eq!(list.iter().map(|c| c.uid).collect::<Vec<_>>(), [uids[0], uids[2]], "no commitment, no contribution");
}

#[test]
fn equal_counts_go_to_the_lowest_uid() {
    let mut bench = Bench::new();
    for (place, state) in [(3, 9), (2, 8), (1, 9), (0, 8)] {
        bench.commit(place, state, true, |_| {});
    }
    assert_eq!(bench.round().majority().unwrap().theta, Hash([8; 32]));
}

#[test]
fn a_commitment_that_does_not_fit_its_post_is_none() {
    let spoils: [fn(&mut Commitment); 7] = [
        |c| c.run = RunId(Hash([9; 32])),
        |c| c.window = WindowId(4),
        |c| c.stage = StageId(0),
        // A neighbour's commitment posted as one's own.
        |c| c.hotkey = hotkey(0),
        |c| c.hotkey = AccountId([0; 32]),
        |c| c.upload = Some(Upload { gradient: Hash::ZERO, segments: Hash::ZERO, tokens: 0 }),
        |c| c.upload = Some(Upload { gradient: Hash::ZERO, segments: Hash::ZERO, tokens: u64::MAX }),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut bench = Bench::new();
        let owner = bench.placement.replicas(STAGE).iter().position(|replica| replica.hotkey != hotkey(0)).unwrap();
        bench.commit(owner, 7, true, spoil);
        assert!(bench.round().is_empty(), "spoil {number}");
        assert_eq!(bench.round().majority(), None);
    }
}

#[test]
fn an_unopened_commitment_holds_up_the_list_only_if_it_is_in() {
    let mut bench = Bench::new();
    bench.commit(0, 7, true, |_| {});
    let absent = bench.placement.replicas(STAGE)[1];
    let post = CommitPost { run: RUN.prefix(), window: WINDOW, stage: STAGE, commitment: Hash([5; 32]) };
    bench.commits.push((absent.hotkey, post));
    let (round, uids) = (bench.round(), bench.placement.uids(STAGE));
    assert_eq!(round.unopened()[0].0, Hash([5; 32]));
    assert_eq!(round.unopened()[0].1[0], absent.hotkey, "its author is asked first");
    assert_eq!(round.contributions(&[uids[0]]).unwrap().len(), 1);
    assert_eq!(round.contributions(&[uids[0], uids[1]]), None);
}
