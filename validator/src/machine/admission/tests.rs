//! Proofs that hold and proofs that fail, at their exact boundaries, without a network or a clock.

use engine::work_proof::Product;
use neuron::wire;

use super::*;

const RULES: HardwareRules = HardwareRules {
    side: 128,
    multiplications_per_second: DECLARED,
    slack_per_mille: 250,
    round_trip_ms: 20,
    open_ms: 500,
    fleet_per_mille: 0,
};
/// 128³ multiplications in 100 ms.
const DECLARED: u64 = 128 * 128 * 128 * 10;
const ALLOWED_MS: u32 = 145;
const BEACON: Beacon = Beacon([3; 32]);

fn prover(n: u8) -> Prover {
    Prover { hotkey: AccountId([n; 32]), declared_per_second: DECLARED }
}

fn start(admission: &mut Admission, miners: &[Prover]) -> Vec<Ask> {
    admission.on_window(Millis(1000), WindowId(1), BEACON, miners, &[9; 32]).unwrap()
}

fn product(ask: &Ask, as_whom: AccountId) -> Product {
    Product::compute(&Challenge::bind(ask.side, &ask.nonce, &ask.beacon.0, &as_whom.0).unwrap())
}

fn prove(admission: &mut Admission, ask: &Ask, as_whom: AccountId, took_ms: u32) -> Outcome {
    let product = product(ask, as_whom);
    let now = Millis(1000).plus(took_ms);
    let tiles = admission.on_root(now, ask, product.root(), [5; 32]).unwrap();
    open(admission, ask, &product, &tiles)
}

fn open(admission: &mut Admission, ask: &Ask, product: &Product, tiles: &[u32]) -> Outcome {
    let check = admission.on_opened(ask, product.open(tiles).unwrap()).unwrap();
    admission.on_checked(check.run()).unwrap()
}

#[test]
fn an_honest_proof_in_time_is_admitted_and_measured() {
    let mut admission = Admission::new(RULES, Vec::new());
    assert_eq!(admission.allowed_ms(DECLARED), ALLOWED_MS);
    let asks = start(&mut admission, &[prover(1)]);
    assert_eq!(admission.factor_per_mille(&prover(1).hotkey), 0, "not before it proved");
    let outcome = prove(&mut admission, &asks[0], asks[0].hotkey, 100);
    assert_eq!((outcome.verdict, outcome.measured_per_second), (Ok(()), Some(DECLARED)));
    assert_eq!(admission.factor_per_mille(&prover(1).hotkey), 1000);
    assert!(start(&mut admission, &[prover(1)]).is_empty(), "proved once, it is left alone");
    let boast = Prover { declared_per_second: DECLARED * 2, ..prover(1) };
    assert_eq!(start(&mut admission, &[boast]).len(), 1, "another declaration is another claim");
}

#[test]
fn the_boundary_of_too_slow_is_exact_and_a_slow_machine_is_still_measured() {
    for (took_ms, passes) in [(ALLOWED_MS, true), (ALLOWED_MS + 1, false)] {
        let mut admission = Admission::new(RULES, Vec::new());
        let asks = start(&mut admission, &[prover(1)]);
        let outcome = prove(&mut admission, &asks[0], asks[0].hotkey, took_ms);
        assert_eq!(outcome.verdict.is_ok(), passes, "{took_ms} ms");
        assert!(outcome.measured_per_second.is_some());
        assert_eq!(start(&mut admission, &[prover(1)]).is_empty(), passes, "who failed is asked again");
    }
}

#[test]
fn an_answer_made_for_another_identity_is_false() {
    let mut admission = Admission::new(RULES, Vec::new());
    let asks = start(&mut admission, &[prover(1), prover(2)]);
    assert_ne!(asks[0].nonce, asks[1].nonce);
    let outcome = prove(&mut admission, &asks[0], asks[1].hotkey, 10);
    assert!(matches!(outcome.verdict, Err(ProofFault::False(WorkProofError::False { .. }))), "{outcome:?}");
    assert_eq!(outcome.measured_per_second, None);
}

#[test]
fn tiles_that_fit_no_root_and_roots_that_come_twice_do_not_help() {
    let mut admission = Admission::new(RULES, Vec::new());
    let asks = start(&mut admission, &[prover(1)]);
    let product = product(&asks[0], asks[0].hotkey);
    let guess = Digest([7; 32]);
    let tiles = admission.on_root(Millis(1001), &asks[0], guess, [5; 32]).unwrap();
    assert_eq!(admission.on_root(Millis(1100), &asks[0], product.root(), [6; 32]), None);
    let outcome = open(&mut admission, &asks[0], &product, &tiles);
    assert!(matches!(outcome.verdict, Err(ProofFault::False(WorkProofError::Proof(_)))), "{outcome:?}");
}

#[test]
fn the_silent_are_given_up_at_their_deadline() {
    let mut admission = Admission::new(RULES, Vec::new());
    let asks = start(&mut admission, &[prover(1), prover(2)]);
    let wake = admission.wake_at().unwrap();
    assert_eq!(wake, Millis(1000 + u64::from(ALLOWED_MS * GIVE_UP_FACTOR)));
    admission.on_root(Millis(1100), &asks[1], Digest([0; 32]), [5; 32]).unwrap();
    assert_eq!(admission.wake_at(), Some(wake));
    assert_eq!(admission.on_tick(Millis(wake.0 - 1)), []);
    let outcomes = admission.on_tick(wake);
    assert!(matches!(outcomes[..], [Outcome { verdict: Err(ProofFault::NoRoot { .. }), .. }]));
    let outcomes = admission.on_tick(Millis(1600));
    assert!(matches!(outcomes[..], [Outcome { verdict: Err(ProofFault::NotOpened { .. }), .. }]));
    assert_eq!(admission.wake_at(), None);
    assert_eq!(admission.on_opened(&asks[1], Vec::new()), None, "too late");
}

