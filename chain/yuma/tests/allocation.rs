//! Nothing allocates in the inner loops: an epoch allocates no more often for a large subnet than for a small one, and no
//! more often for many weights than for a few, but for the rows of bonds that it returns.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(unsafe_code, reason = "an allocator can be replaced in no other way; this one counts and passes on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use yuma::{EpochInput, EpochParams, Fixed64, LiquidAlpha, Row, YumaVersion, epoch};

/// Counts what this thread allocates, or moves to a larger place.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every call is passed on as it came, and counting touches a cell that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of the system's allocator, which is this one's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// `validators` among `uids`. Each weighs `targets` of them, and has bonds in as many, half of which it does not weigh;
/// the next validator's begin `apart` uids further on.
#[derive(Clone, Copy, Debug)]
struct Subnet {
    uids: u16,
    validators: u16,
    targets: u16,
    apart: u16,
}

/// How often an epoch allocates besides its rows of bonds.
fn allocations(params: EpochParams, subnet: Subnet) -> usize {
    let Subnet { uids, validators, targets, apart } = subnet;
    let row = |uid: u16, first: u16| -> Row {
        // Descending, the order that takes most work.
        (0..targets).rev().map(|index| ((first + index) % uids, 1 + (index * 31 + uid * 17) % 1_000)).collect()
    };
    let rows = |shift: u16| -> Vec<Row> {
        (0..uids).map(|uid| if uid < validators { row(uid, uid * apart + shift) } else { Row::new() }).collect()
    };
    let stake: Vec<Fixed64> =
        (0..uids).map(|uid| Fixed64::from_num(if uid < validators { 1_000 + u64::from(uid) } else { 0 })).collect();
    let permits: Vec<bool> = (0..uids).map(|uid| uid < validators).collect();
    let (weights, bonds) = (rows(0), rows(targets / 2));
    let input = EpochInput {
        params,
        current_block: 1_000,
        last_step_block: 640,
        emission: 1_000_000,
        owner_uid: Some(0),
        stake: &stake,
        last_update: &vec![900; usize::from(uids)],
        block_at_registration: &vec![1; usize::from(uids)],
        validator_permit: &permits,
        weights: &weights,
        bonds: &bonds,
        earliest_live_commit: None,
    };
    let before = ALLOCATIONS.get();
    let output = epoch(&input).expect("the input is consistent");
    let counted = ALLOCATIONS.get() - before;
    let returned_rows = output.bonds.iter().filter(|row| !row.is_empty()).count();
    assert_eq!(returned_rows, usize::from(validators), "every validator has bonds");
    counted - returned_rows
}

#[test]
fn an_epoch_allocates_no_more_often_for_more() {
    let liquid = Some(LiquidAlpha::default());
    for (yuma, liquid_alpha) in [(YumaVersion::Yuma1, None), (YumaVersion::Yuma3, None), (YumaVersion::Yuma3, liquid)] {
        for bonds_penalty in [0, 30_000, u16::MAX] {
            let params = EpochParams { yuma, liquid_alpha, bonds_penalty, ..EpochParams::default() };
            let small = Subnet { uids: 16, validators: 2, targets: 3, apart: 0 };
            let few = allocations(params, small);
            assert!(few > 0, "the counting allocator is not in use");
            for (uids, validators, targets) in [(16, 2, 16), (64, 16, 5), (64, 16, 64), (512, 64, 20), (512, 64, 512)] {
                for apart in [0, 1] {
                    let subnet = Subnet { uids, validators, targets, apart };
                    let counted = allocations(params, subnet);
                    assert!(counted <= few, "{counted} instead of {few}: {subnet:?} under {params:?}");
                }
            }
        }
    }
}
