//! What is read from the chain and said on it: windows to open, hardware to challenge, convictions to post.

use chain::{Call, CommitmentData};
use neuron::machine::{self, work_slot};
use neuron::message::conviction::ConvictionPost;
use neuron::message::names::WindowId;
use neuron::shell::{Presence, ReadError, beacon, members_at};

use super::{Judging, Outcome, miners};
use crate::machine::audit::{Event, MAX_OPEN_WINDOWS, Opened};
use crate::machine::identity::Identity;
use crate::shell::{ValidatorError, is_permitted};

/// Blocks between two attempts to post convictions.
pub(super) const POST_RETRY_BLOCKS: u64 = 3;

impl Judging {
    /// Opens the audits of every window whose cut has passed and whose audit beacon is known.
    pub(super) async fn open_due(&mut self, presence: &Presence) -> Result<(), ValidatorError> {
        loop {
            let Some(here) = self.view.position() else { return Ok(()) };
            let retention = self.plan.manifest().retention_windows;
            // What is older than the retention nobody can show any more.
            let oldest = WindowId(here.window.0.saturating_sub(retention.saturating_sub(1)));
            let window = self.ledger.next_window.map_or(here.window, |next| next.max(oldest));
            let window = self.audit.open_windows().last().map_or(window, |open| window.max(open.next()));
            if self.audit.open_windows().count() >= MAX_OPEN_WINDOWS {
                return Ok(());
            }
            let Some(opened) = self.opened(window) else { return Ok(()) };
            tracing::debug!(window = window.0, "auditing");
            self.feed(presence, Event::Opened(Box::new(opened))).await?;
        }
    }

    fn opened(&mut self, window: WindowId) -> Option<Opened> {
        let plan = self.plan.clone();
        if !self.view.has_passed(self.view.clock().cut_block(window)) {
            return None;
        }
        let mut reads = Vec::new();
        let view = &mut self.view;
        let commits = view.commits(window, &mut reads).map(<[_]>::to_vec);
        let placement = view.placement(plan.manifest(), window, &mut reads).cloned();
        let work_beacon = view.beacon(work_slot(window), &mut reads);
        // The slot after: fixed by the cut block, so nobody knew it who committed.
        let audit_beacon = view.beacon(work_slot(window.next()), &mut reads);
        let members = view.members(window).map(<[_]>::to_vec);
        self.read(reads);
        let members = members?;
        let identities: Vec<_> = members.iter().map(Identity::from).collect();
        let mut suspects = self.ledger.verdicts.suspects(identities.iter());
        for silent in self.ledger.scores.silent() {
            let present = identities.iter().find(|identity| identity.is(silent)).map(|identity| identity.hotkey);
            suspects.extend(present.filter(|hotkey| !suspects.contains(hotkey)));
        }
        Some(Opened {
            window,
            work_beacon: work_beacon?,
            audit_beacon: audit_beacon?,
            members,
            placement: placement?,
            commits: commits?,
            thetas: vec![None; usize::from(plan.manifest().model.stages)],
            suspects,
        })
    }

    /// Asks the chain. What is not answered is asked again with the next block.
    fn read(&mut self, reads: Vec<machine::Action>) {
        for action in reads {
            let (client, netuid, run) = (self.client.clone(), self.netuid, self.plan.run());
            let (key, book, outcomes) = (self.plan.manifest().beacon_key, self.book.clone(), self.outcomes.clone());
            self.spawn(async move {
                let answer = async {
                    Ok::<_, ReadError>(match action {
                        machine::Action::ReadMembers { window, at } => {
                            let members = members_at(&client, netuid, run, at).await?;
                            Some(machine::Event::Members { window, members })
                        }
                        machine::Action::ReadBeacon { slot, block } => {
                            beacon(&client, key, block).await?.map(|beacon| machine::Event::Beacon { slot, beacon })
                        }
                        machine::Action::ReadPosts { window, kind, from, through } => {
                            let posts = book.read(from, through).await?;
                            Some(machine::Event::Posts { window, kind, posts })
                        }
                        _ => None,
                    })
                };
                match answer.await {
                    Ok(Some(event)) => drop(outcomes.send(Outcome::Chain(event)).await),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "the chain does not answer; asking again"),
                }
            });
        }
    }

    /// Challenges miners' hardware when a window begins.
    pub(super) fn challenge(&mut self, presence: &Presence) {
        let Some(here) = self.view.position().filter(|here| self.challenged < Some(here.window)) else { return };
        let metagraph = presence.metagraph();
        if !is_permitted(metagraph, &self.hotkey.account_id()) {
            return;
        }
        let mut reads = Vec::new();
        let beacon = self.view.beacon(work_slot(here.window), &mut reads);
        self.read(reads);
        let Some(beacon) = beacon else { return };
        self.challenged = Some(here.window);
        let serving = metagraph.neurons.iter().filter(|neuron| !neuron.validator_permit && neuron.axon.is_some());
        let miners: Vec<_> = serving.map(|neuron| neuron.hotkey).collect();
        self.hardware.on_window(here.window, beacon, &miners);
    }

    /// Posts whom this validator has convicted, when the chain does not say so yet.
    pub(super) fn post_convictions(&mut self, presence: &Presence, block: u64) {
        let convicts = self.convicts(&miners(presence.metagraph()));
        if convicts == self.posted || self.post_at.is_some_and(|at| block < at) {
            return;
        }
        // Not again while this attempt is under way, however long the chain takes; its end sets another time.
        self.post_at = Some(block + 10 * POST_RETRY_BLOCKS);
        let payload = ConvictionPost { run: self.plan.run().prefix(), uids: convicts.clone() }.to_payload();
        let call = Call::set_commitment(self.netuid, &[CommitmentData::Raw(payload)]);
        let (client, hotkey, outcomes) = (self.client.clone(), self.hotkey.clone(), self.outcomes.clone());
        self.spawn(async move {
            let posted = match client.submit(&hotkey, &call).await {
                Ok(_) => Some(convicts),
                Err(error) => {
                    tracing::warn!(%error, "convictions are not posted; trying again");
                    None
                }
            };
            drop(outcomes.send(Outcome::Posted(posted)).await);
        });
    }
}
