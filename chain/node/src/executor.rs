//! Runs the runtime natively: the compiled-in functions, with the node's state behind them.
//!
//! A wasm runtime that panics is a trapped sandbox; a native one unwinds through the node. So every call is wrapped in
//! `catch_unwind`: a panic becomes the error that a trap would have been, the state machine rolls back what the call had
//! written, and the block builder drops the transaction. What native execution cannot give is protection against a
//! stack overflow or an endless loop, and upgrades by `set_code`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use codec::Encode;
use narrows_runtime::VERSION;
use sc_executor::RuntimeVersionOf;
use sc_executor::error::Error;
use sp_core::traits::{CallContext, CodeExecutor, ReadRuntimeVersion, RuntimeCode};
use sp_externalities::{Externalities, set_and_run_with_externalities};
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
        let Err(Error::RuntimePanicked(message)) = call("TransactionPaymentApi_query_info", &[1]) else {
            panic!("undecodable arguments must be refused");
        };
        assert!(message.contains("query_info"), "{message}");
        assert!(call("Core_version", &[]).is_ok(), "and the next call runs");
    }

    #[test]
    fn any_panic_payload_is_an_error() {
        let outcome = catching::<()>(|| std::panic::panic_any(7u8));
        assert!(matches!(outcome, Err(Error::RuntimePanicked(message)) if message == "without a message"));
    }
}
