//! The neuron's side of the network layer: what can be asked of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use keys::AccountId;
use libp2p::PeerId;
use libp2p::request_response::ResponseChannel;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::AxonAddr;
use super::budget::Slot;
use super::error::{DialError, PublishError, RequestError, TensorError};
use super::peer::PeerName;
use super::stream::{MAX_RECEIPT_BYTES, TensorRefusal, TensorReply};
use super::tensors::TensorSender;
use crate::message::control::{ControlRefusal, ControlRequest, ControlResponse};

/// What the handle asks of the task.
pub(super) enum Command {
    Dial { address: AxonAddr, hotkey: AccountId, done: oneshot::Sender<Result<PeerName, DialError>> },
    Request { hotkey: AccountId, request: ControlRequest, done: oneshot::Sender<Result<ControlResponse, RequestError>> },
    Respond { channel: ResponseChannel<ControlResponse>, response: ControlResponse },
    Publish { topic: String, payload: Vec<u8>, done: oneshot::Sender<Result<(), PublishError>> },
    Ban { hotkey: AccountId },
}

/// The proven peers.
pub(super) type Peers = Arc<HashMap<AccountId, PeerId>>;

/// What happened since the start, for status and dashboards. Counts never fall.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) proven: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) refused_by_peer: AtomicU64,
    pub(super) banned: AtomicU64,
    pub(super) requests_in: AtomicU64,
    pub(super) requests_out: AtomicU64,
    pub(super) tensors_in: AtomicU64,
    pub(super) tensor_bytes_in: AtomicU64,
    pub(super) tensors_refused: AtomicU64,
    pub(super) tensors_out: AtomicU64,
    pub(super) tensor_bytes_out: AtomicU64,
    pub(super) gossip_in: AtomicU64,
    pub(super) gossip_refused: AtomicU64,
    pub(super) dropped_events: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NetCounts {
    /// Peers that proved a hotkey and accepted ours.
    pub proven: u64,
    /// Of these, how many left.
    pub lost: u64,
    /// Peers that were not believed.
    pub refused: u64,
    /// Peers that did not believe us.
    pub refused_by_peer: u64,
    /// Bans.
    pub banned: u64,
    /// Requests received.
    pub requests_in: u64,
    /// Requests sent.
    pub requests_out: u64,
    /// Tensors received whole.
    pub tensors_in: u64,
    /// Their bytes, without frames.
    pub tensor_bytes_in: u64,
    /// Tensors that this side refused.
    pub tensors_refused: u64,
    /// Tensors sent, with a receipt.
    pub tensors_out: u64,
    /// Their bytes, without frames.
    pub tensor_bytes_out: u64,
    /// Announcements received.
    pub gossip_in: u64,
    /// Announcements that were not believed.
    pub gossip_refused: u64,
    /// Requests and announcements dropped because the neuron did not keep up.
    pub dropped_events: u64,
}

