//! How a replica gets to the state that its stage starts a window with.
//!
//! θ(s,w) is a function of θ(s,w−1) and the agreed list of w−1, so whoever stands on one merges to the next. Whoever
//! does not (a joiner, a laggard, one that was moved, one whose state turned out wrong) looks back from the newest window
//! whose commits are known for one in which replicas of the stage named a state, fetches that state by hash from those
//! that named it, and merges from there. If nobody has committed since the run began, the state is the one made from
//! the seed. If nobody has in all windows that are kept, the weights are lost, and the stage starts from the seed again:
//! everybody concludes the same from the same posts.
//!
//! Invariants: a function of standing, chain and blobs, decided anew each time; it never skips a window with a list; a
//! state is taken only if committed replicas name it or the seed makes it.

use super::merge::Round;
use crate::message::commit::StageState;
use crate::message::names::{Hash, StageId, WindowId};

/// The state that we have, and for when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, bincode::Encode, bincode::Decode)]
pub struct Standing {
    /// The stage.
    pub stage: StageId,
    /// The window that starts with this state.
    pub window: WindowId,
    /// The state.
    pub state: StageState,
}

/// What is to be done next to get there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// We stand where we should.
    Ready,
    /// The chain has to answer first.
    Wait,
    /// Commitments of a window have to be read first.
    Open(WindowId),
    /// Merge this window's list into what we stand on.
    Merge(WindowId),
    /// Get and load this state of this window.
    Adopt(WindowId, StageState),
    /// Make the state of this window from the seed; `lost` when the stage had weights once.
    Initialise { window: WindowId, lost: bool },
}

/// Where we are and where we should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    pub(crate) stage: StageId,
    /// The window whose first state is wanted.
    pub(crate) target: WindowId,
    /// Whether the target's commits are final: then others may have named the very state that is wanted.
    pub(crate) target_is_cut: bool,
    pub(crate) standing: Option<Standing>,
    /// Whether the way from the standing to the target was looked over: it was adopted on the way there.
    pub(crate) on_the_way: bool,
    /// Windows that are kept.
    pub(crate) retention: u32,
}

/// Decides. `round` gives the exchange of a window, `None` while the chain has not answered; `given_up` says of a
/// commitment that waiting for it is over.
pub(crate) fn next_step(
    here: &Situation,
    mut round: impl FnMut(WindowId) -> Option<Round>,
    given_up: impl Fn(&Hash) -> bool,
) -> Step {
    let standing = here.standing.filter(|standing| standing.stage == here.stage);
    if let Some(standing) = standing {
        if standing.window >= here.target {
            return Step::Ready;
        }
        if !here.target_is_cut && (standing.window.next() == here.target || here.on_the_way) {
            return Step::Merge(standing.window);
        }
    }
    let newest = if here.target_is_cut { Some(here.target) } else { here.target.previous() };
    let mut looked_at = newest;
    for _ in 0..here.retention {
        let Some(window) = looked_at else { return from_seed(standing, WindowId(0), false) };
        let Some(round) = round(window) else { return Step::Wait };
        if round.unopened().iter().any(|(hash, _)| !given_up(hash)) {
            return Step::Open(window);
        }
        if let Some(state) = round.majority() {
            let have = standing.is_some_and(|standing| standing.window == window && standing.state == state);
            return if have { Step::Merge(window) } else { Step::Adopt(window, state) };
        }
        looked_at = window.previous();
    }
    from_seed(standing, here.target, looked_at.is_some())
}

/// The seed's state for a window; when we stand on it already, what remains is to carry it over.
fn from_seed(standing: Option<Standing>, window: WindowId, lost: bool) -> Step {
    let window = if lost { window } else { WindowId(0) };
    match standing {
        Some(standing) if standing.window == window => Step::Merge(window),
        _ => Step::Initialise { window, lost },
    }
}
