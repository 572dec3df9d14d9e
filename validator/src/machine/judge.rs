//! What committed leaves prove about their owners, given the truth.
//!
//! A leaf is judged by itself: *if its own inputs are the true ones, its outputs have to be*. Judging a path in order then
//! needs no bookkeeping. The first false leaf has true inputs and is guilty; those after it hold corrupted inputs and are
//! not judged; those before it are confirmed as far as their inputs were true. Nobody is framed, because all that is
//! held against a miner is what it committed to itself.
//!
//! A miner that commits one thing and hands over another contradicts itself: what it signed to its neighbour, or what
//! it committed twice, convicts it without any recomputation. What somebody *received* never does.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use keys::AccountId;
use neuron::machine::contradict;
use neuron::message::leaf::Leaf;
use neuron::message::names::Hash;
use neuron::message::signed::Network;
use neuron::message::transfer::{Direction, Signed, Transfer, TransferKey};

use super::path::{Frame, LeafList};

/// What honest stages send for one microbatch: BLAKE3 of the bytes on the wire over each boundary.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Recomputed {
    /// Entry b goes from stage b to stage b + 1.
    pub forward: Vec<Hash>,
    /// Entry b goes from stage b + 1 to stage b.
    pub backward: Vec<Hash>,
}

impl Recomputed {
    /// Whether there is one hash per boundary of a model of so many stages.
    pub fn has_stages(&self, stages: u16) -> bool {
        let boundaries = usize::from(stages).saturating_sub(1);
        self.forward.len() == boundaries && self.backward.len() == boundaries
    }
}

/// What a recomputation says of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// True inputs, true outputs.
    Confirmed,
    /// The activations are confirmed. The gradient that came back was corrupted by somebody else (or never came), so
    /// nothing can be said about the one that was sent on.
    ForwardConfirmed,
    /// The activations that it received were corrupted already: not judged.
    Corrupted,
    /// True inputs, false output: guilty.
    False(Direction),
}

/// Judges a leaf that [`Frame::fits`].
pub fn judge(leaf: &Leaf, stages: u16, truth: &Recomputed) -> Judgement {
    let stage = usize::from(leaf.stage.0);
    let is_last = leaf.stage.0.saturating_add(1) >= stages;
    let above = stage.checked_sub(1);
    let is_true = |transfer: &Option<Transfer>, hashes: &[Hash], boundary: Option<usize>| {
        let true_hash = boundary.and_then(|boundary| hashes.get(boundary));
        transfer.as_ref().map(|transfer| Some(&transfer.payload) == true_hash)
    };
    if above.is_some() && is_true(&leaf.forward_in, &truth.forward, above) != Some(true) {
        return Judgement::Corrupted;
    }
    if is_true(&leaf.forward_out, &truth.forward, Some(stage)) == Some(false) {
        return Judgement::False(Direction::Forward);
    }
    if !is_last && is_true(&leaf.backward_in, &truth.backward, Some(stage)) != Some(true) {
        return Judgement::ForwardConfirmed;
    }
    if is_true(&leaf.backward_out, &truth.backward, above) == Some(false) {
        return Judgement::False(Direction::Backward);
    }
    Judgement::Confirmed
}

/// Where a miner said something.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives as long as one pass over a window's leaves; a box would cost more"
)]
pub enum Source {
    /// In a transfer that it signed.
    Signed(Signed<Transfer>),
    /// In the outgoing transfer of a leaf that it committed to: place of its list, of the leaf, and which transfer.
    Committed {
        /// The list among those given.
        list: usize,
        /// The leaf in the list.
        leaf: usize,
        /// Which of its outgoing transfers.
        direction: Direction,
    },
}

/// Two statements of one miner that cannot both be honest. The signatures in it hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelfContradiction {
    /// Who.
    pub accused: AccountId,
    /// What it said.
    pub first: Source,
    /// What it also said.
    pub second: Source,
}