/// Speaks to the network layer. Cheap to clone.
#[derive(Clone)]
pub struct NetHandle {
    pub(super) name: PeerName,
    pub(super) listening: Arc<Vec<AxonAddr>>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) peers: watch::Receiver<Peers>,
    pub(super) tensors: TensorSender,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl NetHandle {
    /// This neuron's own peer.
    pub fn name(&self) -> PeerName {
        self.name
    }

    /// Where this neuron listens, TCP first.
    pub fn local_addresses(&self) -> &[AxonAddr] {
        &self.listening
    }

    /// The hotkeys of the peers that are connected and proven, in order.
    pub fn peers(&self) -> Vec<AccountId> {
        let mut hotkeys: Vec<_> = self.peers.borrow().keys().copied().collect();
        hotkeys.sort_unstable();
        hotkeys
    }

    /// Whether a proven peer speaks for `hotkey` now.
    pub fn is_connected(&self, hotkey: &AccountId) -> bool {
        self.peers.borrow().contains_key(hotkey)
    }

    /// What happened since the start.
    pub fn counts(&self) -> NetCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let c = &self.counters;
        NetCounts {
            proven: read(&c.proven),
            lost: read(&c.lost),
            refused: read(&c.refused),
            refused_by_peer: read(&c.refused_by_peer),
            banned: read(&c.banned),
            requests_in: read(&c.requests_in),
            requests_out: read(&c.requests_out),
            tensors_in: read(&c.tensors_in),
            tensor_bytes_in: read(&c.tensor_bytes_in),
            tensors_refused: read(&c.tensors_refused),
            tensors_out: read(&c.tensors_out),
            tensor_bytes_out: read(&c.tensor_bytes_out),
            gossip_in: read(&c.gossip_in),
            gossip_refused: read(&c.gossip_refused),
            dropped_events: read(&c.dropped_events),
        }
    }

    /// Connects to the axon of `hotkey`. Returns when both sides have proven themselves, at once if they already have.
    pub async fn dial(&self, address: AxonAddr, hotkey: AccountId) -> Result<PeerName, DialError> {
        let (done, answer) = oneshot::channel();
        let command = Command::Dial { address, hotkey, done };
        self.commands.send(command).await.map_err(|_| DialError::Stopped)?;
        answer.await.map_err(|_| DialError::Stopped)?
    }

    /// Asks the peer of `hotkey`, and waits for the answer until `deadline` from now.
    pub async fn request(
        &self,
        hotkey: AccountId,
        request: ControlRequest,
        deadline: Duration,
    ) -> Result<ControlResponse, RequestError> {
        let exchange = async {
            let (done, answer) = oneshot::channel();
            let command = Command::Request { hotkey, request, done };
            self.commands.send(command).await.map_err(|_| RequestError::Stopped)?;
            answer.await.map_err(|_| RequestError::Stopped)?
        };
        timeout_at(Instant::now() + deadline, exchange).await.unwrap_or(Err(RequestError::Late(hotkey)))
    }

    /// Sends a tensor to the peer of `hotkey`, and waits for its application's receipt until `deadline` from now.
    ///
    /// Waits its turn when many tensors are under way to the same peer. `codec` says how `bytes` encode a tensor; `meta` is the
    /// application's own header.
    pub async fn send_tensor(
        &self,
        hotkey: AccountId,
        codec: u16,
        meta: Vec<u8>,
        bytes: Bytes,
        deadline: Duration,
    ) -> Result<Vec<u8>, TensorError> {
        let peer = self.peers.borrow().get(&hotkey).copied();
        let peer = peer.ok_or(TensorError::NotConnected(hotkey))?;
        let receipt = self.tensors.send(hotkey, peer, codec, meta, &bytes, deadline).await?;
        Counters::add(&self.counters.tensors_out, 1);
        Counters::add(&self.counters.tensor_bytes_out, bytes.len() as u64);
        Ok(receipt)
    }

    /// Announces `payload` to all peers that listen to `topic`, signed by this neuron's hotkey.
    pub async fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), PublishError> {
        let (done, answer) = oneshot::channel();
        let command = Command::Publish { topic: topic.to_owned(), payload, done };
        self.commands.send(command).await.map_err(|_| PublishError::Stopped)?;
        answer.await.map_err(|_| PublishError::Stopped)?
    }

    /// Disconnects the peer of `hotkey` and keeps it out for a while: for when the neuron caught it at something.
    pub async fn ban(&self, hotkey: AccountId) {
        // Stopped: then nobody is connected anyway.
        let _ = self.commands.send(Command::Ban { hotkey }).await;
    }

    /// Says goodbye to all peers and stops all tasks.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Answers one request. Dropped without an answer, it says that this neuron does not answer such requests.
#[derive(Debug)]
pub struct Responder {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) channel: Option<ResponseChannel<ControlResponse>>,
}

impl Responder {
    /// Answers.
    pub async fn respond(mut self, response: ControlResponse) {
        if let Some(channel) = self.channel.take() {
            // Stopped, or gone: then nobody waits.
            let _ = self.commands.send(Command::Respond { channel, response }).await;
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            let response = ControlResponse::Refused(ControlRefusal::Unsupported);
            // If the queue is full the asker runs into its deadline instead.
            let _ = self.commands.try_send(Command::Respond { channel, response });
        }
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dial { .. } => "Dial",
            Self::Request { .. } => "Request",
            Self::Respond { .. } => "Respond",
            Self::Publish { .. } => "Publish",
            Self::Ban { .. } => "Ban",
        })
    }
}

/// Answers one tensor. The sender's share of the receiving budget is taken until this is used or dropped.
pub struct TensorResponder {
    pub(super) done: oneshot::Sender<TensorReply>,
    pub(super) _slot: Slot,
}

impl TensorResponder {
    /// Takes the tensor. The receipt, of at most [`MAX_RECEIPT_BYTES`], goes to the sender.
    pub fn accept(self, receipt: Vec<u8>) {
        debug_assert!(receipt.len() <= MAX_RECEIPT_BYTES, "a receipt of {} bytes", receipt.len());
        let _ = self.done.send(TensorReply::Ack { receipt });
    }

    /// Does not take it, for a reason of the application's own numbering.
    pub fn refuse(self, reason: u16) {
        let _ = self.done.send(TensorReply::Refuse(TensorRefusal::Unwanted(reason)));
    }
}

impl std::fmt::Debug for TensorResponder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TensorResponder")
    }
}
