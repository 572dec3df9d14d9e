//! Proves what this machine can do: multiplies the matrices that validators ask for, and opens tiles of the product.
//!
//! ```text
//!  shell ──ProveCompute, OpenTiles──▶ mailbox ──▶ task ──challenge──▶ blocking thread: Product
//!                                                  │ ◀────────────────────────┘
//!                                   ProductRoot, Tiles, Refused ──▶ the asker
//! ```
//!
//! Challenges are bound to this neuron's hotkey, so that what it answers is of no use to another. Only a hotkey with a
//! validator permit may ask, and only for the product that the run's manifest names.
//!
//! Invariants: one product at a time, and never on a thread that serves the network; a validator has at most one challenge
//! that waits and one product that is kept; a product is opened once, and forgotten when its time is up.
//!
//! Known limit: a validator may ask again and again. Others get their turn in between, but the machine is kept busy.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::time::Duration;

use chain::Metagraph;
use engine::work_proof::{Challenge, Product, TILE};
use keys::AccountId;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use crate::manifest::HardwareRules;
use crate::message::control::{ControlRefusal, ControlRequest, ControlResponse};
use crate::message::hardware::{ComputeChallenge, MAX_OPENED_TILES, TileOpening};
use crate::net::{NetCaps, Responder};

/// Requests that wait for the prover's task, which never waits long itself.
const MAX_WAITING_REQUESTS: usize = 64;
/// Challenges that wait for the one being computed: one of each validator of a full subnet.
const MAX_WAITING_CHALLENGES: usize = 64;
/// Memory for products whose tiles are yet to be opened. One is kept however large it is.
const MAX_KEPT_PRODUCT_BYTES: u64 = 1024 * 1024 * 1024;

/// How many products of a side are kept at the same time: four bytes an entry, and as much as a hash for each tile twice.
fn max_kept_products(side: u32) -> usize {
    let entries = u64::from(side).pow(2);
    let bytes = 4 * entries + 2 * 32 * entries.div_ceil((TILE * TILE) as u64);
    usize::try_from(MAX_KEPT_PRODUCT_BYTES / bytes.max(1)).unwrap_or(usize::MAX).max(1)
}

/// A request with whom to answer.
struct Letter {
    from: AccountId,
    request: ControlRequest,
    responder: Responder,
}

/// Speaks to the prover's task.
pub struct Prover {
    letters: mpsc::Sender<Letter>,
    task: JoinHandle<()>,
}

impl Prover {
    /// Starts proving in the name of `hotkey`, by the rules of the run in work. To be called in a tokio runtime.
    pub fn start(hotkey: AccountId, rules: &HardwareRules) -> Self {
        let (letters, mailbox) = mpsc::channel(MAX_WAITING_REQUESTS);
        let task = Task {
            hotkey,
            side: rules.side,
            keep: Duration::from_millis(u64::from(rules.open_ms) + u64::from(rules.round_trip_ms)),
            patience: NetCaps::default().max_request_time,
            waiting: VecDeque::new(),
            at_work: None,
            kept: BTreeMap::new(),
        };
        Self { letters, task: tokio::spawn(task.run(mailbox)) }
    }

    /// Takes a request, of somebody to whom the metagraph gives a validator permit. Whoever else asks, or asks something
    /// else than proofs, is told that this is not answered.
    pub async fn on_request(
        &self,
        metagraph: &Metagraph,
        from: AccountId,
        request: ControlRequest,
        responder: Responder,
    ) {
        if !metagraph.by_hotkey(&from).is_some_and(|neuron| neuron.validator_permit) {
            return;
        }
        let letter = Letter { from, request, responder };
        if let Err(error) = self.letters.try_send(letter) {
            error.into_inner().responder.respond(ControlResponse::Refused(ControlRefusal::Busy)).await;
        }
    }

    /// Stops. A product that is being computed is finished by its thread, and dropped.
    pub async fn shutdown(self) {
        self.task.abort();
        // It ends cancelled, as it was told to.
        let _ = self.task.await;
    }
}

/// A challenge with whom to answer.
struct Waiting {
    from: AccountId,
    challenge: ComputeChallenge,
    responder: Responder,
    since: Instant,
}

/// The challenge being computed.
struct AtWork {
    from: AccountId,
    nonce: [u8; 32],
    responder: Responder,
    product: JoinHandle<Product>,
}

/// A product whose root was given.
struct Kept {
    nonce: [u8; 32],
    product: Product,
    until: Instant,
}

struct Task {
    hotkey: AccountId,
    side: u32,
    /// How long a product is kept: as long as a validator waits for its tiles, and the way of the root to it.
    keep: Duration,
    /// How long an asker waits for an answer, at most.
    patience: Duration,
    waiting: VecDeque<Waiting>,
    at_work: Option<AtWork>,
    kept: BTreeMap<AccountId, Kept>,
}

