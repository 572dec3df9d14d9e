//! What happens in a neuron, as stable machine events beside its log. Whoever runs the neuron listens; a listener that
//! falls behind loses the oldest events, and the neuron never waits for it.

use engine::{Recompute, StageMemory};
use keys::AccountId;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::message::names::{Hash, RunId};
use crate::net::{AxonAddr, NetCounts, PeerName, Refusal};

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The neuron listens.
    Listening {
        /// Whom it speaks for.
        hotkey: AccountId,
        /// Its libp2p identity.
        peer: PeerName,
        /// Where, TCP first.
        addresses: Vec<AxonAddr>,
    },
    /// The chain holds this neuron's axon.
    AxonServed {
        /// What it says.
        address: AxonAddr,
    },
    /// The chain did not take this neuron's axon.
    AxonNotServed {
        /// What it would say.
        address: AxonAddr,
        /// Why.
        reason: String,
    },
    /// A block was finalized.
    Block {
        /// Its number.
        number: u64,
    },
    /// The chain cannot be followed at the moment.
    ChainLost {
        /// Why.
        reason: String,
    },
    /// A peer could not be reached.
    DialFailed {
        /// Whom.
        hotkey: AccountId,
        /// Where.
        address: AxonAddr,
        /// Why.
        reason: String,
    },
    /// A peer proved its hotkey, and accepted ours.
    PeerProven {
        /// Its hotkey.
        hotkey: AccountId,
        /// Its libp2p identity.
        peer: PeerName,
    },
    /// A proven peer is gone.
    PeerLost {
        /// Its hotkey.
        hotkey: AccountId,
    },
    /// A peer was not believed.
    PeerRefused {
        /// Its libp2p identity.
        peer: PeerName,
        /// The hotkey it claimed, if any.
        hotkey: Option<AccountId>,
        /// Why.
        refusal: Refusal,
    },
    /// A peer does not believe this neuron.
    RefusedByPeer {
        /// Its libp2p identity.
        peer: PeerName,
        /// Why.
        refusal: Refusal,
    },
    /// The neuron takes part in a run.
    RunJoined {
        /// Its name.
        run: RunId,
    },
    /// The memory of a stage is planned: before its weights are taken, and when more replicas come to share it.
    StagePlanned {
        /// The stage.
        stage: u16,
        /// What it takes in all.
        bytes: u64,
        /// The same by what for.
        memory: StageMemory,
        /// What forward passes do not keep, but compute again.
        recompute: Recompute,
        /// Contributions to a merge that there is memory for.
        replicas: usize,
    },
    /// Work of a window begins.
    WindowOpened {
        /// The window.
        window: u32,
        /// The stage hosted in it.
        stage: u16,
    },
    /// The neuron stands on the state of a stage at the start of a window.
    Standing {
        /// The window.
        window: u32,
        /// The stage.
        stage: u16,
        /// The name of its weights.
        theta: Hash,
        /// The name of the blob with weights and optimizer state, which this neuron gives to whoever asks.
        blob: Hash,
        /// Contributions merged to get there; none when it was fetched, made or carried over.
        merged: u16,
    },
    /// A microbatch that the neuron worked on came back.
    PassSettled {
        /// The window.
        window: u32,
        /// The microbatch.
        microbatch: u32,
        /// Which attempt.
        attempt: u8,
    },
    /// The mean loss of the passes that ended here in a window: known in the last stage only.
    Loss {
        /// The window.
        window: u32,
        /// Nats per token.
        nats: f64,
        /// Tokens.
        tokens: u64,
    },
    /// The neuron's commitment of a window is made.
    Committed {
        /// The window.
        window: u32,
        /// Leaves in it.
        leaves: u32,
    },
    /// Something about a window that an operator may want to know.
    WindowNote {
        /// The window.
        window: u32,
        /// What.
        note: String,
    },
    /// A post did not get into a block; it is made again if there is time.
    PostFailed {
        /// Why.
        reason: String,
    },
    /// A peer sent what no honest neuron sends.
    Blamed {
        /// Who.
        peer: AccountId,
        /// What.
        fault: String,
    },
    /// A peer contradicted its own signature; the proof is kept.
    Accused {
        /// Who.
        peer: AccountId,
        /// The name of the proof.
        evidence: Hash,
    },
    /// A miner proved to this validator what its machine can do, or failed to.
    HardwareProved {
        /// The miner.
        miner: AccountId,
        /// Multiplications per second, round trip included; nothing when no valid proof came.
        measured_per_second: Option<u64>,
        /// Why it failed; nothing when it holds.
        fault: Option<String>,
    },
    /// This validator's audits of a window are closed.
    Audited {
        /// The window.
        window: u32,
        /// Microbatches that fell to it.
        drawn: u32,
        /// Those of them that it computed again.
        recomputed: u32,
        /// Every placed miner.
        miners: Vec<MinerAudit>,
    },
    /// This validator ruled on a miner.
    Ruled {
        /// The miner.
        miner: AccountId,
        /// The window in which it happened.
        window: u32,
        /// What.
        ruling: RulingKind,
        /// The names of the evidence.
        evidence: Vec<Hash>,
    },
    /// This validator assembled the model of a window and measured it on held-out bytes.
    HeldOut {
        /// The window at whose start the model stood so.
        window: u32,
        /// Nats per token.
        nats: f64,
        /// Tokens.
        tokens: u64,
    },
    /// A gradient or a state that this neuron lacked came from a peer.
    Fetched {
        /// What it is.
        kind: FetchedKind,
        /// Of which stage.
        stage: u16,
        /// Its length, as it was sent.
        bytes: u64,
    },
    /// What went over the network since the start; said once, when the neuron stops.
    Counted(NetCounts),
    /// The neuron has stopped.
    Stopped,
}

