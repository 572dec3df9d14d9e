//! Evidence between validators, and answers to whoever asks: what was found here is offered, what others offer is checked.

use keys::AccountId;
use neuron::message::control::{
    ControlRefusal, ControlRequest, ControlResponse, MAX_BLOB_PIECE_BYTES, MAX_LEAVES_PER_PAGE,
};
use neuron::message::names::{Hash, WindowId};
use neuron::net::Responder;
use neuron::shell::{Presence, answer};

use super::{Judging, Outcome, blocking};
use crate::evidence::{Evidence, EvidenceError};
use crate::machine::identity::Identity;
use crate::shell::offers::{self, Known};
use crate::shell::{ValidatorError, is_permitted, recompute};

/// How long a peer may take to note a message.
const NOTE_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
/// Windows whose evidence is announced again with every window that closes: a validator that was away finds it.
const ANNOUNCED_WINDOWS: u32 = 8;
/// Most pieces of evidence announced at once.
const MAX_ANNOUNCED: usize = 64;

impl Judging {
    /// A peer asks something.
    pub(in crate::shell) fn on_request(
        &mut self,
        presence: &Presence,
        from: AccountId,
        request: ControlRequest,
        responder: Responder,
    ) {
        let response = match request {
            ControlRequest::Evidence { name } => {
                let is_judge = is_permitted(presence.metagraph(), &from);
                let limit_bytes = offers::limit_bytes(&self.plan);
                if is_judge && !self.archive.contains(&name) && self.offers.take(name, limit_bytes) {
                    let (net, outcomes) = (self.net.clone(), self.outcomes.clone());
                    self.spawn(async move {
                        let evidence = offers::fetch(&net, &from, name, limit_bytes).await.map(Box::new);
                        drop(outcomes.send(Outcome::Offered(name, evidence)).await);
                    });
                }
                ControlResponse::Noted
            }
            ControlRequest::GetBlob { hash, offset_bytes, len_bytes } if self.archive.contains(&Hash(hash)) => {
                if len_bytes as usize > MAX_BLOB_PIECE_BYTES {
                    ControlResponse::Refused(ControlRefusal::OutOfRange)
                } else {
                    match self.archive.piece(&Hash(hash), offset_bytes, len_bytes as usize) {
                        Ok((total_bytes, bytes)) => ControlResponse::Blob { total_bytes, bytes },
                        Err(error) => {
                            tracing::error!(%error, "evidence cannot be read");
                            ControlResponse::Refused(ControlRefusal::NotFound)
                        }
                    }
                }
            }
            ControlRequest::GetLeaves { run, window, hotkey, first } if run == self.plan.run() => {
                match self.audit.leaves(window, &hotkey) {
                    Some(records) => ControlResponse::Leaves {
                        total: u32::try_from(records.len()).unwrap_or(u32::MAX),
                        records: records.iter().skip(first as usize).take(MAX_LEAVES_PER_PAGE).copied().collect(),
                    },
                    None => ControlResponse::Refused(ControlRefusal::NotFound),
                }
            }
            request => return answer(&self.store, request, responder),
        };
        self.spawn(async move { responder.respond(response).await });
    }

    /// Tells other validators what evidence there is; they fetch what they lack.
    pub(super) fn announce(&mut self, presence: &Presence, window: WindowId) {
        let oldest = WindowId(window.0.saturating_sub(ANNOUNCED_WINDOWS));
        let recent = self.archive.entries().iter().rev().filter(|entry| entry.window >= oldest);
        let names: Vec<_> = recent.take(MAX_ANNOUNCED).map(|entry| entry.name).collect();
        let me = self.hotkey.account_id();
        let judges = presence.metagraph().neurons.iter().filter(|n| n.validator_permit && n.hotkey != me);
        let judges: Vec<_> = judges.map(|neuron| neuron.hotkey).filter(|judge| self.net.is_connected(judge)).collect();
        for judge in judges {
            let (net, names) = (self.net.clone(), names.clone());
            self.spawn(async move {
                for name in names {
                    if let Err(error) = net.request(judge, ControlRequest::Evidence { name }, NOTE_DEADLINE).await {
                        return tracing::debug!(%judge, %error, "a validator was not told of evidence");
                    }
                }
            });
        }
    }

    /// Checks evidence of another validator, once its window is judged here.
    pub(super) fn check(&mut self, name: Hash, evidence: Evidence) {
        let Some(window) = evidence.window() else { return self.offers.forget(&name) };
        if self.archive.contains(&name) {
            return self.offers.forget(&name);
        }
        let states = self.states.get(&window).map(Vec::as_slice).or_else(|| self.audit.states(window));
        let states = match states {
            Some(states) => states.to_vec(),
            None if self.ledger.next_window > Some(window) => return self.offers.forget(&name),
            // Whoever says that it knows of work that nobody has begun.
            None if self.view.position().is_none_or(|here| window > here.window) => return self.offers.forget(&name),
            None => return self.offers.wait(evidence),
        };
        let Some(members) = self.view.members(window) else { return self.offers.forget(&name) };
        let members = members.iter().map(|member| (member.hotkey, Identity::from(member))).collect();
        let posts = self.view.commits(window, &mut Vec::new()).unwrap_or_default();
        let posts = posts.iter().map(|(hotkey, post)| (*hotkey, post.commitment)).collect();
        let (net, outcomes, holders) = (self.net.clone(), self.outcomes.clone(), self.holders(window));
        let held = self.weights.get(&window).cloned();
        let (network, plan) = (self.network, self.plan.clone());
        let has_room = self.spawn(async move {
            let weights = match (held, &evidence) {
                (Some(weights), _) => Some(weights),
                (None, Evidence::FalseLeaf { .. } | Evidence::FarLeaf { .. }) => {
                    recompute::assemble(&net, &plan, &states, &holders).await
                }
                (None, Evidence::Contradiction { .. }) => None,
            };
            let known = Known { network, plan, members, posts, weights };
            let (evidence, result) = blocking(move || {
                let result = offers::check(&evidence, &known);
                (evidence, result)
            })
            .await;
            drop(outcomes.send(Outcome::Checked(name, Box::new(evidence), result)).await);
        });
        if !has_room {
            self.offers.forget(&name);
        }
    }

    pub(super) async fn on_checked(
        &mut self,
        name: Hash,
        evidence: &Evidence,
        result: Result<(), EvidenceError>,
    ) -> Result<(), ValidatorError> {
        self.offers.forget(&name);
        if let Err(error) = result {
            tracing::warn!(accused = %evidence.accused(), %name, %error, "evidence of another validator proves nothing");
            return Ok(());
        }
        self.archive.put(evidence)?;
        let drift = self.drift();
        let ruled = self.ledger.verdicts.adopt(evidence, name, drift.as_ref());
        self.persist().await?;
        self.tell(&ruled);
        Ok(())
    }
}
