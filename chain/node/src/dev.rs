//! The RPC methods `dev_*`: what [`Control`] does, for whoever reaches the endpoint. Offered only where the node's
//! configuration says so.
//!
//! | method | arguments | result |
//! |---|---|---|
//! | `dev_advance` | blocks | tip |
//! | `dev_advanceToEpoch` | netuid | tip |
//! | `dev_snapshot` | | id |
//! | `dev_revert` | id | tip |
//! | `dev_pause`, `dev_resume` | | |
//! | `dev_setBlockTime` | milliseconds | |
//! | `dev_setSealing` | `"interval"`, `"instant"` or `"manual"` | |
//! | `dev_dump` | name of a file in the node's folder for dumps | tip |
//!
//! A tip is `{"number", "hash"}`.

use std::path::PathBuf;
use std::time::Duration;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde_json::{Value, json};

use crate::control::{Control, ControlError, Sealing, SnapshotId};
use crate::sealing::SealedBlock;

/// JSON-RPC's code for "the server would not", the first of those left to implementations.
const REFUSED: i32 = -32_000;

/// JSON-RPC's code for arguments that make no sense.
const INVALID_PARAMS: i32 = -32_602;

/// The longest name of a dump.
const MAX_NAME_BYTES: usize = 64;

pub(crate) struct Context {
    control: Control,
    dumps_dir: Option<PathBuf>,
}

type Answer = Result<Value, ErrorObjectOwned>;

/// All of them.
pub(crate) fn methods(control: Control, dumps_dir: Option<PathBuf>) -> Result<RpcModule<Context>, RegisterMethodError> {
    let mut module = RpcModule::new(Context { control, dumps_dir });
    module.register_async_method("dev_advance", |params, context, _| async move {
        let blocks = one::<u32>(&params)?;
        tip(context.control.advance(blocks).await)
    })?;
    module.register_async_method("dev_advanceToEpoch", |params, context, _| async move {
        let netuid = one::<u16>(&params)?;
        tip(context.control.advance_to_epoch(netuid).await)
    })?;
    module.register_async_method("dev_snapshot", |_, context, _| async move {
        let SnapshotId(id) = context.control.snapshot().await.map_err(refused)?;
        Answer::Ok(id.into())
    })?;
    module.register_async_method("dev_revert", |params, context, _| async move {
        let id = one::<u32>(&params)?;
        tip(context.control.revert(SnapshotId(id)).await)
    })?;
    module.register_async_method("dev_pause", |_, context, _| async move { done(context.control.pause().await) })?;
    module.register_async_method("dev_resume", |_, context, _| async move { done(context.control.resume().await) })?;
    module.register_async_method("dev_setBlockTime", |params, context, _| async move {
        let millis = one::<u64>(&params)?;
        done(context.control.set_block_time(Duration::from_millis(millis)).await)
    })?;
    module.register_async_method("dev_setSealing", |params, context, _| async move {
        let sealing = match one::<String>(&params)?.as_str() {
            "interval" => Sealing::Interval,
            "instant" => Sealing::Instant,
            "manual" => Sealing::Manual,
            other => return Err(invalid(format!("sealing is interval, instant or manual, not {other:?}"))),
        };
        done(context.control.set_sealing(sealing).await)
    })?;
    module.register_async_method("dev_dump", |params, context, _| async move {
        let path = dump_path(context.dumps_dir.as_ref(), &one::<String>(&params)?)?;
        tip(context.control.dump(path).await)
    })?;
    Ok(module)
}

/// Where a dump of this name goes. A name and no path: what reaches the endpoint must not write where it likes.
fn dump_path(dir: Option<&PathBuf>, name: &str) -> Result<PathBuf, ErrorObjectOwned> {
    let Some(dir) = dir else { return Err(invalid("this node has no folder for dumps".into())) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(plain) {
        return Err(invalid(format!("a dump's name is 1 to {MAX_NAME_BYTES} letters, digits, '-' and '_'")));
    }
    Ok(dir.join(format!("{name}.chain")))
}

fn one<T: serde::de::DeserializeOwned>(params: &Params<'_>) -> Result<T, ErrorObjectOwned> {
    params.one()
}

fn tip(outcome: Result<SealedBlock, ControlError>) -> Answer {
    let SealedBlock { number, hash } = outcome.map_err(refused)?;
    Ok(json!({ "number": number, "hash": sp_core::H256(hash) }))
}

fn done(outcome: Result<(), ControlError>) -> Answer {
    outcome.map(|()| Value::Null).map_err(refused)
}

fn refused(error: ControlError) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(REFUSED, error.to_string(), None::<()>)
}

fn invalid(message: String) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_PARAMS, message, None::<()>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_goes_into_its_folder_and_nowhere_else() {
        let dir = PathBuf::from("dumps");
        assert_eq!(dump_path(Some(&dir), "a-1_B").expect("plain"), PathBuf::from("dumps/a-1_B.chain"));
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for name in ["", ".", "..", "a/b", "../a", "a.chain", "/etc/passwd", "a\0", "ä", long.as_str()] {
            assert_eq!(dump_path(Some(&dir), name).expect_err("refused").code(), INVALID_PARAMS, "{name:?}");
        }
        assert!(dump_path(None, "a").expect_err("refused").message().contains("no folder"));
    }
}
