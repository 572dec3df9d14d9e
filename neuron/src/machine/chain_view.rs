//! What was read from the chain, and questions to it.
//!
//! Everything is asked for by window: its members at the anchor block, its beacon, its posts once their deadline has
//! passed. Answers are functions of finalized blocks, so an answer never changes and a question may be repeated: at most
//! once per block until it is answered.
//!
//! Invariants: posts outside their blocks, of other runs and windows, and second posts of one hotkey are not kept;
//! nothing older than the retention is kept.

use std::collections::{BTreeMap, BTreeSet};

use keys::AccountId;

use super::event::{Action, Post, PostKind};
use super::placement::{MAX_MEMBERS, Member, MoverDraw, Placement, place};
use super::window::{BlockClock, Position, epoch_start, work_slot};
use crate::manifest::Manifest;
use crate::message::commit::CommitPost;
use crate::message::merge::BitmapPost;
use crate::message::names::{Beacon, BeaconSlot, BlockNumber, RunId, StageId, WindowId};

/// A question, by what it is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Question {
    Members(WindowId),
    Beacon(BeaconSlot),
    Posts(WindowId, PostKind),
}

/// First posts in time of a window, decoded.
type Posts<T> = BTreeMap<WindowId, Vec<(AccountId, T)>>;

/// What one neuron knows of the chain, and has asked it. See the module's source for what is kept; miners and validators
/// keep the same, so that they place, own and date alike.
#[derive(Clone, Debug)]
pub struct ChainView {
    clock: BlockClock,
    run: RunId,
    head: Option<BlockNumber>,
    beacons: BTreeMap<BeaconSlot, Beacon>,
    members: BTreeMap<WindowId, Vec<Member>>,
    placements: BTreeMap<WindowId, Placement>,
    commits: Posts<CommitPost>,
    bitmaps: Posts<BitmapPost>,
    asked: BTreeMap<Question, BlockNumber>,
}