impl Task {
    async fn run(mut self, mut mailbox: mpsc::Receiver<Letter>) {
        loop {
            self.start_next();
            let over = self.kept.values().map(|kept| kept.until).min();
            let at_work = self.at_work.as_mut();
            let product = async {
                match at_work {
                    Some(at_work) => (&mut at_work.product).await,
                    None => pending().await,
                }
            };
            let expiry = async {
                match over {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                letter = mailbox.recv() => match letter {
                    Some(letter) => self.on_letter(letter).await,
                    None => return,
                },
                product = product => self.on_product(product).await,
                () = expiry => self.kept.retain(|_, kept| kept.until > Instant::now()),
            }
        }
    }

    async fn on_letter(&mut self, Letter { from, request, responder }: Letter) {
        let (responder, response) = match request {
            ControlRequest::ProveCompute(challenge) => match self.accept(from, challenge, responder) {
                Ok(()) => return,
                Err((turned_away, refusal)) => (turned_away, ControlResponse::Refused(refusal)),
            },
            ControlRequest::OpenTiles { nonce, tiles } => {
                let opened = self.open(&from, &nonce, &tiles);
                (responder, opened.map_or_else(ControlResponse::Refused, ControlResponse::Tiles))
            }
            // Dropped, the asker is told that this is not answered.
            _ => return,
        };
        responder.respond(response).await;
    }

    /// Puts a challenge in the queue. One of the same validator that waits, or whose product is kept, makes room for it.
    fn accept(
        &mut self,
        from: AccountId,
        challenge: ComputeChallenge,
        responder: Responder,
    ) -> Result<(), (Responder, ControlRefusal)> {
        if challenge.side != self.side {
            return Err((responder, ControlRefusal::OutOfRange));
        }
        self.kept.remove(&from);
        let new = Waiting { from, challenge, responder, since: Instant::now() };
        if let Some(earlier) = self.waiting.iter_mut().find(|waiting| waiting.from == from) {
            let earlier = std::mem::replace(earlier, new);
            return Err((earlier.responder, ControlRefusal::Busy));
        }
        if self.waiting.len() >= MAX_WAITING_CHALLENGES {
            return Err((new.responder, ControlRefusal::Busy));
        }
        self.waiting.push_back(new);
        Ok(())
    }

    /// Begins the next product, unless one is being computed or those that are kept take all the memory.
    fn start_next(&mut self) {
        let patience = self.patience;
        while self.at_work.is_none() && self.kept.len() < max_kept_products(self.side) {
            let Some(Waiting { from, challenge, responder, since }) = self.waiting.pop_front() else { return };
            // Nobody waits for it any more; dropped, whoever still does is told so.
            if since.elapsed() >= patience {
                continue;
            }
            let ComputeChallenge { side, nonce, beacon } = challenge;
            match Challenge::bind(side, &nonce, &beacon.0, &self.hotkey.0) {
                Ok(challenge) => {
                    let product = spawn_blocking(move || Product::compute(&challenge));
                    self.at_work = Some(AtWork { from, nonce, responder, product });
                }
                // A manifest that was validated has a side that can be.
                Err(error) => tracing::error!(%error, "a challenge of the run's side cannot be computed"),
            }
        }
    }

    async fn on_product(&mut self, product: Result<Product, JoinError>) {
        let Some(AtWork { from, nonce, responder, .. }) = self.at_work.take() else { return };
        let product = match product {
            Ok(product) => product,
            Err(error) => return tracing::error!(%error, "a product was not computed"),
        };
        let root = product.root().into();
        // A newer challenge of the same validator is kept later, in its place.
        self.kept.insert(from, Kept { nonce, product, until: Instant::now() + self.keep });
        responder.respond(ControlResponse::ProductRoot(root)).await;
    }

    /// Opens tiles of the product of that name, which is then forgotten.
    fn open(&mut self, from: &AccountId, nonce: &[u8; 32], tiles: &[u32]) -> Result<Vec<TileOpening>, ControlRefusal> {
        let is_kept = |kept: &&Kept| kept.nonce == *nonce && kept.until > Instant::now();
        let kept = self.kept.get(from).filter(is_kept).ok_or(ControlRefusal::NotFound)?;
        if tiles.is_empty() || tiles.len() > MAX_OPENED_TILES {
            return Err(ControlRefusal::OutOfRange);
        }
        let opened = kept.product.open(tiles).map_err(|_| ControlRefusal::OutOfRange)?;
        self.kept.remove(from);
        Ok(opened.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use engine::work_proof::{MAX_SIDE, MIN_SIDE};

    use super::*;

    #[test]
    fn kept_products_fit_the_memory_for_them_but_one_always_is() {
        assert_eq!(max_kept_products(MAX_SIDE), 1);
        for side in [MIN_SIDE, 512, 2048] {
            let bytes = max_kept_products(side) as u64 * 4 * u64::from(side).pow(2);
            assert!(bytes <= MAX_KEPT_PRODUCT_BYTES, "{side}");
            assert!(bytes > MAX_KEPT_PRODUCT_BYTES * 9 / 10, "{side}");
        }
    }
}
