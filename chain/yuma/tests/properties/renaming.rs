//! The same neurons under other uids.

use yuma::Row;

use crate::owned::Owned;

impl Owned {
    pub(crate) fn sort_rows(&mut self) {
        self.weights.iter_mut().chain(&mut self.bonds).for_each(|row| row.sort_unstable());
    }

    /// The same neurons, where what was uid `i` is now `names[i]`.
    pub(crate) fn renamed(&self, names: &[usize]) -> Self {
        Self {
            owner_uid: self.owner_uid.map(|uid| name(uid, names)),
            stake: rename(&self.stake, names),
            last_update: rename(&self.last_update, names),
            block_at_registration: rename(&self.block_at_registration, names),
            validator_permit: rename(&self.validator_permit, names),
            weights: rename_rows(&self.weights, names),
            bonds: rename_rows(&self.bonds, names),
            earliest_live_commit: self.earliest_live_commit.as_ref().map(|commits| rename(commits, names)),
            ..self.clone()
        }
    }
}

fn name(uid: u16, names: &[usize]) -> u16 {
    u16::try_from(names[usize::from(uid)]).unwrap()
}

pub(crate) fn rename<T: Clone>(values: &[T], names: &[usize]) -> Vec<T> {
    let mut renamed = values.to_vec();
    values.iter().zip(names).for_each(|(value, &name)| renamed[name] = value.clone());
    renamed
}

/// Rows come out sorted.
pub(crate) fn rename_rows(rows: &[Row], names: &[usize]) -> Vec<Row> {
    let mut renamed = rename(rows, names);
    for row in &mut renamed {
        row.iter_mut().for_each(|(target, _)| *target = name(*target, names));
        row.sort_unstable();
    }
    renamed
}