/// What is fetched from peers by the megabyte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchedKind {
    /// A gradient, to be merged.
    Gradient,
    /// Weights with the optimizer's state, to go on from.
    State,
}

/// A miner's window, as a validator found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MinerAudit {
    /// Its hotkey.
    pub hotkey: AccountId,
    /// Its stage.
    pub stage: u16,
    /// Passes that are paid.
    pub passes: u32,
    /// Microbatches in which a leaf of it was computed again and found true.
    pub confirmed: u32,
    /// Microbatches in which one was found false, and contradictions.
    pub faults: u32,
    /// How it stood, in the words of the audit's report.
    pub standing: String,
}

/// What a validator ruled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RulingKind {
    /// The window's pay is lost.
    Void,
    /// A leaf was false.
    Strike,
    /// All unpaid windows are lost, and no window is paid again.
    Convicted,
}

/// Where a neuron's events go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventSink(broadcast::Sender<Event>);

impl EventSink {
    /// A sink that keeps this many events for listeners that fall behind.
    pub fn new(kept_events: usize) -> Self {
        Self(broadcast::Sender::new(kept_events.max(1)))
    }

    /// A new listener; it hears what is emitted from now on.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }

    /// Tells an event to whoever listens; nobody may.
    pub fn emit(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_form_is_stable() {
        let peer = PeerName::from_seed(&[1; 32]);
        let event = Event::PeerRefused { peer, hotkey: None, refusal: Refusal::NotRegistered };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            format!(r#"{{"event":"peer_refused","peer":"{peer}","hotkey":null,"refusal":"not_registered"}}"#)
        );
    }

    #[tokio::test]
    async fn a_slow_listener_loses_the_oldest_events_and_holds_nobody_up() {
        let sink = EventSink::new(2);
        let mut listener = sink.listen();
        for number in 0..4 {
            sink.emit(Event::Block { number });
        }
        assert!(matches!(listener.recv().await, Err(broadcast::error::RecvError::Lagged(2))));
        assert!(matches!(listener.recv().await, Ok(Event::Block { number: 2 })));
    }
}
