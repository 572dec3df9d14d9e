//! Whom to dial, and when. No I/O: the metagraph and results in, dials out.

use std::collections::BTreeMap;
use std::time::Duration;

use keys::AccountId;
use tokio::time::Instant;

use crate::net::AxonAddr;

/// Dials under way at once.
const MAX_DIALS: usize = 16;
/// Pause after the first failure; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(60);

struct Target {
    address: AxonAddr,
    failures: u32,
    /// Not before then.
    next: Option<Instant>,
    is_under_way: bool,
}

/// The axons that the chain lists, and how dialing them went.
#[derive(Default)]
pub(super) struct DialPlan {
    targets: BTreeMap<AccountId, Target>,
}

impl DialPlan {
    /// The chain's list, anew. Who has moved is dialed at once.
    pub(super) fn set_targets(&mut self, axons: &BTreeMap<AccountId, AxonAddr>) {
        self.targets.retain(|hotkey, _| axons.contains_key(hotkey));
        for (hotkey, address) in axons {
            let target = self.targets.entry(*hotkey).or_insert(Target {
                address: *address,
                failures: 0,
                next: None,
                is_under_way: false,
            });
            if target.address != *address {
                (target.address, target.failures, target.next) = (*address, 0, None);
            }
        }
    }

    /// The dials to start now.
    pub(super) fn due(
        &mut self,
        now: Instant,
        is_connected: impl Fn(&AccountId) -> bool,
    ) -> Vec<(AccountId, AxonAddr)> {
        let under_way = self.targets.values().filter(|target| target.is_under_way).count();
        let is_due = |hotkey: &AccountId, target: &Target| {
            !target.is_under_way && target.next.is_none_or(|next| now >= next) && !is_connected(hotkey)
        };
        let mut due = Vec::new();
        for (hotkey, target) in &mut self.targets {
            if under_way + due.len() >= MAX_DIALS {
                break;
            }
            if is_due(hotkey, target) {
                target.is_under_way = true;
                due.push((*hotkey, target.address));
            }
        }
        due
    }

    /// How a dial went.
    pub(super) fn done(&mut self, hotkey: &AccountId, is_connected: bool, now: Instant) {
        let Some(target) = self.targets.get_mut(hotkey) else { return };
        target.is_under_way = false;
        if is_connected {
            (target.failures, target.next) = (0, None);
        } else {
            let pause = FIRST_PAUSE.saturating_mul(1 << target.failures.min(16)).min(MAX_PAUSE);
            target.failures += 1;
            target.next = Some(now + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::AxonProtocol;

    fn axon(port: u16) -> AxonAddr {
        AxonAddr { ip: [127, 0, 0, 1].into(), port, protocol: AxonProtocol::Tcp }
    }

    fn plan(neurons: u8) -> DialPlan {
        let mut plan = DialPlan::default();
        plan.set_targets(&(0..neurons).map(|n| (AccountId([n; 32]), axon(n.into()))).collect());
        plan
    }

    #[test]
    fn the_unconnected_are_dialed_once_at_a_time() {
        let now = Instant::now();
        let mut plan = plan(3);
        let due = plan.due(now, |hotkey| hotkey.0[0] == 1);
        assert_eq!(due, [(AccountId([0; 32]), axon(0)), (AccountId([2; 32]), axon(2))]);
        assert_eq!(plan.due(now, |_| false), [(AccountId([1; 32]), axon(1))]);
        assert_eq!(plan.due(now, |_| false), []);
    }

    #[test]
    fn failures_are_retried_ever_later() {
        let now = Instant::now();
        let mut plan = plan(1);
        let hotkey = AccountId([0; 32]);
        let mut at = now;
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert_eq!(plan.due(at, |_| false).len(), 1);
            plan.done(&hotkey, false, at);
            let next = plan.targets[&hotkey].next.unwrap();
            assert_eq!(plan.due(next - Duration::from_millis(1), |_| false), []);
            pauses.push((next - at).as_millis());
            at = next;
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
        // Success, and later a loss: it is dialed at once.
        assert_eq!(plan.due(at, |_| false).len(), 1);
        plan.done(&hotkey, true, at);
        assert_eq!(plan.due(at, |_| true).len(), 0);
        assert_eq!(plan.due(at, |_| false).len(), 1);
    }

    #[test]
    fn who_has_moved_is_dialed_at_once() {
        let now = Instant::now();
        let mut plan = plan(1);
        let hotkey = AccountId([0; 32]);
        plan.due(now, |_| false);
        plan.done(&hotkey, false, now);
        plan.set_targets(&[(hotkey, axon(9))].into());
        assert_eq!(plan.due(now, |_| false), [(hotkey, axon(9))]);
        plan.set_targets(&BTreeMap::new());
        assert_eq!(plan.due(now, |_| false), []);
    }

    #[test]
    fn dials_under_way_are_limited() {
        let mut plan = plan(40);
        assert_eq!(plan.due(Instant::now(), |_| false).len(), MAX_DIALS);
        assert_eq!(plan.due(Instant::now(), |_| false).len(), 0);
    }
}
