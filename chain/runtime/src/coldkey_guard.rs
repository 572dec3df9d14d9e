//! While a coldkey's swap is announced, it does nothing else: what somebody who stole it could take is to be there when the
//! swap is made.
//!
//! It is checked for who signs a transaction, before a fee is taken. Proxies that the coldkey named go on; on Bittensor
//! they are stopped, too. Known to clients by the name of Bittensor's extension in which this is checked; nothing is signed
//! along for it.

use codec::{Decode, DecodeWithMemTracking, Encode};
use frame_support::pallet_prelude::{TransactionSource, Weight};
use frame_support::traits::{Get, OriginTrait};
use frame_support::weights::RuntimeDbWeight;
use scale_info::TypeInfo;
use sp_runtime::impl_tx_ext_default;
use sp_runtime::traits::{DispatchInfoOf, TransactionExtension, ValidateResult};
use sp_runtime::transaction_validity::{InvalidTransaction, ValidTransaction};

use crate::{Runtime, RuntimeCall, RuntimeOrigin, SubtensorModule};

/// What a transaction is refused with whose coldkey is to be swapped. Bittensor's number.
pub const COLDKEY_SWAP_ANNOUNCED: u8 = 0;

/// What a transaction is refused with whose coldkey's swap is disputed. Bittensor's number.
pub const COLDKEY_SWAP_DISPUTED: u8 = 21;

/// Refuses transactions of coldkeys that are being swapped.
#[derive(Encode, Decode, DecodeWithMemTracking, Clone, Eq, PartialEq, TypeInfo, Debug, Default)]
pub struct SubtensorTransactionExtension;

/// Whether a call is about the swap, or carries one that may be and is looked at in its turn.
fn is_about_the_swap(call: &RuntimeCall) -> bool {
    use pallet_subtensor::Call;
    matches!(
        call,
        RuntimeCall::SubtensorModule(
            Call::announce_coldkey_swap { .. }
                | Call::swap_coldkey_announced { .. }
                | Call::dispute_coldkey_swap { .. }
                | Call::clear_coldkey_swap_announcement { .. }
        ) | RuntimeCall::MevShield(pallet_shield::Call::submit_encrypted { .. })
    )
}

impl TransactionExtension<RuntimeCall> for SubtensorTransactionExtension {
    const IDENTIFIER: &'static str = "SubtensorTransactionExtension";
    type Implicit = ();
    type Val = ();
    type Pre = ();

    fn weight(&self, _call: &RuntimeCall) -> Weight {
        let database: RuntimeDbWeight = <Runtime as frame_system::Config>::DbWeight::get();
        database.reads(2)
    }

    fn validate(
        &self,
        origin: RuntimeOrigin,
        call: &RuntimeCall,
        _info: &DispatchInfoOf<RuntimeCall>,
        _len: usize,
        _self_implicit: Self::Implicit,
        _inherited_implication: &impl Encode,
        _source: TransactionSource,
    ) -> ValidateResult<Self::Val, RuntimeCall> {
        if let Some(who) = origin.as_signer() {
            SubtensorModule::ensure_no_coldkey_swap(who, is_about_the_swap(call)).map_err(|refusal| {
                InvalidTransaction::Custom(match refusal {
                    pallet_subtensor::Error::ColdkeySwapDisputed => COLDKEY_SWAP_DISPUTED,
                    _ => COLDKEY_SWAP_ANNOUNCED,
                })
            })?;
        }
        Ok((ValidTransaction::default(), (), origin))
    }

    impl_tx_ext_default!(RuntimeCall; prepare);
}
