//! Free calls by accounts without funds; and, in files of their own, proxies, coldkeys that are being
//! swapped, and calls that nobody means well with.

mod arguments;
mod coldkey_guard;
mod commitments;
mod hostile;
mod proxy;

use codec::Encode;
use frame_support::dispatch::GetDispatchInfo;
use frame_support::pallet_prelude::TransactionSource;
use sp_runtime::BuildStorage;
use sp_runtime::traits::DispatchTransaction;
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};

use crate::{AccountId, CheckNonce, Runtime, RuntimeCall, RuntimeGenesisConfig, RuntimeOrigin, System};

const UNFUNDED: [u8; 32] = [7; 32];

fn chain() -> sp_io::TestExternalities {
    let mut config = RuntimeGenesisConfig::default();
    config.balances.balances = vec![(AccountId::new([1; 32]), 1_000_000_000)];
    sp_io::TestExternalities::new(config.build_storage().expect("genesis builds"))
}

fn free_call() -> RuntimeCall {
    let info = Box::new(pallet_commitments::CommitmentInfo { fields: Default::default() });
    pallet_commitments::Call::set_commitment { netuid: 1, info }.into()
}

fn paid_call() -> RuntimeCall {
    frame_system::Call::remark { remark: vec![1] }.into()
}

type Outcome = Result<sp_runtime::transaction_validity::ValidTransaction, TransactionValidityError>;

fn validate(nonce: u32, call: &RuntimeCall, who: [u8; 32]) -> Outcome {
    let origin = RuntimeOrigin::signed(AccountId::new(who));
    CheckNonce::<Runtime>(nonce)
        .validate_only(origin, call, &call.get_dispatch_info(), 0, TransactionSource::External, 0)
        .map(|(validity, ..)| validity)
}

fn prepare(nonce: u32, call: &RuntimeCall, who: [u8; 32]) -> Result<(), TransactionValidityError> {
    let origin = RuntimeOrigin::signed(AccountId::new(who));
    CheckNonce::<Runtime>(nonce).validate_and_prepare(origin, call, &call.get_dispatch_info(), 0, 0).map(|_| ())
}

#[test]
fn an_unfunded_account_makes_free_calls_only() {
    chain().execute_with(|| {
        assert!(validate(0, &free_call(), UNFUNDED).is_ok());
        assert_eq!(validate(0, &paid_call(), UNFUNDED), Err(InvalidTransaction::Payment.into()));
        assert!(validate(0, &paid_call(), [1; 32]).is_ok(), "a funded one makes both");
    });
}

#[test]
fn a_free_call_cannot_be_replayed() {
    chain().execute_with(|| {
        let call = free_call();
        let validity = validate(0, &call, UNFUNDED).expect("fresh");
        assert_eq!(validity.provides, vec![(AccountId::new(UNFUNDED), 0u32).encode()]);
        assert!(validity.requires.is_empty());

        assert_eq!(prepare(1, &call, UNFUNDED), Err(InvalidTransaction::Future.into()));
        assert_eq!(prepare(0, &call, UNFUNDED), Ok(()));
        assert_eq!(System::account_nonce(AccountId::new(UNFUNDED)), 1);
        assert_eq!(validate(0, &call, UNFUNDED), Err(InvalidTransaction::Stale.into()));
        assert_eq!(prepare(0, &call, UNFUNDED), Err(InvalidTransaction::Stale.into()));

        let later = validate(2, &call, UNFUNDED).expect("waits in the pool");
        assert_eq!(later.requires, vec![(AccountId::new(UNFUNDED), 1u32).encode()]);
    });
}

#[test]
fn clients_see_the_extensions_in_their_order() {
    use sp_runtime::traits::TransactionExtension;
    let names: Vec<_> = crate::TxExtension::metadata().into_iter().map(|extension| extension.identifier).collect();
    assert_eq!(
        names,
        [
            "CheckNonZeroSender",
            "CheckSpecVersion",
            "CheckTxVersion",
            "CheckGenesis",
            "CheckMortality",
            "CheckNonce",
            "CheckWeight",
            "ChargeTransactionPayment",
            "SubtensorTransactionExtension"
        ]
    );
}

/// Bittensor's Python clients decode calls and events as such where the path of their type is `*::RuntimeCall` and
/// `*::RuntimeEvent`, with one name before it.
#[test]
fn clients_know_calls_and_events_by_their_path() {
    use scale_info::TypeInfo;
    let paths = [RuntimeCall::type_info().path, crate::RuntimeEvent::type_info().path];
    assert_eq!(
        paths.map(|path| path.segments),
        [["narrows_runtime", "RuntimeCall"], ["narrows_runtime", "RuntimeEvent"]]
    );
}

#[test]
fn the_slot_duration_is_what_genesis_says() {
    let mut config = RuntimeGenesisConfig::default();
    config.aura.slot_duration_millis = 250;
    let storage = config.build_storage().expect("genesis builds");
    sp_io::TestExternalities::new(storage).execute_with(|| {
        use frame_support::traits::Get;
        assert_eq!(<Runtime as crate::aura::Config>::SlotDuration::get(), 250);
        let metadata = Runtime::metadata_at_version(15).expect("version 15").encode();
        let needle = [b"\x30SlotDuration".as_slice(), &[]].concat();
        assert!(metadata.windows(needle.len()).any(|window| window == needle));
        assert_eq!(Runtime::metadata_versions(), vec![14, 15, 16]);
    });
}
