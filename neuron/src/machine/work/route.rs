//! Whom a tensor is sent to, and what happens when they do not take it.
//!
//! The beacon ranks the receivers. A sender chooses freely between the first two, by latency and queue; further down it
//! goes only past refusals and timeouts. When nobody is left it starts again at the top after a pause, for as long as the
//! window lasts; receivers that can never take this tensor are not asked again.
//!
//! Invariants: one receiver at a time; every receiver asked is remembered, since the answer of an earlier one is still
//! good; at most one statement per receiver, however often it is repeated.

use std::collections::BTreeMap;

use keys::AccountId;

use crate::manifest::WorkRules;
use crate::message::names::{Hash, Millis};
use crate::message::transfer::{Receipt, Signed};

/// Receivers among which a sender may choose by speed.
const FREE_CHOICE: usize = 2;

/// What this sender knows of others' speed: estimates passed in, and its own observations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    latency_ms: BTreeMap<AccountId, u32>,
    outstanding: BTreeMap<AccountId, u32>,
}

impl Peers {
    /// A latency, observed or passed in: an average that forgets an eighth at a time.
    pub(crate) fn observe(&mut self, peer: AccountId, latency_ms: u32) {
        let average = self.latency_ms.entry(peer).or_insert(latency_ms);
        *average = average.saturating_sub(*average / 8).saturating_add(latency_ms / 8);
    }

    fn sent(&mut self, peer: AccountId) {
        *self.outstanding.entry(peer).or_default() += 1;
    }

    fn answered(&mut self, peer: &AccountId) {
        if let Some(outstanding) = self.outstanding.get_mut(peer) {
            *outstanding = outstanding.saturating_sub(1);
        }
    }

    fn cost(&self, peer: &AccountId, rules: &WorkRules) -> u64 {
        let outstanding = self.outstanding.get(peer).copied().unwrap_or(0);
        let latency_ms = self.latency_ms.get(peer).copied().unwrap_or(0);
        u64::from(latency_ms) + u64::from(outstanding) * u64::from(rules.queue_cost_ms)
    }
}

#[derive(Clone, Debug)]
struct Asked {
    to: AccountId,
    statement: Hash,
    since: Millis,
    deadline: Millis,
    receipted: bool,
}

/// The way of one tensor to its receiver.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    ranking: Vec<AccountId>,
    tried: Vec<AccountId>,
    never: Vec<AccountId>,
    asked: Option<Asked>,
    resume_at: Millis,
    statements: BTreeMap<Hash, (AccountId, Option<Signed<Receipt>>)>,
    closed: bool,
}

/// What a route wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Send to this receiver now.
    Send(AccountId),
    /// Nothing before [`Route::wake_at`].
    Wait,
    /// Nobody is left who could ever take it.
    Exhausted,
}

impl Route {
    pub(crate) fn new(ranking: Vec<AccountId>) -> Self {
        Self {
            ranking,
            tried: Vec::new(),
            never: Vec::new(),
            asked: None,
            resume_at: Millis(0),
            statements: BTreeMap::new(),
            closed: false,
        }
    }

    /// The receiver whose answer is awaited.
    pub(crate) fn current(&self) -> Option<AccountId> {
        self.asked.as_ref().map(|asked| asked.to)
    }

    /// Whether this receiver was ever asked: if so, an answer from it is good.
    pub(crate) fn was_asked(&self, peer: &AccountId) -> bool {
        self.statements.values().any(|(to, _)| to == peer)
    }

    /// Whether somebody else was asked before.
    pub(crate) fn is_reroute(&self, to: &AccountId) -> bool {
        self.statements.values().any(|(earlier, _)| earlier != to)
    }

    /// The receipt that a receiver gave.
    pub(crate) fn receipt_of(&self, peer: &AccountId) -> Option<Signed<Receipt>> {
        self.statements.values().find(|(to, _)| to == peer).and_then(|(_, receipt)| *receipt)
    }

    /// The awaited answer is in, or nothing more is wanted: never send again.
    pub(crate) fn close(&mut self, peers: &mut Peers) {
        self.drop_current(peers);
        self.closed = true;
    }

    /// Starts again at the top: the receiver asks for it once more.
    pub(crate) fn reopen(&mut self) {
        self.closed = false;
        self.tried.clear();
        self.never.clear();
    }

    fn drop_current(&mut self, peers: &mut Peers) -> Option<AccountId> {
        let asked = self.asked.take()?;
        peers.answered(&asked.to);
        Some(asked.to)
    }

    /// Gives up on the current receiver if its time is over.
    pub(crate) fn expire(&mut self, now: Millis, peers: &mut Peers) {
        let Some(asked) = self.asked.as_ref().filter(|asked| asked.deadline <= now) else { return };
        let known_ms = peers.latency_ms.get(&asked.to).copied().unwrap_or(0);
        peers.observe(asked.to, known_ms.max(now.since(asked.since)));
        let silent = self.drop_current(peers);
        self.tried.extend(silent);
    }

    /// The current receiver refused; `forever` when it can never take this tensor.
    pub(crate) fn refused(&mut self, statement: &Hash, forever: bool, peers: &mut Peers) {
        if self.asked.as_ref().is_some_and(|asked| asked.statement == *statement) {
            let list = if forever { &mut self.never } else { &mut self.tried };
            list.extend(self.asked.take().map(|asked| {
                peers.answered(&asked.to);
                asked.to
            }));
        } else if forever && let Some((to, _)) = self.statements.get(statement) {
            self.never.push(*to);
        }
    }