/// Finds miners that contradicted themselves, at most one contradiction each.
///
/// Signatures are looked at only where statements disagree. A list that shows one that does not hold is not believed any
/// further, so hostile lists cost at most one check each beside those that convict.
pub fn contradictions(frame: &Frame, lists: &[LeafList], network: &Network) -> Vec<SelfContradiction> {
    let mut said: BTreeMap<TransferKey, (Transfer, Source)> = BTreeMap::new();
    let mut found: BTreeMap<AccountId, SelfContradiction> = BTreeMap::new();
    // Commitments first: they need no signature, and what a neighbour shows is held against them.
    for (place, list) in lists.iter().enumerate() {
        for (index, record) in list.records.iter().enumerate().filter(|(_, record)| frame.fits(list, &record.leaf)) {
            let outgoing =
                [(record.leaf.forward_out, Direction::Forward), (record.leaf.backward_out, Direction::Backward)];
            for (transfer, direction) in outgoing {
                let Some(transfer) = transfer else { continue };
                let source = Source::Committed { list: place, leaf: index, direction };
                let (first, first_source) = *said.entry(transfer.key()).or_insert((transfer, source));
                if contradict(&first, &transfer) {
                    let accused = list.hotkey;
                    found.entry(accused).or_insert(SelfContradiction { accused, first: first_source, second: source });
                }
            }
        }
    }
    for list in lists {
        let shown = list.records.iter().flat_map(|record| [record.forward_in, record.backward_in]).flatten();
        for signed in shown.filter(|signed| is_of(frame, &signed.statement)) {
            let statement = signed.statement;
            let source = Source::Signed(signed);
            let Some(&(first, first_source)) = said.get(&statement.key()) else {
                said.insert(statement.key(), (statement, source));
                continue;
            };
            if !contradict(&first, &statement) || found.contains_key(&statement.from) {
                continue;
            }
            if !signed.holds(network) {
                break;
            }
            if let Source::Signed(earlier) = first_source
                && !earlier.holds(network)
            {
                // Somebody put words into this miner's mouth; the words that it did sign take their place.
                said.insert(statement.key(), (statement, source));
                continue;
            }
            let accused = statement.from;
            found.insert(accused, SelfContradiction { accused, first: first_source, second: source });
        }
    }
    found.into_values().collect()
}

fn is_of(frame: &Frame, transfer: &Transfer) -> bool {
    transfer.run == frame.run && transfer.window == frame.window
}

/// Whether the owner of a leaf can show that its inputs were given to it: each incoming transfer with its sender's
/// signature. An honest miner takes none without.
pub fn inputs_are_signed(leaf: &Leaf, shown: [Option<Signed<Transfer>>; 2], network: &Network) -> bool {
    [leaf.forward_in, leaf.backward_in].into_iter().zip(shown).all(|(claimed, shown)| match (claimed, shown) {
        (None, _) => true,
        (Some(claimed), Some(shown)) => shown.statement == claimed && shown.holds(network),
        (Some(_), None) => false,
    })
}

#[cfg(test)]
mod tests {
    use neuron::message::names::{Codec, RunId, StageId, WindowId};
    use neuron::message::transfer::PassId;

    use super::*;

    const STAGES: u16 = 3;

    fn truth() -> Recomputed {
        Recomputed { forward: vec![Hash([1; 32]), Hash([2; 32])], backward: vec![Hash([11; 32]), Hash([12; 32])] }
    }

    fn transfer(payload: u8) -> Transfer {
        Transfer {
            run: RunId(Hash([1; 32])),
            window: WindowId(1),
            stage: StageId(0),
            pass: PassId { microbatch: 0, attempt: 0 },
            direction: Direction::Forward,
            from: AccountId([1; 32]),
            to: AccountId([2; 32]),
            codec: Codec(1),
            payload: Hash([payload; 32]),
            payload_bytes: 1,
        }
    }

    /// Payloads of forward in and out, backward in and out; zero for none.
    fn judged(stage: u16, payloads: [u8; 4]) -> Judgement {
        let [forward_in, forward_out, backward_in, backward_out] =
            payloads.map(|payload| (payload > 0).then(|| transfer(payload)));
        let (window, pass) = (WindowId(1), PassId { microbatch: 0, attempt: 0 });
        let leaf = Leaf {
            window,
            stage: StageId(stage),
            pass,
            replays: None,
            forward_in,
            forward_out,
            backward_in,
            backward_out,
        };
        judge(&leaf, STAGES, &truth())
    }

    #[test]
    fn only_a_false_output_from_true_inputs_is_guilty() {
        use Judgement::{Confirmed, Corrupted, False, ForwardConfirmed};
        for (stage, payloads, expected) in [
            (0, [0, 1, 11, 0], Confirmed),
            (0, [0, 9, 11, 0], False(Direction::Forward)),
            (0, [0, 1, 9, 0], ForwardConfirmed),
            (0, [0, 1, 0, 0], ForwardConfirmed),
            (1, [1, 2, 12, 11], Confirmed),
            (1, [9, 2, 12, 9], Corrupted),
            (1, [0, 2, 12, 11], Corrupted),
            (1, [1, 9, 9, 9], False(Direction::Forward)),
            (1, [1, 2, 9, 9], ForwardConfirmed),
            (1, [1, 2, 12, 9], False(Direction::Backward)),
            (1, [1, 2, 12, 0], Confirmed),
            (2, [2, 0, 0, 12], Confirmed),
            (2, [2, 0, 0, 9], False(Direction::Backward)),
            (2, [9, 0, 0, 9], Corrupted),
        ] {
            assert_eq!(judged(stage, payloads), expected, "stage {stage} {payloads:?}");
        }
    }

    #[test]
    fn a_recomputation_has_a_hash_per_boundary() {
        assert!(truth().has_stages(3));
        assert!(!truth().has_stages(2) && !truth().has_stages(4));
        assert!(Recomputed { forward: vec![], backward: vec![] }.has_stages(1));
    }
}
