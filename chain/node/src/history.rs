//! What is left of a block when the backend has dropped its state and body: its header and the ways to it, four entries
//! that would stay for ever. A chain that keeps only so many blocks forgets them too.

use sp_database::error::Result;
use sp_database::{ColumnId, Transaction};

use crate::store::Store;

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
pub(crate) fn forget(store: &dyn Store, tip: u32, kept_blocks: u32) -> Result<()> {
    let latest = tip.saturating_sub(kept_blocks.saturating_add(HEADERS_AFTER_BODIES));
    let mut forgotten = Transaction::new();
    for number in (1..=latest).rev().map(u32::to_be_bytes) {
        let Some(key) = store.get(KEY_LOOKUP, &number) else { break };
        if let Some(hash) = key.get(NUMBER_BYTES..) {
            forgotten.remove(KEY_LOOKUP, hash);
            forgotten.remove(META, &[CHILDREN, hash].concat());
        }
        forgotten.remove(KEY_LOOKUP, &number);
        forgotten.remove(HEADER, &key);
    }
    if forgotten.0.is_empty() { Ok(()) } else { store.commit(forgotten) }
}