#[test]
fn while_tiles_are_recomputed_nothing_is_late_and_nothing_is_decided() {
    let mut admission = Admission::new(RULES, Vec::new());
    let ask = start(&mut admission, &[prover(1)])[0];
    let product = product(&ask, ask.hotkey);
    let tiles = admission.on_root(Millis(1050), &ask, product.root(), [5; 32]).unwrap();
    let check = admission.on_opened(&ask, product.open(&tiles).unwrap()).unwrap();
    assert_eq!(admission.on_opened(&ask, product.open(&tiles).unwrap()), None, "opened once");
    assert_eq!(admission.wake_at(), None);
    assert_eq!(admission.on_tick(Millis(1_000_000)), []);
    assert_eq!(admission.factor_per_mille(&ask.hotkey), 0);
    assert!(start(&mut admission, &[prover(1)]).is_empty(), "one proof at a time");
    let checked = check.run();
    assert_eq!(admission.on_checked(checked.clone()).unwrap().verdict, Ok(()));
    assert_eq!(admission.on_checked(checked), None, "counted once");
}

#[test]
fn who_gives_no_answer_is_not_admitted_and_is_asked_again() {
    let mut admission = Admission::new(RULES, Vec::new());
    let first = start(&mut admission, &[prover(1)])[0];
    let outcome = admission.on_no_answer(&first, "busy".to_owned()).unwrap();
    assert_eq!(outcome.verdict.unwrap_err().to_string(), "the root did not come: busy");
    assert_eq!(admission.on_no_answer(&first, "busy".to_owned()), None);
    let again = admission.on_window(Millis(2000), WindowId(2), BEACON, &[prover(1)], &[10; 32]).unwrap()[0];
    assert_ne!(first.nonce, again.nonce);
    let root = product(&first, first.hotkey).root();
    assert_eq!(admission.on_root(Millis(2001), &first, root, [5; 32]), None, "the first proof has ended");
    assert_eq!(admission.on_no_answer(&first, "late".to_owned()), None);
    admission.on_root(Millis(2001), &again, root, [5; 32]).unwrap();
    let outcome = admission.on_no_answer(&again, "busy".to_owned()).unwrap();
    assert_eq!(outcome.verdict.unwrap_err().to_string(), "the drawn tiles did not come: busy");
}

#[test]
fn proofs_that_hold_survive_a_restart_and_no_others() {
    let mut admission = Admission::new(RULES, Vec::new());
    let asks = start(&mut admission, &[prover(1), prover(2)]);
    prove(&mut admission, &asks[0], asks[0].hotkey, 100);
    prove(&mut admission, &asks[1], asks[0].hotkey, 100);
    let proofs = admission.proofs();
    let (hotkey, declared_per_second) = (asks[0].hotkey, DECLARED);
    assert_eq!(proofs, [Proof { hotkey, declared_per_second, measured_per_second: DECLARED }]);
    let mut restarted = Admission::new(RULES, proofs.clone());
    assert_eq!(restarted.proofs(), proofs);
    assert_eq!(restarted.factor_per_mille(&hotkey), 1000);
    let due: Vec<_> = start(&mut restarted, &[prover(1), prover(2)]).iter().map(|ask| ask.hotkey).collect();
    assert_eq!(due, [prover(2).hotkey]);
    let many = (0..=MAX_PROVERS as u32).map(|n| {
        let mut hotkey = [0; 32];
        hotkey[..4].copy_from_slice(&n.to_le_bytes());
        Proof { hotkey: AccountId(hotkey), ..proofs[0] }
    });
    assert_eq!(Admission::new(RULES, many.collect()).proofs().len(), MAX_PROVERS);
}

#[test]
fn a_proof_on_disk_has_one_form() {
    let proof = Proof { hotkey: AccountId([1; 32]), declared_per_second: 2, measured_per_second: 3 };
    let bytes = wire::encode::<_, MAX_PROOF_BYTES>(&proof).unwrap();
    assert_eq!(bytes.len(), MAX_PROOF_BYTES);
    assert_eq!(wire::decode::<Proof, MAX_PROOF_BYTES>(&bytes).unwrap(), proof);
    assert_eq!(wire::golden_hash(&proof).unwrap(), "ab923a034fcc6e22058d4564394164d4faa65b101b14760a053cb96ceea5cc79");
}

#[test]
fn in_a_fleet_window_everybody_is_asked_at_once() {
    let mut admission = Admission::new(HardwareRules { fleet_per_mille: 1000, ..RULES }, Vec::new());
    let miners = [prover(1), prover(2), prover(3)];
    for ask in start(&mut admission, &miners) {
        assert_eq!(prove(&mut admission, &ask, ask.hotkey, 50).verdict, Ok(()));
    }
    assert_eq!(start(&mut admission, &miners).len(), 3);
}

#[test]
fn the_gone_are_forgotten_and_rules_that_cannot_be_are_refused() {
    let mut admission = Admission::new(RULES, Vec::new());
    let ask = start(&mut admission, &[prover(1)])[0];
    prove(&mut admission, &ask, ask.hotkey, 50);
    start(&mut admission, &[prover(2)]);
    assert_eq!(admission.last(&prover(1).hotkey), None);
    let mut absurd = Admission::new(HardwareRules { side: 100, ..RULES }, Vec::new());
    let refused = absurd.on_window(Millis(0), WindowId(0), BEACON, &[prover(1)], &[0; 32]);
    assert_eq!(refused, Err(WorkProofError::Side(100)));
}
