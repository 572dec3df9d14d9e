//! Runs the runtime natively: the compiled-in functions, with the node's state behind them.
//!
//! A wasm runtime that panics is a trapped sandbox; a native one unwinds through the node. So every call is wrapped in
//! `catch_unwind`: a panic becomes the error that a trap would have been, the state machine rolls back what the call had
//! written, and the block builder drops the transaction.
//!
//! A stack overflow is no panic: it ends the process. The one way to it from outside is a call inside a call inside a
//! call, so what holds calls is decoded once with a limit of depth before the runtime, which has none where it reads its
//! arguments, gets to see it. What native execution cannot give is protection against an endless loop, and upgrades by
//! `set_code`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use codec::{DecodeLimit, Encode};
use frame_support::MAX_EXTRINSIC_DEPTH;
use narrows_runtime::{Hash, RuntimeCall, UncheckedExtrinsic, VERSION};
use sc_executor::RuntimeVersionOf;
use sc_executor::error::Error;
use sp_core::traits::{CallContext, CodeExecutor, ReadRuntimeVersion, RuntimeCode};
use sp_externalities::{Externalities, set_and_run_with_externalities};
use sp_runtime::transaction_validity::TransactionSource;
use sp_version::RuntimeVersion;

/// The bytes at `:code` of a chain that runs natively. They must exist and stand for one version of the runtime;
/// nothing executes them.
pub(crate) const NATIVE_CODE: &[u8] = b"narrows native runtime";

/// The native runtime as the node's executor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NativeExecutor;

impl CodeExecutor for NativeExecutor {
    type Error = Error;

    fn call(
        &self,
        ext: &mut dyn Externalities,
        _code: &RuntimeCode<'_>,
        method: &str,
        data: &[u8],
        _context: CallContext,
    ) -> (Result<Vec<u8>, Error>, bool) {
        let native = true;
        if !is_shallow(method, data) {
            let reason =
                format!("{method}: a call is nested more than {MAX_EXTRINSIC_DEPTH} deep, or is none; nest less");
            return (Err(Error::Other(reason)), native);
        }
        let dispatched = catching(|| {
            set_and_run_with_externalities(ext, || narrows_runtime::api::dispatch(method, data))
                .ok_or_else(|| Error::MethodNotFound(method.to_owned()))
        });
        (dispatched, native)
    }
}

impl RuntimeVersionOf for NativeExecutor {
    fn runtime_version(&self, _: &mut dyn Externalities, _: &RuntimeCode<'_>) -> Result<RuntimeVersion, Error> {
        Ok(VERSION)
    }
}

impl ReadRuntimeVersion for NativeExecutor {
    fn read_runtime_version(&self, _code: &[u8], _: &mut dyn Externalities) -> Result<Vec<u8>, String> {
        Ok(VERSION.encode())
    }
}

/// Whether the calls among a method's arguments are read within the limit of depth. Methods without calls nest nothing.
fn is_shallow(method: &str, data: &[u8]) -> bool {
    fn reads<T: DecodeLimit>(mut data: &[u8]) -> bool {
        T::decode_with_depth_limit(MAX_EXTRINSIC_DEPTH, &mut data).is_ok()
    }
    match method {
        "BlockBuilder_apply_extrinsic" => reads::<UncheckedExtrinsic>(data),
        "TaggedTransactionQueue_validate_transaction" => reads::<(TransactionSource, UncheckedExtrinsic, Hash)>(data),
        "TransactionPaymentApi_query_info" | "TransactionPaymentApi_query_fee_details" => {
            reads::<(UncheckedExtrinsic, u32)>(data)
        }
        "TransactionPaymentCallApi_query_call_info" | "TransactionPaymentCallApi_query_call_fee_details" => {
            reads::<(RuntimeCall, u32)>(data)
        }
        _ => true,
    }
}

/// Run `call`, turning a panic into an error with its message.
fn catching<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // Unwind safety: after a panic nothing reads what the closure touched, because the state machine rolls its changes
    // back and the externalities live for this call only.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(|message| (*message).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "without a message".to_owned());
        Err(Error::RuntimePanicked(message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_io::TestExternalities;

    fn call(method: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
        let mut chain = TestExternalities::new_empty();
        let (result, native) =
            NativeExecutor.call(&mut chain.ext(), &RuntimeCode::empty(), method, data, CallContext::Offchain);
        assert!(native);
        result
    }

    #[test]
    fn answers_with_the_runtime() {
        assert_eq!(call("Core_version", &[]).expect("exists"), VERSION.encode());
    }

    #[test]
    fn an_unknown_method_is_an_error() {
        assert!(matches!(call("Core_nonsense", &[]), Err(Error::MethodNotFound(name)) if name == "Core_nonsense"));
    }

    #[test]
    fn a_panic_in_the_runtime_is_an_error() {
        // The runtime panics when it cannot decode a call's arguments.
        let Err(Error::RuntimePanicked(message)) = call("AccountNonceApi_account_nonce", &[1]) else {
            panic!("undecodable arguments must be refused");
        };
        assert!(message.contains("account_nonce"), "{message}");
        assert!(call("Core_version", &[]).is_ok(), "and the next call runs");
    }

    #[test]
    fn calls_in_calls_are_refused_before_the_runtime_reads_them() {
        let nothing: RuntimeCall = frame_system::Call::remark { remark: Vec::new() }.into();
        let once = RuntimeCall::from(pallet_utility::Call::batch_all { calls: vec![nothing.clone()] }).encode();
        let level = &once[..once.len() - nothing.encoded_size()];
        let nested = |depth: usize| [level.repeat(depth), nothing.encode()].concat();
        let extrinsic = |call: Vec<u8>| [&[4][..], &call].concat().encode();
        let source = TransactionSource::External.encode();
        for depth in [300, 100_000] {
            let (call, length) = (nested(depth), 9u32.encode());
            for (method, data) in [
                ("BlockBuilder_apply_extrinsic", extrinsic(call.clone())),
                (
                    "TaggedTransactionQueue_validate_transaction",
                    [source.clone(), extrinsic(call.clone()), Hash::zero().encode()].concat(),
                ),
                ("TransactionPaymentApi_query_info", [extrinsic(call.clone()), length.clone()].concat()),
                ("TransactionPaymentApi_query_fee_details", [extrinsic(call.clone()), length.clone()].concat()),
                ("TransactionPaymentCallApi_query_call_info", [call.clone(), length.clone()].concat()),
                ("TransactionPaymentCallApi_query_call_fee_details", [call.clone(), length.clone()].concat()),
            ] {
                assert!(matches!(self::call(method, &data), Err(Error::Other(_))), "{method} at {depth}");
            }
        }
        assert!(is_shallow("TransactionPaymentCallApi_query_call_info", &[nested(100), 9u32.encode()].concat()));
    }

    #[test]
    fn any_panic_payload_is_an_error() {
        let outcome = catching::<()>(|| std::panic::panic_any(7u8));
        assert!(matches!(outcome, Err(Error::RuntimePanicked(message)) if message == "without a message"));
    }
}
