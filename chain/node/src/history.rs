//! What is left of a block when the backend has dropped its state and body: its header and the ways to it, four entries
//! that would stay for ever. A chain in memory that keeps only so many blocks forgets them too.

use sp_core::H256;
use sp_database::{ColumnId, Database};

use crate::memory::Memory;

/// Headers outlive states and bodies by so many blocks, so that whoever follows the chain from a little way behind (the
/// pool, subscriptions) still finds the way from where it was.
const HEADERS_AFTER_BODIES: u32 = 256;

// Columns and keys of the backend's database, which does not make them public; a test counts what is left.
const META: ColumnId = 0;
const KEY_LOOKUP: ColumnId = 3;
const HEADER: ColumnId = 4;
const CHILDREN: &[u8] = b"children";

/// Bytes of a block's number, at the head of the key that its header is stored under. Its hash follows.
const NUMBER_BYTES: usize = 4;

/// Forget the blocks that are older than what a chain at `tip` keeps, down to the first that is forgotten already. Block 0
/// stays: clients ask for its hash for as long as the chain runs.
pub(crate) fn forget(memory: &Memory, tip: u32, kept_blocks: u32) {
    let latest = tip.saturating_sub(kept_blocks.saturating_add(HEADERS_AFTER_BODIES));
    let mut entries = Vec::new();
    for number in (1..=latest).rev().map(u32::to_be_bytes) {
        let Some(key) = <Memory as Database<H256>>::get(memory, KEY_LOOKUP, &number) else { break };
        if let Some(hash) = key.get(NUMBER_BYTES..) {
            entries.push((KEY_LOOKUP, hash.to_vec()));
            entries.push((META, [CHILDREN, hash].concat()));
        }
        entries.push((KEY_LOOKUP, number.to_vec()));
        entries.push((HEADER, key));
    }
    memory.remove(entries);
}
