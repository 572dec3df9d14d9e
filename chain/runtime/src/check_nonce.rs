//! Replay protection that also admits accounts without funds, for calls that are free.
//!
//! FRAME refuses a signer whose account nothing keeps alive, because somebody has to pay for storing its nonce. A fresh
//! hotkey is such an account: it holds no balance, yet must serve its axon, set weights and post commitments, which are
//! all `Pays::No`. So here the refusal applies only to calls that cost a fee, as on Bittensor.
//!
//! The price is that anybody can make the chain store nonces for accounts made up on the spot. On a development chain
//! the endpoint is local; an open network would have to rate-limit these calls before admitting them.

use codec::{Decode, DecodeWithMemTracking, Encode};
use core::fmt;
use frame_support::dispatch::{DispatchInfo, Pays};
use frame_support::pallet_prelude::{TransactionSource, Weight};
use frame_system::{CheckNonce as FrameCheckNonce, Config, ValidNonceInfo};
use scale_info::TypeInfo;
use scale_info::prelude::vec;
use sp_runtime::DispatchResult;
use sp_runtime::traits::{
    AsSystemOriginSigner, DispatchInfoOf, Dispatchable, One, PostDispatchInfoOf, Saturating, TransactionExtension,
    ValidateResult, Zero,
};
use sp_runtime::transaction_validity::{
    InvalidTransaction, TransactionLongevity, TransactionValidityError, ValidTransaction,
};

/// Checks the signer's nonce and counts it up. Known to clients as `CheckNonce`, with FRAME's encoding.
#[derive(Encode, Decode, DecodeWithMemTracking, Clone, Eq, PartialEq, TypeInfo)]
#[scale_info(skip_type_params(T))]
pub struct CheckNonce<T: Config>(#[codec(compact)] pub T::Nonce);

impl<T: Config> fmt::Debug for CheckNonce<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CheckNonce({:?})", self.0)
    }
}

impl<T: Config> CheckNonce<T> {
    /// The pool's tags for this nonce, or why it is refused.
    fn tags(&self, who: &T::AccountId, pays: Pays) -> Result<ValidNonceInfo, TransactionValidityError> {
        let account = frame_system::Account::<T>::get(who);
        let nothing_keeps_it_alive = account.providers.is_zero() && account.sufficients.is_zero();
        if !(nothing_keeps_it_alive && pays == Pays::No) {
            return FrameCheckNonce::<T>::validate_nonce_for_account(who, self.0);
        }
        if self.0 < account.nonce {
            return Err(InvalidTransaction::Stale.into());
        }
        let requires =
            if account.nonce < self.0 { vec![(who, self.0.saturating_sub(One::one())).encode()] } else { vec![] };
        Ok(ValidNonceInfo { provides: vec![(who, self.0).encode()], requires })
    }
}

impl<T: Config> TransactionExtension<T::RuntimeCall> for CheckNonce<T>
where
    T::RuntimeCall: Dispatchable<Info = DispatchInfo>,
    <T::RuntimeCall as Dispatchable>::RuntimeOrigin: AsSystemOriginSigner<T::AccountId> + Clone,
{
    const IDENTIFIER: &'static str = "CheckNonce";
    type Implicit = ();
    /// The signer, where there is one.
    type Val = Option<T::AccountId>;
    /// The weight to give back: all of it where there was no nonce to check.
    type Pre = Weight;

    fn weight(&self, call: &T::RuntimeCall) -> Weight {
        FrameCheckNonce::<T>(self.0).weight(call)
    }

    fn validate(
        &self,
        origin: T::RuntimeOrigin,
        _call: &T::RuntimeCall,
        info: &DispatchInfoOf<T::RuntimeCall>,
        _len: usize,
        _self_implicit: (),
        _inherited_implication: &impl Encode,
        _source: TransactionSource,
    ) -> ValidateResult<Self::Val, T::RuntimeCall> {
        let Some(who) = origin.as_system_origin_signer() else {
            return Ok((ValidTransaction::default(), None, origin));
        };
        let who = who.clone();
        let ValidNonceInfo { provides, requires } = self.tags(&who, info.pays_fee)?;
        let longevity = TransactionLongevity::MAX;
        let validity = ValidTransaction { priority: 0, requires, provides, longevity, propagate: true };
        Ok((validity, Some(who), origin))
    }

    fn prepare(
        self,
        signer: Self::Val,
        _origin: &T::RuntimeOrigin,
        call: &T::RuntimeCall,
        _info: &DispatchInfoOf<T::RuntimeCall>,
        _len: usize,
    ) -> Result<Weight, TransactionValidityError> {
        match signer {
            Some(who) => FrameCheckNonce::<T>::prepare_nonce_for_account(&who, self.0).map(|()| Weight::zero()),
            None => Ok(self.weight(call)),
        }
    }

    fn post_dispatch_details(
        unspent: Weight,
        _info: &DispatchInfo,
        _post_info: &PostDispatchInfoOf<T::RuntimeCall>,
        _len: usize,
        _result: &DispatchResult,
    ) -> Result<Weight, TransactionValidityError> {
        Ok(unspent)
    }
}
