//! The bitmap that a replica (or a validator, for small stages) posts: which contributions it holds.
//!
//! Layout of the post, at most [`MAX_BITMAP_POST_BYTES`] bytes in one `Raw` field of the chain's `Commitments`:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | `b'B'` |
//! | 1..9 | first 8 bytes of the run's name |
//! | 9..13 | window, little endian |
//! | 13..15 | first stage covered, little endian |
//! | 15..17 | number of stages covered, little endian: one for a replica, all for a validator |
//! | 17..25 | first 8 bytes of the name of the list that the bits stand for |
//! | 25..27 | number of bits, little endian |
//! | 27.. | the bits, lowest first: the replicas of the covered stages, stage by stage, in uid order |

use bincode::{Decode, Encode};
use keys::AccountId;

use super::names::{Hash, StageId, WindowId};

/// Most bytes of a bitmap post: what one call to the chain's `Commitments` is charged for anyway.
pub const MAX_BITMAP_POST_BYTES: usize = 100;
/// Most replicas that a bitmap can speak of.
pub const MAX_BITMAP_BITS: usize = (MAX_BITMAP_POST_BYTES - HEADER_BYTES) * 8;

const TAG: u8 = b'B';
const HEADER_BYTES: usize = 27;

/// Which of the covered replicas' contributions the poster holds, checked and ready to merge.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct BitmapPost {
    /// First bytes of the run's name.
    pub run: [u8; 8],
    /// The window.
    pub window: WindowId,
    /// The first stage that the bits speak of.
    pub first_stage: StageId,
    /// How many stages they speak of.
    pub stages: u16,
    /// First bytes of [`list_name`]: a poster that saw another placement must not have its bits read against ours.
    pub list: [u8; 8],
    /// One per replica.
    pub bits: Vec<bool>,
}

/// The name of the list of replicas that a bitmap's bits stand for.
pub fn list_name(replicas: &[AccountId]) -> [u8; 8] {
    let bytes: Vec<u8> = replicas.iter().flat_map(|replica| replica.0).collect();
    let name = Hash::in_domain("narrows bitmap list 1", &bytes);
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&name.0[..8]);
    prefix
}

impl BitmapPost {
    /// The bytes to post; `None` when there are more than [`MAX_BITMAP_BITS`].
    pub fn to_payload(&self) -> Option<Vec<u8>> {
        if self.bits.len() > MAX_BITMAP_BITS {
            return None;
        }
        let count = u16::try_from(self.bits.len()).ok()?;
        let mut payload = Vec::with_capacity(MAX_BITMAP_POST_BYTES);
        payload.push(TAG);
        payload.extend(self.run);
        payload.extend(self.window.0.to_le_bytes());
        payload.extend(self.first_stage.0.to_le_bytes());
        payload.extend(self.stages.to_le_bytes());
        payload.extend(self.list);
        payload.extend(count.to_le_bytes());
        payload.extend(
            self.bits
                .chunks(8)
                .map(|eight| eight.iter().enumerate().fold(0u8, |byte, (place, bit)| byte | (u8::from(*bit) << place))),
        );
        Some(payload)
    }

    /// Reads a payload; `None` for any other post. Bits past the count must be zero, so that a bitmap has one form.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        if payload.len() > MAX_BITMAP_POST_BYTES {
            return None;
        }
        let (tag, rest) = payload.split_first_chunk::<1>()?;
        let (run, rest) = rest.split_first_chunk::<8>()?;
        let (window, rest) = rest.split_first_chunk::<4>()?;
        let (first_stage, rest) = rest.split_first_chunk::<2>()?;
        let (stages, rest) = rest.split_first_chunk::<2>()?;
        let (list, rest) = rest.split_first_chunk::<8>()?;
        let (count, bytes) = rest.split_first_chunk::<2>()?;
        let count = usize::from(u16::from_le_bytes(*count));
        if tag[0] != TAG || bytes.len() != count.div_ceil(8) {
            return None;
        }
        let mut bits: Vec<bool> =
            bytes.iter().flat_map(|byte| (0..8).map(move |place| byte >> place & 1 == 1)).collect();
        if bits.drain(count..).any(|spare| spare) {
            return None;
        }
        Some(Self {
            run: *run,
            window: WindowId(u32::from_le_bytes(*window)),
            first_stage: StageId(u16::from_le_bytes(*first_stage)),
            stages: u16::from_le_bytes(*stages),
            list: *list,
            bits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(bits: usize) -> BitmapPost {
        BitmapPost {
            run: [1; 8],
            window: WindowId(2),
            first_stage: StageId(3),
            stages: 4,
            list: list_name(&[AccountId([5; 32]), AccountId([6; 32])]),
            bits: (0..bits).map(|i| i % 3 == 0).collect(),
        }
    }

    #[test]
    fn golden() {
        assert_eq!(
            Hash::of(&post(13).to_payload().unwrap()).to_string(),
            "9ab578b72728df2fd5e348791594ba5ce2683f2a91de0acd750504f65cc91e86"
        );
    }

    #[test]
    fn every_length_is_read_back_and_fits() {
        for bits in 0..=MAX_BITMAP_BITS {
            let payload = post(bits).to_payload().unwrap();
            assert!(payload.len() <= MAX_BITMAP_POST_BYTES);
            assert_eq!(BitmapPost::from_payload(&payload), Some(post(bits)));
        }
        assert_eq!(post(MAX_BITMAP_BITS + 1).to_payload(), None);
    }

    #[test]
    fn there_is_one_form() {
        let mut payload = post(13).to_payload().unwrap();
        let last = payload.len() - 1;
        payload[last] |= 0x80;
        assert_eq!(BitmapPost::from_payload(&payload), None, "a bit past the count is set");
        let mut long = post(13).to_payload().unwrap();
        long.push(0);
        assert_eq!(BitmapPost::from_payload(&long), None, "a byte too many");
        for length in 0..last {
            assert_eq!(BitmapPost::from_payload(&post(13).to_payload().unwrap()[..length]), None);
        }
    }
}
