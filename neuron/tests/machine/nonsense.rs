//! Messages that somebody could really sign, about nothing that happens.

use neuron::message::names::{Codec, Hash, StageId, WindowId};
use neuron::message::transfer::{Direction, Progress, Receipt, Refusal, RefusalReason, Transfer};
use rand::Rng;

use crate::sim::{Message, Sim, toy_sign};

/// A message that a member or a stranger could really sign, about nothing that happens.
pub(crate) fn message(sim: &mut Sim, sender: usize, receiver: usize) -> Message {
    let (from, to) = (sim.nodes[sender].hotkey, sim.nodes[receiver].hotkey);
    let payload = vec![sim.rng.random::<u8>(); sim.rng.random_range(0..40)];
    let transfer = Transfer {
        run: sim.manifest.run_id().unwrap(),
        window: WindowId(sim.rng.random_range(0..3)),
        stage: StageId(sim.rng.random_range(0..4)),
        pass: sim.random_pass(),
        direction: if sim.rng.random() { Direction::Forward } else { Direction::Backward },
        from,
        to,
        codec: Codec(sim.rng.random()),
        payload: Hash::of(&payload),
        payload_bytes: payload.len() as u32,
    };
    match sim.rng.random_range(0..4) {
        0 => Message::Transfer(toy_sign(transfer), payload),
        1 => Message::Receipt(toy_sign(Receipt { transfer: transfer.id(), by: from, credits: sim.rng.random() })),
        2 => {
            let reason = if sim.rng.random() { RefusalReason::Superseded } else { RefusalReason::Failed };
            Message::Refusal(toy_sign(Refusal { transfer: transfer.id(), by: from, reason }))
        }
        _ => Message::Progress(Progress { window: transfer.window, pass: transfer.pass, settled: sim.rng.random() }),
    }
}
