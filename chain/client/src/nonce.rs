//! Nonces of the accounts that this process signs for.
//!
//! An account's extrinsics must reach the node in the order of their nonces. So whoever signs holds the account's slot from
//! taking a nonce until the node has accepted the extrinsic, and not while it waits for finality: many submissions from one
//! account are under way at once. A slot left empty, by a failure or by a caller that went away, makes the next signer ask
//! the node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use keys::AccountId;

/// Accounts remembered at once; idle ones are forgotten beyond it, which costs one request each when they return.
const MAX_ACCOUNTS: usize = 4096;

/// The next nonce of one account, if known.
pub(crate) type Slot = Arc<tokio::sync::Mutex<Option<u64>>>;

#[derive(Default)]
pub(crate) struct Nonces {
    slots: Mutex<HashMap<AccountId, Slot>>,
}

impl Nonces {
    pub(crate) fn slot(&self, account: AccountId) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_ACCOUNTS && !slots.contains_key(&account) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(account).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_accounts_are_forgotten_and_busy_ones_are_not() {
        let nonces = Nonces::default();
        let account = |index: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(index as u64).to_le_bytes());
            AccountId::from(bytes)
        };
        let busy = nonces.slot(account(0));
        *busy.try_lock().expect("nobody else holds it") = Some(7);
        for index in 1..=MAX_ACCOUNTS + 1 {
            nonces.slot(account(index));
        }
        assert!(nonces.slots.lock().expect("not poisoned").len() <= MAX_ACCOUNTS);
        assert_eq!(*nonces.slot(account(0)).try_lock().expect("nobody else holds it"), Some(7));
    }
}
