//! The post by which a validator says on chain whom it has convicted.
//!
//! Layout, at most [`MAX_CONVICTION_POST_BYTES`] bytes in one `Raw` field of the chain's `Commitments`, posted by the
//! validator's hotkey, whose *latest* post counts: `b'V'`, the first 8 bytes of the run's name, then one bit per uid, the
//! lowest first in each byte, without trailing zero bytes.
//!
//! A uid passes on when its holder is pruned, so a bit speaks of whoever held the uid *when the post was made*: it says
//! nothing of a neuron that registered in that block or later.

use super::names::Uid;

/// Most bytes of a post: what every call is charged for anyway.
pub const MAX_CONVICTION_POST_BYTES: usize = 100;

const TAG: u8 = b'V';
const HEAD_BYTES: usize = 9;
/// Uids from here on cannot be named. Subnets have 256 today.
pub const MAX_CONVICTED_UID: u16 = ((MAX_CONVICTION_POST_BYTES - HEAD_BYTES) * 8) as u16;

/// "These neurons cheated in this run."
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConvictionPost {
    /// First bytes of the run's name.
    pub run: [u8; 8],
    /// Their uids, ascending, below [`MAX_CONVICTED_UID`].
    pub uids: Vec<Uid>,
}

impl ConvictionPost {
    /// The bytes to post. Uids that cannot be named are left out.
    pub fn to_payload(&self) -> Vec<u8> {
        let mut payload = vec![TAG];
        payload.extend(self.run);
        for uid in self.uids.iter().filter(|uid| uid.0 < MAX_CONVICTED_UID) {
            let place = HEAD_BYTES + usize::from(uid.0 / 8);
            payload.resize(payload.len().max(place + 1), 0);
            payload[place] |= 1 << (uid.0 % 8);
        }
        payload
    }

    /// Reads a payload; `None` for any other post.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let ([tag], rest) = payload.split_first_chunk()?;
        let (run, bits) = rest.split_first_chunk()?;
        if *tag != TAG || payload.len() > MAX_CONVICTION_POST_BYTES || bits.last() == Some(&0) {
            return None;
        }
        let is_set = |uid: &u16| bits.get(usize::from(uid / 8)).is_some_and(|byte| byte & (1 << (uid % 8)) != 0);
        Some(Self { run: *run, uids: (0..MAX_CONVICTED_UID).filter(is_set).map(Uid).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::names::Hash;

    #[test]
    fn golden_and_read_back() {
        let post = ConvictionPost { run: [7; 8], uids: [0, 9, 255].map(Uid).to_vec() };
        let payload = post.to_payload();
        assert_eq!(payload.len(), HEAD_BYTES + 32);
        assert_eq!(Hash::of(&payload).to_string(), "9dc7b1ceb556b8234353cff5281c6ccf5f00d27ef3d2eb4eabb4ed1575b7f072");
        assert_eq!(ConvictionPost::from_payload(&payload), Some(post));
        let nobody = ConvictionPost { run: [7; 8], uids: vec![] };
        assert_eq!(ConvictionPost::from_payload(&nobody.to_payload()), Some(nobody));
    }

    #[test]
    fn what_is_not_a_post_in_its_one_form_is_none() {
        let all = ConvictionPost { run: [7; 8], uids: (0..MAX_CONVICTED_UID + 9).map(Uid).collect() };
        let payload = all.to_payload();
        assert_eq!(payload.len(), MAX_CONVICTION_POST_BYTES, "uids that cannot be named are left out");
        assert_eq!(ConvictionPost::from_payload(&[payload.as_slice(), &[1]].concat()), None);
        assert_eq!(ConvictionPost::from_payload(&[&payload[..20], &[0]].concat()), None, "trailing zero");
        assert_eq!(ConvictionPost::from_payload(&payload[..HEAD_BYTES - 1]), None);
        assert_eq!(ConvictionPost::from_payload(&[b'C'; 20]), None);
    }
}
