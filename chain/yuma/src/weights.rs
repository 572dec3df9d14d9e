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
    let keep = |uid: usize, target: u16| {
        let permitted = permits.get(uid).copied().unwrap_or(false);
        let of_itself = uid == usize::from(target) && input.owner_uid != Some(target);
        permitted && !of_itself && !is_outdated(input, uid, target)
    };
    let mut weights = Sparse::from_stored(input.weights, keep, |stored| Fixed::from_num(stored));
    weights.normalize_rows();
    weights
}

fn is_outdated(input: &EpochInput<'_>, uid: usize, target: u16) -> bool {
    let registered = input.block_at_registration.get(usize::from(target)).copied().unwrap_or(0);
    let updated = input.last_update.get(uid).copied().unwrap_or(0);
    let committed = input.earliest_live_commit.and_then(|blocks| blocks.get(uid).copied().flatten());
    updated <= registered || committed.is_some_and(|block| block < registered)
}
