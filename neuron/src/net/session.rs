//! Who is connected, who has proven what, and what follows from it. No I/O: events and time in, actions out.
//!
//! **One hotkey, one live peer.** When two peers prove the same hotkey, the proof with the newer block wins, and of two with the
//! same block the later to arrive. So a neuron that restarts under a new transport key replaces its old self at once, and
//! somebody who runs one hotkey twice hears of it on the side that lost.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use keys::AccountId;
use libp2p::PeerId;
use tokio::time::Instant;

use super::gate::Opening;
use super::handshake::{Proof, Refusal};

/// How many proofs a peer may send per connection. It needs two (its own, and one in answer to ours); each costs us a
/// signature check.
const MAX_HELLOS_PER_CONNECTION: u32 = 4;
/// How long a refused peer stays connected, so that it can read why.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);

/// What the sessions' owner must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Move the gate.
    Open(PeerId, Opening),
    /// Both sides believe each other.
    Proven(PeerId, AccountId),
    /// A peer that was `Proven` no longer is.
    Lost(PeerId, AccountId),
    /// Close all connections.
    Disconnect(PeerId),
    /// Close all connections and accept none until the ban is over.
    Ban(PeerId, Duration),
    /// Tell the application and count it.
    Refused { peer: PeerId, hotkey: Option<AccountId>, refusal: Refusal },
    /// The other side refused us.
    RefusedByPeer { peer: PeerId, refusal: Refusal },
}

/// How long refused peers stay out.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionTimes {
    pub(super) proof_deadline: Duration,
    pub(super) ban: Duration,
    pub(super) short_ban: Duration,
}

struct Session {
    connections: u32,
    deadline: Instant,
    theirs: Option<Proof>,
    ours_accepted: bool,
    hellos_left: u32,
    /// Set once refused: when to close, and how long to ban.
    leaving: Option<(Instant, Duration)>,
}

impl Session {
    fn is_mutual(&self) -> bool {
        self.theirs.is_some() && self.ours_accepted && self.leaving.is_none()
    }
}

/// A proof that is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Believed {
    /// The peer has restarted since its last proof: connections older than this proof's are dead.
    pub(super) is_restarted: bool,
}

pub(super) struct Sessions {
    times: SessionTimes,
    sessions: HashMap<PeerId, Session>,
    by_hotkey: HashMap<AccountId, PeerId>,
}

impl Sessions {
    pub(super) fn new(times: SessionTimes) -> Self {
        Self { times, sessions: HashMap::new(), by_hotkey: HashMap::new() }
    }

    /// The hotkey that `peer` has proven to us, unless it is on its way out.
    pub(super) fn hotkey_of(&self, peer: &PeerId) -> Option<AccountId> {
        let session = self.sessions.get(peer).filter(|session| session.leaving.is_none())?;
        session.theirs.map(|proof| proof.hotkey)
    }

    /// Whether requests to this peer will be heard.
    pub(super) fn is_mutual(&self, peer: &PeerId) -> bool {
        self.sessions.get(peer).is_some_and(Session::is_mutual)
    }

    /// The peer that speaks for `hotkey`, if we have its proof.
    pub(super) fn peer_of(&self, hotkey: &AccountId) -> Option<PeerId> {
        self.by_hotkey.get(hotkey).copied()
    }

    /// All pairs that believe each other.
    pub(super) fn proven(&self) -> impl Iterator<Item = (AccountId, PeerId)> {
        let is_mutual = |peer: &PeerId| self.sessions.get(peer).is_some_and(Session::is_mutual);
        self.by_hotkey.iter().filter(move |(_, peer)| is_mutual(peer)).map(|(hotkey, peer)| (*hotkey, *peer))
    }

    /// A connection is up; our proof should be sent.
    pub(super) fn connected(&mut self, peer: PeerId, now: Instant) {
        let deadline = now + self.times.proof_deadline;
        let session = self.sessions.entry(peer).or_insert(Session {
            connections: 0,
            deadline,
            theirs: None,
            ours_accepted: false,
            hellos_left: 0,
            leaving: None,
        });
        session.connections += 1;
        session.hellos_left = session.hellos_left.saturating_add(MAX_HELLOS_PER_CONNECTION);
    }

    /// A connection is down.
    pub(super) fn disconnected(&mut self, peer: PeerId, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.connections = session.connections.saturating_sub(1);
        if session.connections == 0 {
            self.retire(peer, actions);
            self.sessions.remove(&peer);
        }
    }

