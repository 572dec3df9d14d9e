//! Hops that are opened: in a run with a tolerance a leaf's hashes prove nothing by themselves, for an honest miner's are another's
//! only to a rounding. So the tensors that the leaf names are asked for, the hop is computed again from those that went in, and
//! what counts is how far off those are that came out (`engine::tolerance`).
//!
//! A hop is judged by its own inputs, so what others on the path rounded does not add up; and not at all where those inputs are
//! nothing like what honest stages hand over, so nobody answers for garbage that it was handed.

use bincode::{Decode, Encode};
use keys::AccountId;
use neuron::message::leaf::Leaf;
use neuron::message::names::Hash;
use neuron::message::transfer::{Direction, Transfer};

/// The bytes that a leaf's transfers name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Tensors {
    /// Activations received.
    pub forward_in: Option<Vec<u8>>,
    /// Activations sent on.
    pub forward_out: Option<Vec<u8>>,
    /// Gradients received.
    pub backward_in: Option<Vec<u8>>,
    /// Gradients sent back.
    pub backward_out: Option<Vec<u8>>,
}

/// A leaf that says that something was computed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ClaimedHop {
    /// Who says so.
    pub hotkey: AccountId,
    /// The leaf.
    pub leaf: Leaf,
}

/// What computing a hop again says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Compared {
    /// What it took in is not what honest stages hand over, not even nearly: nothing is said about what it made of that. Else
    /// a neighbour could hand over what overflows, or is nothing but roundings, and convict the honest.
    Corrupted,
    /// How far off what it sent is.
    Off {
        /// ‖found − exact‖ / ‖exact‖ of what is furthest off; infinite where nothing honest can be.
        error: f64,
        /// What that is.
        direction: Direction,
    },
}

/// A hop that was opened and computed again.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenedHop {
    /// What that says.
    pub compared: Compared,
    /// What was opened, where it is further off than the run's tolerance.
    pub tensors: Option<Tensors>,
}

/// The transfers of a leaf, in the order of [`Tensors`]' fields.
fn transfers(leaf: &Leaf) -> [Option<Transfer>; 4] {
    [leaf.forward_in, leaf.forward_out, leaf.backward_in, leaf.backward_out]
}

/// Whether a leaf says that something was computed that can be computed again: activations, or a gradient together with the one
/// that it comes from, which the last of `stages` needs none for.
pub fn claims(leaf: &Leaf, stages: u16) -> bool {
    let is_last = leaf.stage.0.saturating_add(1) >= stages;
    leaf.forward_out.is_some() || (leaf.backward_out.is_some() && (is_last || leaf.backward_in.is_some()))
}

impl ClaimedHop {
    /// The tensors to be opened, and who had them: the leaf's owner, who answers for them, and its neighbour.
    pub fn named(&self) -> impl Iterator<Item = (Transfer, [AccountId; 2])> {
        let owner = self.hotkey;
        transfers(&self.leaf).into_iter().flatten().map(move |transfer| {
            let neighbour = if transfer.from == owner { transfer.to } else { transfer.from };
            (transfer, [owner, neighbour])
        })
    }
}

impl Tensors {
    /// All that a leaf names; `None` when something is missing.
    pub fn open(leaf: &Leaf, mut bytes: impl FnMut(&Hash) -> Option<Vec<u8>>) -> Option<Self> {
        let mut open = |transfer: &Option<Transfer>| match transfer {
            Some(transfer) => bytes(&transfer.payload).map(Some),
            None => Some(None),
        };
        Some(Self {
            forward_in: open(&leaf.forward_in)?,
            forward_out: open(&leaf.forward_out)?,
            backward_in: open(&leaf.backward_in)?,
            backward_out: open(&leaf.backward_out)?,
        })
    }

    /// Whether these are the bytes that a leaf names, all of them and no others.
    pub fn are_of(&self, leaf: &Leaf) -> bool {
        let bytes = [&self.forward_in, &self.forward_out, &self.backward_in, &self.backward_out];
        bytes.into_iter().zip(transfers(leaf)).all(|(bytes, transfer)| match (bytes, transfer) {
            (Some(bytes), Some(transfer)) => Hash::of(bytes) == transfer.payload,
            (None, None) => true,
            _ => false,
        })
    }
}
