//! The post by which a subnet's owner says which run its neurons are to train.
//!
//! Layout, [`RUN_POST_BYTES`] bytes in one `Raw` field of the chain's `Commitments`, posted by the owner's hotkey, whose
//! *latest* post counts: `b'R'`, then the run's name. So an owner's hotkey that mines would overwrite it.

use super::names::{Hash, RunId};

/// Bytes of a run post.
pub const RUN_POST_BYTES: usize = 33;

const TAG: u8 = b'R';

/// "This subnet trains this run."
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RunPost {
    /// The run.
    pub run: RunId,
}

impl RunPost {
    /// The bytes to post.
    pub fn to_payload(self) -> [u8; RUN_POST_BYTES] {
        let mut payload = [TAG; RUN_POST_BYTES];
        payload[1..].copy_from_slice(&self.run.0.0);
        payload
    }

    /// Reads a payload; `None` for any other post.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; RUN_POST_BYTES] = payload.try_into().ok()?;
        let (tag, run) = payload.split_first_chunk::<1>()?;
        let run = RunId(Hash(run.try_into().ok()?));
        (tag[0] == TAG).then_some(Self { run })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_and_read_back() {
        let post = RunPost { run: RunId(Hash([7; 32])) };
        let payload = post.to_payload();
        assert_eq!(Hash::of(&payload).to_string(), "192f5b20aed88a2478c90646b42750456da69a8404ba29fccff776f8c11a76e6");
        assert_eq!(RunPost::from_payload(&payload), Some(post));
        assert_eq!(RunPost::from_payload(&payload[..32]), None);
        assert_eq!(RunPost::from_payload(&[b'C'; RUN_POST_BYTES]), None);
    }
}
