//! Where in a window a block lies.
//!
//! Time is finalized blocks and nothing else, so every neuron that sees a block agrees on the phase. Deadlines are blocks
//! too: a commit counts when it is in a block after the window before and no later than the cut, a bitmap when it is in
//! a block after the cut and no later than the set block. The beacon of slot w+1 is the round fixed by the cut block of w.
//!
//! Invariants: phases of a window are disjoint, in order and cover it; `first_block(w + 1) == end of w`.

use crate::manifest::{Manifest, WindowSchedule};
use crate::message::names::{BeaconSlot, BlockNumber, WindowId};

/// What the finalized head says is to be done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Passes run.
    Work,
    /// Passes have ended; the commitment is made and posted, to be in a block by the cut.
    Commit,
    /// The cut has passed: all commitments are known, gradients are fetched.
    Exchange,
    /// The bitmap falls due, to be in a block by the set block.
    Bitmap,
    /// The set block has passed: the list of contributions is known and merged.
    Merge,
}

/// A block's place in the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The window.
    pub window: WindowId,
    /// The phase.
    pub phase: Phase,
    /// Blocks since the window's first.
    pub offset: u32,
}

/// Turns block numbers into windows and back.
#[derive(Clone, Copy, Debug)]
pub struct BlockClock {
    start: BlockNumber,
    schedule: WindowSchedule,
}

impl BlockClock {
    /// The clock of a run.
    pub fn new(manifest: &Manifest) -> Self {
        Self { start: manifest.start_block, schedule: manifest.schedule }
    }

    /// Where `block` lies; `None` before the run starts.
    pub fn at(&self, block: BlockNumber) -> Option<Position> {
        let since = block.0.checked_sub(self.start.0)?;
        let length = u64::from(self.schedule.length_blocks().max(1));
        let window = WindowId(u32::try_from(since / length).unwrap_or(u32::MAX));
        let offset = u32::try_from(since % length).unwrap_or(u32::MAX);
        let schedule = &self.schedule;
        let phase = if offset < schedule.work_blocks {
            Phase::Work
        } else if offset < schedule.cut_offset() {
            Phase::Commit
        } else if offset < schedule.cut_offset().saturating_add(schedule.exchange_blocks) {
            Phase::Exchange
        } else if offset < schedule.set_offset() {
            Phase::Bitmap
        } else {
            Phase::Merge
        };
        Some(Position { window, phase, offset })
    }

    /// First block of a window.
    pub fn first_block(&self, window: WindowId) -> BlockNumber {
        let length = u64::from(self.schedule.length_blocks().max(1));
        BlockNumber(self.start.0.saturating_add(u64::from(window.0).saturating_mul(length)))
    }

    /// The cut: last block in which a commit of `window` counts.
    pub fn cut_block(&self, window: WindowId) -> BlockNumber {
        BlockNumber(self.first_block(window).0.saturating_add(u64::from(self.schedule.cut_offset())))
    }

    /// The set block: last block in which a bitmap of `window` counts.
    pub fn set_block(&self, window: WindowId) -> BlockNumber {
        BlockNumber(self.first_block(window).0.saturating_add(u64::from(self.schedule.set_offset())))
    }

    /// The block whose state places neurons for `window`: the cut before it, or the run's first block. State after it
    /// could be shaped by who has seen the beacon.
    pub fn anchor_block(&self, window: WindowId) -> BlockNumber {
        window.previous().map_or(self.start, |before| self.cut_block(before))
    }

    /// The block that fixes the round of a slot. It is the anchor of the window that the slot's draws are for.
    pub fn beacon_block(&self, slot: BeaconSlot) -> BlockNumber {
        self.anchor_block(WindowId(slot.0))
    }
}

/// The slot that draws a window's owners and rankings.
pub fn work_slot(window: WindowId) -> BeaconSlot {
    BeaconSlot(window.0)
}

/// The first window of the placement epoch that `window` is in; movers are drawn from that window's slot.
pub fn epoch_start(window: WindowId, epoch_windows: u32) -> WindowId {
    WindowId(window.0 - window.0 % epoch_windows.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::manifest;

    #[test]
    fn phases_cover_every_window_in_order() {
        let manifest = manifest();
        let clock = BlockClock::new(&manifest);
        assert_eq!(clock.at(BlockNumber(99)), None);
        let mut last = None;
        for block in 100..100 + 24 * 3 {
            let here = clock.at(BlockNumber(block)).unwrap();
            if let Some((window, phase)) = last {
                assert!((here.window, here.phase) >= (window, phase));
            }
            last = Some((here.window, here.phase));
            assert_eq!(here.phase >= Phase::Exchange, BlockNumber(block) >= clock.cut_block(here.window));
            assert_eq!(here.phase >= Phase::Merge, BlockNumber(block) >= clock.set_block(here.window));
            assert_eq!(clock.first_block(here.window).0 + u64::from(here.offset), block);
        }
        assert_eq!(last, Some((WindowId(2), Phase::Merge)));
    }

    #[test]
    fn a_window_is_placed_by_the_cut_before_it() {
        let clock = BlockClock::new(&manifest());
        assert_eq!(clock.anchor_block(WindowId(0)), BlockNumber(100));
        assert_eq!(clock.anchor_block(WindowId(1)), BlockNumber(115));
        assert_eq!(clock.cut_block(WindowId(0)), BlockNumber(115));
        assert_eq!(clock.beacon_block(BeaconSlot(1)), clock.cut_block(WindowId(0)));
        assert_eq!(clock.set_block(WindowId(1)), BlockNumber(145));
        assert_eq!(epoch_start(WindowId(11), 4), WindowId(8));
    }

    #[test]
    fn the_end_of_numbers_is_no_panic() {
        let clock = BlockClock::new(&manifest());
        assert!(clock.at(BlockNumber(u64::MAX)).is_some());
        assert!(clock.cut_block(WindowId(u32::MAX)).0 > 0);
    }
}
