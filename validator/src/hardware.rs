//! Puts miners' hardware to the test: drives [`Admission`] over the network.
//!
//! ```text
//!  window ──▶ Admission ──Ask──▶ task: ProveCompute ──root──▶ Admission ──tiles──▶ task: OpenTiles ──▶ Admission
//!                                                                                                        │ Check
//!                              Outcome ◀── Admission ◀──Checked── blocking thread: recompute ◀───────────┘
//! ```
//!
//! A miner's clock runs on this machine: from when its challenge is handed to the network until the task that waits for it
//! has the root, whatever the validator's loop is at meanwhile. Whoever cannot be asked, refuses or answers something else
//! has given no root; it is asked again with the next window.
//!
//! Invariants: everything that is under way belongs to a proof of [`Admission`], of which there are at most
//! [`MAX_PROVERS`](crate::machine::admission::MAX_PROVERS); tiles are drawn by a secret that never leaves this machine, and
//! only once the root is here; nothing that a miner sends is recomputed on a thread that serves the network.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use engine::Digest;
use keys::AccountId;
use neuron::manifest::HardwareRules;
use neuron::message::control::{ControlRequest, ControlResponse};
use neuron::message::hardware::ComputeChallenge;
use neuron::message::names::{Beacon, Millis, WindowId};
use neuron::net::{NetHandle, RequestError};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use crate::machine::admission::{Admission, Ask, Check, Checked, Outcome, Proof, Prover};

/// Answers that are recomputed at the same time: a fleet that opens its tiles at once must not take every core from the
/// audits.
const MAX_CHECKS_AT_ONCE: usize = 2;

/// What a task brings back.
enum Step {
    Root { ask: Ask, at: Millis, result: Result<ControlResponse, RequestError> },
    Tiles { ask: Ask, result: Result<ControlResponse, RequestError> },
    Checked(Checked),
    CheckFailed { ask: Ask },
}

/// The hardware verifier of one run, in a tokio runtime.
pub struct Hardware {
    admission: Admission,
    rules: HardwareRules,
    net: NetHandle,
    started: Instant,
    /// Picks the tiles. Drawn anew each window; miners see only what it picked.
    draw_secret: [u8; 32],
    tasks: JoinSet<Step>,
    checks: Arc<Semaphore>,
    /// Ended at the same moment; given out one by one.
    ended: VecDeque<Outcome>,
}

impl Hardware {
    /// A verifier for the rules of a manifest. `proofs` are what [`proofs`](Self::proofs) gave before a restart; those of
    /// another declared speed count for nothing.
    pub fn new(rules: &HardwareRules, net: NetHandle, proofs: Vec<Proof>) -> Self {
        let declared = rules.multiplications_per_second;
        let proofs = proofs.into_iter().filter(|proof| proof.declared_per_second == declared).collect();
        Self {
            admission: Admission::new(*rules, proofs),
            rules: *rules,
            net,
            started: Instant::now(),
            draw_secret: [0; 32],
            tasks: JoinSet::new(),
            checks: Arc::new(Semaphore::new(MAX_CHECKS_AT_ONCE)),
            ended: VecDeque::new(),
        }
    }

    /// A window begins: challenges those of `miners` who are due, all at once. To be called in a tokio runtime.
    pub fn on_window(&mut self, window: WindowId, beacon: Beacon, miners: &[AccountId]) {
        let (mut secret, mut draw_secret) = ([0; 32], [0; 32]);
        if let Err(error) = getrandom::fill(&mut secret).and_then(|()| getrandom::fill(&mut draw_secret)) {
            tracing::error!(%error, window = window.0, "no hardware is proved: the system gives no randomness");
            return;
        }
        self.draw_secret = draw_secret;
        let declared_per_second = self.rules.multiplications_per_second;
        let provers: Vec<_> = miners.iter().map(|&hotkey| Prover { hotkey, declared_per_second }).collect();
        match self.admission.on_window(self.now(), window, beacon, &provers, &secret) {
            Ok(asks) => {
                for ask in asks {
                    self.ask(ask);
                }
            }
            Err(error) => tracing::error!(%error, window = window.0, "no hardware is proved: the rules are unusable"),
        }
    }