    /// A receiver receipted: now its work may take until `deadline`.
    pub(crate) fn receipted(&mut self, receipt: &Signed<Receipt>, now: Millis, wait_ms: u32, peers: &mut Peers) {
        let statement = &receipt.statement.transfer;
        if let Some((_, slot)) = self.statements.get_mut(statement) {
            slot.get_or_insert(*receipt);
        }
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.statement == *statement && !asked.receipted) {
            asked.receipted = true;
            asked.deadline = now.plus(wait_ms);
            peers.observe(asked.to, now.since(asked.since));
        }
    }

    /// Whom to turn to now. May start a new round, so it is asked only by who acts on the answer.
    pub(crate) fn next(&mut self, now: Millis, rules: &WorkRules, peers: &Peers) -> Next {
        if self.closed || self.asked.is_some() || now < self.resume_at {
            return Next::Wait;
        }
        let possible = |peer: &&AccountId| !self.never.contains(peer);
        if !self.ranking.iter().any(|peer| possible(&peer)) {
            return Next::Exhausted;
        }
        let open = |peer: &&AccountId| possible(peer) && !self.tried.contains(peer);
        let (free, rest) = self.ranking.split_at(self.ranking.len().min(FREE_CHOICE));
        let fastest = free.iter().filter(open).min_by_key(|peer| peers.cost(peer, rules));
        if let Some(to) = fastest.or_else(|| rest.iter().find(open)) {
            return Next::Send(*to);
        }
        self.tried.clear();
        self.resume_at = now.plus(rules.retry_ms);
        Next::Wait
    }

    /// Notes that the statement went to this receiver.
    pub(crate) fn sent(&mut self, to: AccountId, statement: Hash, now: Millis, rules: &WorkRules, peers: &mut Peers) {
        peers.sent(to);
        self.statements.entry(statement).or_insert((to, None));
        self.asked = Some(Asked { to, statement, since: now, deadline: now.plus(rules.receipt_ms), receipted: false });
    }

    /// When something is due.
    pub(crate) fn wake_at(&self) -> Option<Millis> {
        if self.closed {
            return None;
        }
        Some(self.asked.as_ref().map_or(self.resume_at, |asked| asked.deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::manifest;

    fn peer(number: u8) -> AccountId {
        AccountId([number; 32])
    }

    fn send(route: &mut Route, peers: &mut Peers, now: Millis) -> Next {
        let rules = manifest().work;
        let next = route.next(now, &rules, peers);
        if let Next::Send(to) = next {
            route.sent(to, Hash(to.0), now, &rules, peers);
        }
        next
    }

    #[test]
    fn the_first_two_are_chosen_by_speed_and_the_rest_in_order() {
        let mut peers = Peers::default();
        peers.observe(peer(1), 80);
        peers.observe(peer(2), 10);
        let mut route = Route::new((1..=4).map(peer).collect());
        for expected in [2, 1, 3, 4] {
            assert_eq!(send(&mut route, &mut peers, Millis(0)), Next::Send(peer(expected)));
            assert_eq!(send(&mut route, &mut peers, Millis(0)), Next::Wait, "one at a time");
            route.refused(&Hash(peer(expected).0), false, &mut peers);
        }
        assert_eq!(send(&mut route, &mut peers, Millis(0)), Next::Wait);
        assert_eq!(send(&mut route, &mut peers, Millis(200)), Next::Send(peer(2)), "a new round after the pause");
    }

    #[test]
    fn a_queue_counts_like_latency() {
        let mut peers = Peers::default();
        peers.observe(peer(2), 60);
        for _ in 0..2 {
            peers.sent(peer(1));
        }
        // Two outstanding at 50 ms each weigh more than 60 ms of latency.
        assert_eq!(send(&mut Route::new(vec![peer(1), peer(2)]), &mut peers, Millis(0)), Next::Send(peer(2)));
    }

    #[test]
    fn silence_counts_and_a_receipt_buys_time() {
        let (mut peers, rules) = (Peers::default(), manifest().work);
        let mut route = Route::new(vec![peer(1), peer(2)]);
        assert_eq!(send(&mut route, &mut peers, Millis(0)), Next::Send(peer(1)));
        let receipt = Signed {
            statement: Receipt { transfer: Hash(peer(1).0), by: peer(1), credits: 0 },
            signature: keys::Signature::Sr25519([0; 64]),
        };
        route.receipted(&receipt, Millis(100), 1000, &mut peers);
        route.expire(Millis(u64::from(rules.receipt_ms)), &mut peers);
        assert_eq!(route.current(), Some(peer(1)));
        route.expire(Millis(1100), &mut peers);
        assert_eq!(send(&mut route, &mut peers, Millis(1100)), Next::Send(peer(2)));
        assert!(route.was_asked(&peer(1)), "its answer is still good");
        assert!(route.is_reroute(&peer(2)));
        assert_eq!(route.receipt_of(&peer(1)), Some(receipt));
    }

    #[test]
    fn those_who_never_can_are_not_asked_again() {
        let mut peers = Peers::default();
        let mut route = Route::new(vec![peer(1)]);
        assert_eq!(send(&mut route, &mut peers, Millis(0)), Next::Send(peer(1)));
        route.refused(&Hash(peer(1).0), true, &mut peers);
        assert_eq!(send(&mut route, &mut peers, Millis(0)), Next::Exhausted);
        assert_eq!(Route::new(vec![]).next(Millis(0), &manifest().work, &peers), Next::Exhausted);
    }
}
