//! Questions to miners (and to others who may know): commitments and leaves, as the audit wants them.

use std::time::Duration;

use keys::AccountId;
use neuron::message::commit::MAX_COMMITMENT_BYTES;
use neuron::message::control::{ControlRequest, ControlResponse};
use neuron::message::leaf::LeafRecord;
use neuron::message::names::{Hash, RunId, WindowId};
use neuron::net::NetHandle;
use neuron::shell::fetch;

/// How long a peer may take for one page of leaves.
const PAGE_DEADLINE: Duration = Duration::from_secs(5);

/// The bytes of that name, from the first who gives them.
pub(super) async fn commitment(net: &NetHandle, name: Hash, from: &[AccountId]) -> Option<Vec<u8>> {
    for peer in from {
        if let Some(bytes) = fetch::ask(net, peer, name, MAX_COMMITMENT_BYTES).await {
            return Some(bytes);
        }
    }
    None
}

/// Which leaves are wanted, and how many there are.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) run: RunId,
    pub(super) window: WindowId,
    pub(super) hotkey: AccountId,
    pub(super) leaves: u32,
}

/// All leaves of a replica, from the first who gives as many as there are.
pub(super) async fn leaves(net: &NetHandle, wanted: Wanted, from: &[AccountId]) -> Option<Vec<LeafRecord>> {
    for peer in from {
        if let Some(records) = leaves_from(net, wanted, peer).await {
            return Some(records);
        }
    }
    None
}

async fn leaves_from(net: &NetHandle, wanted: Wanted, peer: &AccountId) -> Option<Vec<LeafRecord>> {
    let Wanted { run, window, hotkey, leaves } = wanted;
    let mut records: Vec<LeafRecord> = Vec::new();
    while records.len() < leaves as usize {
        let first = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let request = ControlRequest::GetLeaves { run, window, hotkey, first };
        let page = match net.request(*peer, request, PAGE_DEADLINE).await {
            Ok(ControlResponse::Leaves { total, records }) if total == leaves => records,
            Ok(_) => return None,
            Err(error) => {
                tracing::debug!(%peer, %hotkey, %error, "leaves were not given");
                return None;
            }
        };
        if page.is_empty() || page.len() > leaves as usize - records.len() {
            tracing::debug!(%peer, %hotkey, "a page of leaves is not what was asked for");
            return None;
        }
        records.extend(page);
    }
    Some(records)
}
