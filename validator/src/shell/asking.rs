//! Questions to miners (and to others who may know): commitments, leaves and opened tensors, as the audit wants them.

use std::collections::BTreeMap;
use std::time::Duration;

use keys::AccountId;
use neuron::message::commit::MAX_COMMITMENT_BYTES;
use neuron::message::control::{ControlRequest, ControlResponse};
use neuron::message::leaf::LeafRecord;
use neuron::message::names::{Hash, RunId, WindowId};
use neuron::net::NetHandle;
use neuron::shell::fetch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::machine::hop::{ClaimedHop, Tensors};

/// How long a peer may take for one page of leaves.
const PAGE_DEADLINE: Duration = Duration::from_secs(5);
/// How long a peer may take for one tensor.
const TENSOR_DEADLINE: Duration = Duration::from_secs(4);
/// How long all tensors of a hop may take: who stalls cannot hold up a window's audits for long.
const HOP_DEADLINE: Duration = Duration::from_secs(10);
/// Pause before the same are asked again.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(1);

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

/// The tensors that a hop's leaf names, from whose leaf it is or, failing that, from whom it passed them to or had them from; `None`
/// when one is not to be had in time. Who is busy, or away for a moment, is asked again. What has more than `limit_bytes` is no
/// tensor of the run.
pub(super) async fn tensors(net: &NetHandle, hop: &ClaimedHop, limit_bytes: usize) -> Option<Tensors> {
    let mut asked = JoinSet::new();
    for (transfer, from) in hop.named() {
        let (net, name) = (net.clone(), transfer.payload);
        asked.spawn(async move {
            loop {
                for peer in &from {
                    let asking = fetch::ask(&net, peer, name, limit_bytes);
                    if let Ok(Some(bytes)) = timeout(TENSOR_DEADLINE, asking).await {
                        return (name, bytes);
                    }
                }
                sleep(ASKED_AGAIN_AFTER).await;
            }
        });
    }
    let mut opened = BTreeMap::new();
    let all = async {
        while let Some(found) = asked.join_next().await {
            opened.extend(found.ok());
        }
    };
    // What came until then is looked at below.
    let _ = timeout(HOP_DEADLINE, all).await;
    Tensors::open(&hop.leaf, |name| opened.get(name).cloned())
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