    /// The next proof that ends. Pends for ever while none is under way. May be cancelled and called again without losing
    /// any.
    pub async fn next(&mut self) -> Outcome {
        loop {
            if let Some(outcome) = self.ended.pop_front() {
                return outcome;
            }
            let wake = self.admission.wake_at().map(|at| self.started + Duration::from_millis(at.0));
            let sleep = async {
                match wake {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                Some(step) = self.tasks.join_next() => match step {
                    Ok(step) => self.on_step(step),
                    // The proof it belonged to ends at its deadline.
                    Err(error) => tracing::error!(%error, "a request to a miner broke off"),
                },
                () = sleep => self.ended.extend(self.admission.on_tick(self.now())),
            }
        }
    }

    /// The factor in a miner's score, of a thousand: nothing until its proof has held.
    pub fn factor_per_mille(&self, hotkey: &AccountId) -> u64 {
        self.admission.factor_per_mille(hotkey)
    }

    /// What holds, to be kept over a restart: at most [`MAX_PROVERS`](crate::machine::admission::MAX_PROVERS) proofs of
    /// [`MAX_PROOF_BYTES`](crate::machine::admission::MAX_PROOF_BYTES) each.
    pub fn proofs(&self) -> Vec<Proof> {
        self.admission.proofs()
    }

    /// Leaves what is under way. A check that has begun ends by itself.
    pub async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
    }

    fn now(&self) -> Millis {
        millis_since(self.started)
    }

    fn ask(&mut self, ask: Ask) {
        let patience = self.admission.give_up_ms(self.rules.multiplications_per_second);
        let (net, started) = (self.net.clone(), self.started);
        let challenge = ComputeChallenge { side: ask.side, nonce: ask.nonce, beacon: ask.beacon };
        self.tasks.spawn(async move {
            let request = ControlRequest::ProveCompute(challenge);
            let result = net.request(ask.hotkey, request, Duration::from_millis(patience.into())).await;
            Step::Root { ask, at: millis_since(started), result }
        });
    }

    fn on_step(&mut self, step: Step) {
        let outcome = match step {
            Step::Root { ask, at, result: Ok(ControlResponse::ProductRoot(root)) } => {
                let root = Digest::from(root);
                let nonce = self.draw_nonce(&ask, &root);
                if let Some(tiles) = self.admission.on_root(at, &ask, root, nonce) {
                    self.draw(ask, tiles);
                }
                None
            }
            Step::Tiles { ask, result: Ok(ControlResponse::Tiles(tiles)) } => {
                let answer = tiles.into_iter().map(Into::into).collect();
                if let Some(check) = self.admission.on_opened(&ask, answer) {
                    self.check(ask, check);
                }
                None
            }
            Step::Root { ask, result, .. } | Step::Tiles { ask, result } => {
                let reason = match result {
                    Ok(ControlResponse::Refused(refusal)) => refusal.to_string(),
                    Ok(_) => "the peer answers another question".to_owned(),
                    Err(error) => error.to_string(),
                };
                self.admission.on_no_answer(&ask, reason)
            }
            Step::Checked(checked) => self.admission.on_checked(checked),
            Step::CheckFailed { ask } => {
                self.admission.on_no_answer(&ask, "its answer makes the check fail".to_owned())
            }
        };
        self.ended.extend(outcome);
    }

    fn draw_nonce(&self, ask: &Ask, root: &Digest) -> [u8; 32] {
        *blake3::Hasher::new_keyed(&self.draw_secret).update(&ask.nonce).update(&root.0).finalize().as_bytes()
    }

    fn draw(&mut self, ask: Ask, tiles: Vec<u32>) {
        let (net, deadline) = (self.net.clone(), Duration::from_millis(self.rules.open_ms.into()));
        self.tasks.spawn(async move {
            let request = ControlRequest::OpenTiles { nonce: ask.nonce, tiles };
            Step::Tiles { ask, result: net.request(ask.hotkey, request, deadline).await }
        });
    }

    fn check(&mut self, ask: Ask, check: Check) {
        let checks = self.checks.clone();
        self.tasks.spawn(async move {
            // Never closed.
            let _permit = checks.acquire().await;
            match spawn_blocking(move || check.run()).await {
                Ok(checked) => Step::Checked(checked),
                Err(error) => {
                    tracing::error!(%error, hotkey = %ask.hotkey, "an answer made its check fail");
                    Step::CheckFailed { ask }
                }
            }
        });
    }
}

fn millis_since(started: Instant) -> Millis {
    Millis(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX))
}
