//! Step 5: which stored weights count, and for how much.

use crate::fixed::Fixed;
use crate::input::EpochInput;
use crate::sparse::Sparse;

/// W: the stored weights of permitted validators, each row scaled to sum one.
///
/// Dropped are, besides rows without a permit: a validator's weight on itself (unless it is the owner), and weights on
/// a neuron that registered no earlier than they were last updated; that uid was another neuron then. With
/// commit-reveal, what is on chain may be older than `last_update`, which a commit moves too: so weights are also
/// dropped if the target registered after the earliest commit that is still to be revealed.
pub(crate) fn masked_weights(input: &EpochInput<'_>, permits: &[bool]) -> Sparse {
    let keep_in = |uid: u16| {
        let index = usize::from(uid);
        permits.get(index).filter(|&&permitted| permitted)?;
        let may_weigh_itself = input.owner_uid == Some(uid);
        let updated = input.last_update.get(index).copied().unwrap_or(0);
        let committed = input.earliest_live_commit.and_then(|blocks| blocks.get(index).copied().flatten());
        // Registered no later than this, a target is the neuron that was weighed.
        let before = updated.checked_sub(1)?;
        let until = committed.map_or(before, |block| block.min(before));
        Some(move |target: u16| {
            let registered = input.block_at_registration.get(usize::from(target));
            (may_weigh_itself || uid != target) && registered.is_some_and(|&block| block <= until)
        })
    };
    let mut weights = Sparse::from_stored(input.weights, keep_in, |stored| Fixed::from_num(stored));
    weights.normalize_rows();
    weights
}
