//! What a coldkey may not do while its swap is announced.

use codec::Encode;
use frame_support::assert_ok;
use frame_support::dispatch::GetDispatchInfo;
use frame_support::pallet_prelude::TransactionSource;
use sp_runtime::traits::{BlakeTwo256, DispatchTransaction, Hash};
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};

use super::{chain, free_call, paid_call};
use crate::coldkey_guard::{COLDKEY_SWAP_ANNOUNCED, COLDKEY_SWAP_DISPUTED, SubtensorTransactionExtension};
use crate::{AccountId, RuntimeCall, RuntimeOrigin, SubtensorModule};

fn who() -> AccountId {
    AccountId::new([1; 32])
}

fn signed() -> RuntimeOrigin {
    RuntimeOrigin::signed(who())
}

fn refusal(call: &RuntimeCall, origin: RuntimeOrigin) -> Option<TransactionValidityError> {
    let info = call.get_dispatch_info();
    SubtensorTransactionExtension.validate_only(origin, call, &info, 0, TransactionSource::External, 0).err()
}

fn announcement() -> RuntimeCall {
    let new_coldkey_hash = BlakeTwo256::hash_of(&AccountId::new([9; 32]));
    pallet_subtensor::Call::announce_coldkey_swap { new_coldkey_hash }.into()
}

#[test]
fn a_coldkey_that_is_being_swapped_does_nothing_else() {
    chain().execute_with(|| {
        let (announced, disputed) = (
            Some(TransactionValidityError::from(InvalidTransaction::Custom(COLDKEY_SWAP_ANNOUNCED))),
            Some(TransactionValidityError::from(InvalidTransaction::Custom(COLDKEY_SWAP_DISPUTED))),
        );
        // What a carrier holds is a transaction of its own, and is refused for what it is.
        let carrier = pallet_shield::Call::submit_encrypted { ciphertext: Default::default() }.into();
        let calls = [paid_call(), free_call(), announcement(), carrier];
        let refusals = || calls.each_ref().map(|call| refusal(call, signed()));
        assert_eq!(refusals(), [None, None, None, None]);

        assert_ok!(SubtensorModule::announce_coldkey_swap(signed(), Default::default()));
        assert_eq!(refusals(), [announced, announced, None, None]);
        let batch = pallet_utility::Call::batch { calls: vec![announcement()] }.into();
        assert!(refusal(&batch, signed()).is_some(), "nothing is looked for inside another call");
        assert_eq!(refusal(&paid_call(), RuntimeOrigin::signed(AccountId::new([2; 32]))), None);
        assert_eq!(refusal(&paid_call(), RuntimeOrigin::root()), None);

        assert_ok!(SubtensorModule::dispute_coldkey_swap(signed()));
        assert_eq!(refusals(), [disputed, disputed, disputed, disputed]);
    });
}

#[test]
fn nothing_is_signed_along_for_it() {
    assert!(SubtensorTransactionExtension.encode().is_empty());
}
