//! Tensors in and out, each in a task of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use keys::AccountId;
use libp2p::PeerId;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::compat::FuturesAsyncReadCompatExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::budget::{Budget, BudgetLimits, Slot};
use super::error::TensorError;
use super::handle::{Counters, TensorResponder};
use super::stream::{self, ReceiveLimits, TensorHeader, TensorRefusal, TensorReply};
use super::transport::TENSOR;
use super::{NetCaps, NetEvent};

/// Sends tensors; at most so many at once to one peer.
#[derive(Clone)]
pub(super) struct TensorSender {
    control: libp2p_stream::Control,
    turns: Arc<Mutex<HashMap<PeerId, Arc<Semaphore>>>>,
    max_tensor_bytes: u64,
    max_time: Duration,
    max_tensors_per_peer: usize,
}

impl TensorSender {
    pub(super) fn new(control: libp2p_stream::Control, caps: &NetCaps) -> Self {
        Self {
            control,
            turns: Arc::default(),
            max_tensor_bytes: caps.max_tensor_bytes,
            max_time: caps.max_tensor_time,
            max_tensors_per_peer: caps.max_tensors_per_peer,
        }
    }

    /// Who may send to `peer` now. Kept only while somebody does.
    fn turns_of(&self, peer: PeerId) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        turns.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(self.max_tensors_per_peer))).clone()
    }

    pub(super) async fn send(
        &self,
        hotkey: AccountId,
        peer: PeerId,
        codec: u16,
        meta: Vec<u8>,
        bytes: &Bytes,
        deadline: Duration,
    ) -> Result<Vec<u8>, TensorError> {
        let len_bytes = bytes.len() as u64;
        if len_bytes > self.max_tensor_bytes {
            return Err(TensorError::TooLong { bytes: len_bytes, limit_bytes: self.max_tensor_bytes });
        }
        let deadline = Instant::now() + deadline.min(self.max_time);
        let turns = self.turns_of(peer);
        let mut control = self.control.clone();
        let open = async {
            let turn = turns.acquire().await;
            let stream = control.open_stream(peer, TENSOR).await;
            stream.map(|stream| (turn, stream))
        };
        let (_turn, stream) = match timeout_at(deadline, open).await {
            Err(_) => return Err(TensorError::Late(hotkey)),
            Ok(Err(error)) => return Err(TensorError::Failed { hotkey, reason: error.to_string() }),
            Ok(Ok(opened)) => opened,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let deadline_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
        let header = TensorHeader { codec, len_bytes, hash: *blake3::hash(bytes).as_bytes(), deadline_ms, meta };
        stream::send(stream.compat(), &header, bytes, deadline)
            .await
            .map_err(|error| TensorError::from_frame(hotkey, error))
    }
}

/// Receives tensors until told to stop.
pub(super) struct TensorReceiver {
    pub(super) incoming: libp2p_stream::IncomingStreams,
    /// Who speaks for whom among the peers that we believe (they need not believe us yet).
    pub(super) heard: watch::Receiver<Arc<HashMap<PeerId, AccountId>>>,
    pub(super) events: mpsc::Sender<NetEvent>,
    pub(super) counters: Arc<Counters>,
    pub(super) caps: NetCaps,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl TensorReceiver {
    pub(super) async fn run(mut self) {
        let budget = Budget::new(BudgetLimits {
            peer_bytes: self.caps.max_inbound_bytes_per_peer,
            total_bytes: self.caps.max_inbound_bytes,
            peer_tensors: self.caps.max_tensors_per_peer,
        });
        let limits = ReceiveLimits {
            max_tensor_bytes: self.caps.max_tensor_bytes,
            max_time: self.caps.max_tensor_time,
            max_stall: self.caps.max_tensor_stall,
        };
        while let Some(Some((peer, stream))) = self.stop.run_until_cancelled(self.incoming.next()).await {
            // The gate lets nobody else in; this only finds the name.
            let Some(from) = self.heard.borrow().get(&peer).copied() else { continue };
            let slot = budget.slot(peer);
            let (events, counters, stop) = (self.events.clone(), self.counters.clone(), self.stop.clone());
            // As many tasks as there are slots, and brief ones that say no.
            self.tasks.spawn(async move {
                stop.run_until_cancelled(receive(stream.compat(), from, slot, limits, events, counters)).await;
            });
        }
    }
}

async fn receive(
    mut stream: tokio_util::compat::Compat<libp2p::Stream>,
    from: AccountId,
    slot: Option<Slot>,
    limits: ReceiveLimits,
    events: mpsc::Sender<NetEvent>,
    counters: Arc<Counters>,
) {
    let answer = match slot {
        None => TensorReply::Refuse(TensorRefusal::Busy),
        Some(mut slot) => match stream::receive(&mut stream, &mut slot, &limits).await {
            Err(None) => return,
            Err(Some(refusal)) => TensorReply::Refuse(refusal),
            Ok(received) => {
                Counters::add(&counters.tensors_in, 1);
                Counters::add(&counters.tensor_bytes_in, received.header.len_bytes);
                let (done, answer) = oneshot::channel();
                let (header, bytes) = (received.header, received.body);
                let responder = TensorResponder { done, _slot: slot };
                let event = NetEvent::Tensor { from, header, bytes, responder };
                // The application may be slow to take it, and slow to decide: the sender's deadline covers both.
                let decide = async {
                    events.send(event).await.map_err(|_| TensorRefusal::Undecided)?;
                    answer.await.map_err(|_| TensorRefusal::Undecided)
                };
                match timeout_at(received.deadline, decide).await {
                    Err(_) => TensorReply::Refuse(TensorRefusal::Late),
                    Ok(Err(refusal)) => TensorReply::Refuse(refusal),
                    Ok(Ok(reply)) => reply,
                }
            }
        },
    };
    if let TensorReply::Refuse(refusal) = &answer {
        Counters::add(&counters.tensors_refused, 1);
        tracing::debug!(%from, %refusal, "tensor refused");
    }
    let goodbye = timeout_at(Instant::now() + limits.max_stall, stream::reply(&mut stream, &answer));
    if let Ok(Err(error)) = goodbye.await {
        tracing::debug!(%from, %error, "the answer to a tensor was not delivered");
    }
}