    /// A proof has come in that claims to be of a hotkey, checked or refused by
    /// [`Hello::check`](super::handshake::Hello::check).
    pub(super) fn hello(
        &mut self,
        peer: PeerId,
        claimed: AccountId,
        checked: Result<Proof, Refusal>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Result<Believed, Refusal> {
        let Some(session) = self.sessions.get_mut(&peer) else { return Err(Refusal::Absent) };
        let earlier = session.theirs;
        let is_insistent = session.leaving.is_some() || session.hellos_left == 0;
        session.hellos_left = session.hellos_left.saturating_sub(1);
        let verdict = checked.and_then(|proof| {
            if is_insistent {
                return Err(Refusal::Insistent);
            }
            // A peer speaks for one hotkey as long as it is connected.
            if earlier.is_some_and(|earlier| earlier.hotkey != proof.hotkey) {
                return Err(Refusal::OtherHotkey);
            }
            Ok(proof)
        });
        let proof = match verdict {
            Ok(proof) => proof,
            Err(refusal) => {
                self.refuse_as(peer, Some(claimed), refusal, now, actions);
                return Err(refusal);
            }
        };
        let is_restarted = earlier.is_some_and(|earlier| earlier.start != proof.start);
        if is_restarted {
            self.retire(peer, actions);
            if let Some(session) = self.sessions.get_mut(&peer) {
                // Its old self believed us; its new self has yet to.
                session.ours_accepted = false;
                session.deadline = now + self.times.proof_deadline;
            }
        }
        if let Some(rival) = self.peer_of(&proof.hotkey).filter(|rival| *rival != peer) {
            let rival_block = self.sessions.get(&rival).and_then(|session| session.theirs).map(|proof| proof.block);
            if rival_block.is_some_and(|block| block > proof.block) {
                self.refuse_as(peer, Some(claimed), Refusal::Superseded, now, actions);
                return Err(Refusal::Superseded);
            }
            self.refuse(rival, Refusal::Superseded, now, actions);
        }
        self.by_hotkey.insert(proof.hotkey, peer);
        if let Some(session) = self.sessions.get_mut(&peer) {
            let was_mutual = session.is_mutual();
            session.theirs = Some(proof);
            if session.is_mutual() && !was_mutual {
                actions.extend([Action::Open(peer, Opening::Speaking), Action::Proven(peer, proof.hotkey)]);
            } else if !was_mutual {
                actions.push(Action::Open(peer, Opening::Hearing));
            }
        }
        Ok(Believed { is_restarted })
    }

    /// The peer believes us.
    pub(super) fn accepted_by_peer(&mut self, peer: PeerId, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let was_mutual = session.is_mutual();
        session.ours_accepted = true;
        if let Some(proof) = session.theirs
            && session.is_mutual()
            && !was_mutual
        {
            actions.extend([Action::Open(peer, Opening::Speaking), Action::Proven(peer, proof.hotkey)]);
        }
    }

    /// The peer does not believe us.
    pub(super) fn refused_by_peer(&mut self, peer: PeerId, refusal: Refusal, now: Instant, actions: &mut Vec<Action>) {
        self.retire(peer, actions);
        if let Some(session) = self.sessions.get_mut(&peer)
            && session.leaving.is_none()
        {
            session.leaving = Some((now + REFUSAL_LINGER, Duration::ZERO));
            actions.push(Action::RefusedByPeer { peer, refusal });
        }
    }

    /// Stops believing a peer. It is told (if it asked), then disconnected, and for most reasons banned.
    pub(super) fn refuse(&mut self, peer: PeerId, refusal: Refusal, now: Instant, actions: &mut Vec<Action>) {
        let hotkey = self.hotkey_of(&peer);
        self.refuse_as(peer, hotkey, refusal, now, actions);
    }

    fn refuse_as(
        &mut self,
        peer: PeerId,
        hotkey: Option<AccountId>,
        refusal: Refusal,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        self.retire(peer, actions);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if session.leaving.is_some() {
            return;
        }
        let ban = if refusal.may_be_honest() { self.times.short_ban } else { self.times.ban };
        session.leaving = Some((now + REFUSAL_LINGER, ban));
        actions.push(Action::Refused { peer, hotkey, refusal });
    }

    /// Hotkeys came or went.
    pub(super) fn members_changed(&mut self, members: &HashSet<AccountId>, now: Instant, actions: &mut Vec<Action>) {
        let gone: Vec<PeerId> =
            self.by_hotkey.iter().filter(|(hotkey, _)| !members.contains(hotkey)).map(|(_, peer)| *peer).collect();
        for peer in gone {
            self.refuse(peer, Refusal::NotRegistered, now, actions);
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let late: Vec<(PeerId, bool)> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.leaving.is_none() && !session.is_mutual() && now >= session.deadline)
            .map(|(peer, session)| (*peer, session.theirs.is_none()))
            .collect();
        for (peer, is_silent) in late {
            if is_silent {
                self.refuse(peer, Refusal::Absent, now, actions);
            } else {
                // We believe it, it never answered our proof: leave, and it may come again.
                self.retire(peer, actions);
            }
            // Its time was up already; a peer that said nothing waits for no answer.
            if let Some(session) = self.sessions.get_mut(&peer) {
                let ban = session.leaving.map(|(_, ban)| ban).unwrap_or_default();
                session.leaving = Some((now, ban));
            }
        }
        for (peer, session) in &self.sessions {
            if let Some((at, ban)) = session.leaving
                && now >= at
            {
                actions.push(match ban {
                    Duration::ZERO => Action::Disconnect(*peer),
                    ban => Action::Ban(*peer, ban),
                });
            }
        }
    }

    /// Takes back what a peer's proof gave it.
    fn retire(&mut self, peer: PeerId, actions: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let was_mutual = session.is_mutual();
        if let Some(proof) = session.theirs.take() {
            actions.push(Action::Open(peer, Opening::Shut));
            if self.by_hotkey.get(&proof.hotkey) == Some(&peer) {
                self.by_hotkey.remove(&proof.hotkey);
            }
            if was_mutual {
                actions.push(Action::Lost(peer, proof.hotkey));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::peer::PeerName;

    const TIMES: SessionTimes = SessionTimes {
        proof_deadline: Duration::from_secs(10),
        ban: Duration::from_secs(60),
        short_ban: Duration::from_secs(5),
    };
    const KEY: AccountId = AccountId([7; 32]);

    fn peer(seed: u8) -> PeerId {
        PeerName::from_seed(&[seed; 32]).0
    }

    fn proof(block: u64) -> Result<Proof, Refusal> {
        Ok(Proof { hotkey: KEY, block, start: 1 })
    }

    const BELIEVED: Result<Believed, Refusal> = Ok(Believed { is_restarted: false });

    /// Runs one step and returns what it wants done.
    fn step(sessions: &mut Sessions, f: impl FnOnce(&mut Sessions, &mut Vec<Action>)) -> Vec<Action> {
        let mut actions = Vec::new();
        f(sessions, &mut actions);
        actions
    }

    fn proven_session(now: Instant) -> Sessions {
        let mut sessions = Sessions::new(TIMES);
        step(&mut sessions, |s, a| {
            s.connected(peer(1), now);
            s.hello(peer(1), KEY, proof(100), now, a).unwrap();
            s.accepted_by_peer(peer(1), a);
        });
        assert!(sessions.is_mutual(&peer(1)));
        sessions
    }

    #[test]
    fn proven_only_when_both_sides_believe() {
        let now = Instant::now();
        let mut sessions = Sessions::new(TIMES);
        sessions.connected(peer(1), now);
        let actions = step(&mut sessions, |s, a| assert_eq!(s.hello(peer(1), KEY, proof(1), now, a), BELIEVED));
        assert_eq!(actions, [Action::Open(peer(1), Opening::Hearing)]);
        assert!(!sessions.is_mutual(&peer(1)));
        let actions = step(&mut sessions, |s, a| s.accepted_by_peer(peer(1), a));
        assert_eq!(actions, [Action::Open(peer(1), Opening::Speaking), Action::Proven(peer(1), KEY)]);
    }

    #[test]
    fn silence_is_banned_after_the_deadline_and_not_before() {
        let now = Instant::now();
        let mut sessions = Sessions::new(TIMES);
        sessions.connected(peer(1), now);
        let at = |s: &mut Sessions, seconds| step(s, |s, a| s.tick(now + Duration::from_secs(seconds), a));
        assert_eq!(at(&mut sessions, 9), []);
        assert_eq!(
            at(&mut sessions, 10),
            [
                Action::Refused { peer: peer(1), hotkey: None, refusal: Refusal::Absent },
                Action::Ban(peer(1), TIMES.short_ban)
            ]
        );
    }

    #[test]
    fn forgeries_are_banned_for_long_after_they_were_told() {
        let now = Instant::now();
        let mut sessions = Sessions::new(TIMES);
        sessions.connected(peer(1), now);
        let actions = step(&mut sessions, |s, a| {
            let reply = s.hello(peer(1), KEY, Err(Refusal::BadSignature), now, a);
            assert_eq!(reply, Err(Refusal::BadSignature));
        });
        assert_eq!(actions, [Action::Refused { peer: peer(1), hotkey: Some(KEY), refusal: Refusal::BadSignature }]);
        assert_eq!(step(&mut sessions, |s, a| s.tick(now, a)), []);
        let actions = step(&mut sessions, |s, a| s.tick(now + REFUSAL_LINGER, a));
        assert_eq!(actions, [Action::Ban(peer(1), TIMES.ban)]);
        // What it sends meanwhile changes nothing.
        let reply = sessions.hello(peer(1), KEY, proof(1), now, &mut Vec::new());
        assert_eq!(reply, Err(Refusal::Insistent));
        assert_eq!(sessions.hotkey_of(&peer(1)), None);
    }

    #[test]
    fn the_newer_proof_of_a_hotkey_wins() {
        let now = Instant::now();
        let mut sessions = proven_session(now);
        sessions.connected(peer(2), now);
        let older = sessions.hello(peer(2), KEY, proof(99), now, &mut Vec::new());
        assert_eq!(older, Err(Refusal::Superseded));
        assert_eq!(sessions.peer_of(&KEY), Some(peer(1)));

        sessions.connected(peer(3), now);
        let actions = step(&mut sessions, |s, a| assert_eq!(s.hello(peer(3), KEY, proof(100), now, a), BELIEVED));
        assert_eq!(
            actions,
            [
                Action::Open(peer(1), Opening::Shut),
                Action::Lost(peer(1), KEY),
                Action::Refused { peer: peer(1), hotkey: Some(KEY), refusal: Refusal::Superseded },
                Action::Open(peer(3), Opening::Hearing),
            ]
        );
        assert_eq!(sessions.peer_of(&KEY), Some(peer(3)));
        // The loser's end must not take the winner's place away.
        step(&mut sessions, |s, a| s.disconnected(peer(1), a));
        assert_eq!(sessions.peer_of(&KEY), Some(peer(3)));
    }

    #[test]
    fn a_peer_that_restarts_is_lost_and_proven_anew() {
        let now = Instant::now();
        let mut sessions = proven_session(now);
        sessions.connected(peer(1), now);
        let anew = Ok(Proof { hotkey: KEY, block: 100, start: 2 });
        let actions = step(&mut sessions, |s, a| {
            assert_eq!(s.hello(peer(1), KEY, anew, now, a), Ok(Believed { is_restarted: true }));
        });
        assert_eq!(
            actions,
            [Action::Open(peer(1), Opening::Shut), Action::Lost(peer(1), KEY), Action::Open(peer(1), Opening::Hearing)]
        );
        let actions = step(&mut sessions, |s, a| s.accepted_by_peer(peer(1), a));
        assert_eq!(actions, [Action::Open(peer(1), Opening::Speaking), Action::Proven(peer(1), KEY)]);
    }

    #[test]
    fn a_peer_speaks_for_one_hotkey() {
        let now = Instant::now();
        let mut sessions = proven_session(now);
        let other = AccountId([8; 32]);
        let changed = Ok(Proof { hotkey: other, block: 100, start: 1 });
        let reply = sessions.hello(peer(1), other, changed, now, &mut Vec::new());
        assert_eq!(reply, Err(Refusal::OtherHotkey));
        assert_eq!(sessions.hotkey_of(&peer(1)), None);
    }

    #[test]
    fn deregistered_hotkeys_are_dropped() {
        let now = Instant::now();
        let mut sessions = proven_session(now);
        assert_eq!(step(&mut sessions, |s, a| s.members_changed(&HashSet::from([KEY]), now, a)), []);
        let actions = step(&mut sessions, |s, a| s.members_changed(&HashSet::new(), now, a));
        assert!(actions.contains(&Action::Lost(peer(1), KEY)));
        assert_eq!(sessions.proven().count(), 0);
    }

    #[test]
    fn one_of_two_connections_may_close() {
        let now = Instant::now();
        let mut sessions = proven_session(now);
        sessions.connected(peer(1), now);
        assert_eq!(step(&mut sessions, |s, a| s.disconnected(peer(1), a)), []);
        let actions = step(&mut sessions, |s, a| s.disconnected(peer(1), a));
        assert_eq!(actions, [Action::Open(peer(1), Opening::Shut), Action::Lost(peer(1), KEY)]);
    }

    #[test]
    fn proof_after_proof_is_refused() {
        let now = Instant::now();
        let mut sessions = proven_session(now);
        let replies: Vec<_> = (0..MAX_HELLOS_PER_CONNECTION)
            .map(|_| sessions.hello(peer(1), KEY, proof(100), now, &mut Vec::new()))
            .collect();
        assert_eq!(replies.last(), Some(&Err(Refusal::Insistent)));
        assert_eq!(sessions.hotkey_of(&peer(1)), None);
    }
}
