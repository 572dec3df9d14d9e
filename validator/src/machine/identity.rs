//! Who a finding is about, in a way that no change of name shakes off.

use std::fmt;

use bincode::{Decode, Encode};
use keys::AccountId;
use neuron::machine::Member;
use neuron::message::names::{BlockNumber, Uid};

/// A miner as verdicts know it.
///
/// A hotkey may be swapped while the uid stays, and a uid passes to a stranger when its holder is pruned. So neither
/// alone names anybody: a slot does only together with the block in which it was taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct Identity {
    /// Its key at the time.
    pub hotkey: AccountId,
    /// Its slot.
    pub uid: Uid,
    /// When it took the slot.
    pub registered_at: BlockNumber,
}

impl Identity {
    /// Whether both are one miner: the same key, or the same registration under another key.
    pub fn is(&self, other: &Self) -> bool {
        self.hotkey == other.hotkey || (self.uid == other.uid && self.registered_at == other.registered_at)
    }
}

impl From<&Member> for Identity {
    fn from(member: &Member) -> Self {
        Self { hotkey: member.hotkey, uid: member.uid, registered_at: member.registered_at }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {} ({}, registered in block {})", self.uid.0, self.hotkey, self.registered_at.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_swap_and_a_new_registration_are_the_same_miner_and_a_successor_is_not() {
        let one = Identity { hotkey: AccountId([1; 32]), uid: Uid(5), registered_at: BlockNumber(100) };
        assert!(one.is(&Identity { hotkey: AccountId([2; 32]), ..one }), "swapped its key");
        assert!(one.is(&Identity { uid: Uid(9), registered_at: BlockNumber(900), ..one }), "registered again");
        let successor = Identity { hotkey: AccountId([2; 32]), registered_at: BlockNumber(101), ..one };
        assert!(!one.is(&successor), "took over the slot");
    }
}