impl ChainView {
    /// Knows nothing yet.
    pub fn new(manifest: &Manifest, run: RunId) -> Self {
        Self {
            clock: BlockClock::new(manifest),
            run,
            head: None,
            beacons: BTreeMap::new(),
            members: BTreeMap::new(),
            placements: BTreeMap::new(),
            commits: BTreeMap::new(),
            bitmaps: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Windows and blocks of the run.
    pub fn clock(&self) -> &BlockClock {
        &self.clock
    }

    /// The newest finalized block.
    pub fn head(&self) -> Option<BlockNumber> {
        self.head
    }

    /// Where in the run the head lies; `None` before it starts.
    pub fn position(&self) -> Option<Position> {
        self.clock.at(self.head?)
    }

    /// Whether a block is finalized, as far as we know.
    pub fn has_passed(&self, block: BlockNumber) -> bool {
        self.head.is_some_and(|head| head >= block)
    }

    /// A block was finalized; an older one than known is not news.
    pub fn on_block(&mut self, block: BlockNumber) {
        self.head = self.head.max(Some(block));
    }

    /// Members at a window's anchor block, as asked for.
    pub fn on_members(&mut self, window: WindowId, members: Vec<Member>) {
        if self.asked.remove(&Question::Members(window)).is_some() && members.len() <= MAX_MEMBERS {
            self.members.insert(window, members);
        }
    }

    /// The beacon of a slot, as asked for.
    pub fn on_beacon(&mut self, slot: BeaconSlot, beacon: Beacon) {
        if self.asked.remove(&Question::Beacon(slot)).is_some() {
            self.beacons.insert(slot, beacon);
        }
    }

    /// Posts of a window, as asked for.
    pub fn on_posts(&mut self, window: WindowId, kind: PostKind, posts: &[Post]) {
        if self.asked.remove(&Question::Posts(window, kind)).is_none() {
            return;
        }
        let (from, through) = self.blocks_of(window, kind);
        let in_time = posts.iter().filter(|post| (from..=through).contains(&post.block));
        let run = self.run.prefix();
        match kind {
            PostKind::Commits => {
                let posts = in_time.filter_map(|post| Some((post.hotkey, CommitPost::from_payload(&post.payload)?)));
                let ours = posts.filter(|(_, post)| post.run == run && post.window == window);
                self.commits.insert(window, first_of_each(ours));
            }
            PostKind::Bitmaps => {
                let posts = in_time.filter_map(|post| Some((post.hotkey, BitmapPost::from_payload(&post.payload)?)));
                let ours = posts.filter(|(_, post)| post.run == run && post.window == window);
                self.bitmaps.insert(window, first_of_each(ours));
            }
        }
    }

    fn blocks_of(&self, window: WindowId, kind: PostKind) -> (BlockNumber, BlockNumber) {
        let cut = self.clock.cut_block(window);
        match kind {
            PostKind::Commits => (self.clock.first_block(window), cut),
            PostKind::Bitmaps => (BlockNumber(cut.0.saturating_add(1)), self.clock.set_block(window)),
        }
    }

    fn ask(&mut self, question: Question, action: Action, out: &mut Vec<Action>) {
        let Some(head) = self.head else { return };
        if self.asked.get(&question).is_none_or(|asked| *asked < head) {
            self.asked.insert(question, head);
            out.push(action);
        }
    }

    /// The beacon of a slot, asked for if its block has passed.
    pub fn beacon(&mut self, slot: BeaconSlot, out: &mut Vec<Action>) -> Option<Beacon> {
        if let Some(beacon) = self.beacons.get(&slot) {
            return Some(*beacon);
        }
        let block = self.clock.beacon_block(slot);
        if self.has_passed(block) {
            self.ask(Question::Beacon(slot), Action::ReadBeacon { slot, block }, out);
        }
        None
    }

    /// The placement of a window, once its members and its epoch's beacon are known.
    pub fn placement(&mut self, manifest: &Manifest, window: WindowId, out: &mut Vec<Action>) -> Option<&Placement> {
        if !self.placements.contains_key(&window) {
            let epoch = epoch_start(window, manifest.placement.epoch_windows);
            let beacon = self.beacon(work_slot(epoch), out);
            let at = self.clock.anchor_block(window);
            if !self.members.contains_key(&window) && self.has_passed(at) {
                self.ask(Question::Members(window), Action::ReadMembers { window, at }, out);
            }
            let draw = MoverDraw { beacon: beacon?, anchor: self.clock.anchor_block(epoch) };
            let placement = place(manifest, window, self.members.get(&window)?, draw).ok()?;
            self.placements.insert(window, placement);
        }
        self.placements.get(&window)
    }

    /// How many replicas a stage has in the largest of the placements that are known.
    pub fn most_replicas(&self, stage: StageId) -> usize {
        self.placements.values().map(|placement| placement.replicas(stage).len()).max().unwrap_or(0)
    }

    /// The members at a window's anchor block, once its placement is known.
    pub fn members(&self, window: WindowId) -> Option<&[Member]> {
        self.members.get(&window).map(Vec::as_slice)
    }

    /// A window's commits, once its cut has passed.
    pub fn commits(&mut self, window: WindowId, out: &mut Vec<Action>) -> Option<&[(AccountId, CommitPost)]> {
        if !self.commits.contains_key(&window) {
            self.ask_posts(window, PostKind::Commits, out);
        }
        self.commits.get(&window).map(Vec::as_slice)
    }

    /// A window's bitmaps, once its set block has passed.
    pub fn bitmaps(&mut self, window: WindowId, out: &mut Vec<Action>) -> Option<&[(AccountId, BitmapPost)]> {
        if !self.bitmaps.contains_key(&window) {
            self.ask_posts(window, PostKind::Bitmaps, out);
        }
        self.bitmaps.get(&window).map(Vec::as_slice)
    }

    fn ask_posts(&mut self, window: WindowId, kind: PostKind, out: &mut Vec<Action>) {
        let (from, through) = self.blocks_of(window, kind);
        if self.has_passed(through) {
            self.ask(Question::Posts(window, kind), Action::ReadPosts { window, kind, from, through }, out);
        }
    }

    /// Drops what belongs to windows before `oldest`. Beacons stay for a placement epoch longer.
    pub fn forget(&mut self, oldest: WindowId, epoch_windows: u32) {
        let oldest_slot = BeaconSlot(oldest.0.saturating_sub(epoch_windows));
        self.beacons.retain(|slot, _| *slot >= oldest_slot);
        self.members.retain(|window, _| *window >= oldest);
        self.placements.retain(|window, _| *window >= oldest);
        self.commits.retain(|window, _| *window >= oldest);
        self.bitmaps.retain(|window, _| *window >= oldest);
        self.asked.retain(|question, _| match question {
            Question::Beacon(slot) => *slot >= oldest_slot,
            Question::Members(window) | Question::Posts(window, _) => *window >= oldest,
        });
    }
}

fn first_of_each<T>(posts: impl Iterator<Item = (AccountId, T)>) -> Vec<(AccountId, T)> {
    let mut seen = BTreeSet::new();
    posts.filter(|(poster, _)| seen.len() < MAX_MEMBERS && seen.insert(*poster)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::manifest;
    use crate::message::names::{Hash, StageId};

    const WINDOW: WindowId = WindowId(1);

    fn view() -> ChainView {
        let manifest = manifest();
        ChainView::new(&manifest, manifest.run_id().unwrap())
    }

    fn post(view: &ChainView, poster: u8, block: u64, commitment: u8) -> Post {
        let run = view.run.prefix();
        let post = CommitPost { run, window: WINDOW, stage: StageId(0), commitment: Hash([commitment; 32]) };
        Post { hotkey: AccountId([poster; 32]), block: BlockNumber(block), payload: post.to_payload().to_vec() }
    }

    #[test]
    fn only_first_posts_of_the_run_and_window_in_time_count() {
        let mut view = view();
        let (first, cut) = (view.clock.first_block(WINDOW).0, view.clock.cut_block(WINDOW).0);
        let foreign = CommitPost { run: [0; 8], window: WINDOW, stage: StageId(0), commitment: Hash([9; 32]) };
        let elsewhen =
            CommitPost { run: view.run.prefix(), window: WindowId(2), stage: StageId(0), commitment: Hash([9; 32]) };
        let posts = [
            post(&view, 1, first - 1, 9),
            post(&view, 1, first, 1),
            post(&view, 1, first + 1, 9),
            Post { payload: foreign.to_payload().to_vec(), ..post(&view, 2, first, 9) },
            Post { payload: elsewhen.to_payload().to_vec(), ..post(&view, 2, first, 9) },
            Post { payload: vec![7; 47], ..post(&view, 2, first, 9) },
            post(&view, 2, cut, 2),
            post(&view, 3, cut + 1, 9),
        ];
        let mut out = Vec::new();
        view.on_block(BlockNumber(cut - 1));
        assert_eq!(view.commits(WINDOW, &mut out), None);
        assert_eq!(out, [], "asked before the cut has passed");
        view.on_block(BlockNumber(cut));
        assert_eq!(view.commits(WINDOW, &mut out), None);
        assert_eq!(view.commits(WINDOW, &mut out), None);
        let from = BlockNumber(first);
        let read = Action::ReadPosts { window: WINDOW, kind: PostKind::Commits, from, through: BlockNumber(cut) };
        assert_eq!(out, [read], "asked once per block");
        view.on_posts(WINDOW, PostKind::Commits, &posts);
        let commits = view.commits(WINDOW, &mut out).unwrap().to_vec();
        let named: Vec<_> = commits.iter().map(|(poster, post)| (poster.0[0], post.commitment.0[0])).collect();
        assert_eq!(named, [(1, 1), (2, 2)]);
        // An answer never changes.
        view.on_posts(WINDOW, PostKind::Commits, &[]);
        assert_eq!(view.commits(WINDOW, &mut out).unwrap(), commits);
    }

    #[test]
    fn questions_are_repeated_with_the_next_block_and_old_answers_dropped() {
        let (mut view, manifest) = (view(), manifest());
        let mut out = Vec::new();
        for block in [100, 100, 101, 99, 102] {
            view.on_block(BlockNumber(block));
            assert_eq!(view.placement(&manifest, WindowId(0), &mut out), None);
        }
        assert_eq!(out.len(), 6, "members and beacon, at three heights");
        view.on_beacon(BeaconSlot(0), Beacon([1; 32]));
        view.on_members(WindowId(0), vec![]);
        assert!(view.placement(&manifest, WindowId(0), &mut out).is_some());
        view.forget(WindowId(9), manifest.placement.epoch_windows);
        assert!(view.placements.is_empty() && view.beacons.is_empty() && view.members.is_empty());
    }
}
