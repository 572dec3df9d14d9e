//! A client that speaks plain JSON-RPC and encodes with the runtime's own types.

use codec::{Decode, Encode};
use jsonrpsee_core::client::{ClientT, Error, Subscription, SubscriptionClientT};
use jsonrpsee_core::params::ArrayParams;
use jsonrpsee_core::rpc_params;
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use narrows_node::DevNode;
use narrows_runtime::coldkey_guard::SubtensorTransactionExtension;
use narrows_runtime::{CheckNonce, Runtime, RuntimeCall, RuntimeEvent, TxExtension, UncheckedExtrinsic, VERSION};
use serde_json::Value;
use sp_core::{H256, Pair};
use sp_keyring::Sr25519Keyring;
use sp_runtime::generic::{Era, SignedPayload};

use crate::within;

/// A connection to a node.
pub(crate) struct Client {
    ws: WsClient,
    genesis: H256,
}

impl Client {
    /// Connect to `node`.
    pub(crate) async fn connect(node: &DevNode) -> Self {
        let ws = within(WsClientBuilder::default().build(node.rpc_url())).await.expect("the endpoint answers");
        Self { ws, genesis: H256(node.genesis_hash()) }
    }

    /// Call a method that must succeed.
    pub(crate) async fn call(&self, method: &str, params: ArrayParams) -> Value {
        self.try_call(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Call a method.
    pub(crate) async fn try_call(&self, method: &str, params: ArrayParams) -> Result<Value, Error> {
        within(self.ws.request(method, params)).await
    }

    /// New heads, as they come.
    pub(crate) async fn heads(&self) -> Subscription<Value> {
        let subscribed = self.ws.subscribe("chain_subscribeNewHeads", rpc_params![], "chain_unsubscribeNewHeads");
        within(subscribed).await.expect("subscribed")
    }

    /// The hash of block `number`.
    pub(crate) async fn block_hash(&self, number: u32) -> String {
        let hash = self.call("chain_getBlockHash", rpc_params![number]).await;
        hash.as_str().unwrap_or_else(|| panic!("block {number} exists")).to_owned()
    }

    /// One storage value, at a block or at the tip.
    pub(crate) async fn storage<T: Decode>(&self, key: impl AsRef<[u8]>, at: Option<&str>) -> Option<T> {
        let value = self.call("state_getStorage", rpc_params![to_hex(key.as_ref()), at]).await;
        value.as_str().map(|data| T::decode(&mut &from_hex(data)[..]).expect("decodes"))
    }

    /// A transaction, signed.
    pub(crate) fn sign(&self, from: Sr25519Keyring, nonce: u32, call: impl Into<RuntimeCall>) -> Vec<u8> {
        let call = call.into();
        let extension: TxExtension = (
            frame_system::CheckNonZeroSender::new(),
            frame_system::CheckSpecVersion::new(),
            frame_system::CheckTxVersion::new(),
            frame_system::CheckGenesis::new(),
            frame_system::CheckMortality::from(Era::Immortal),
            CheckNonce::<Runtime>(nonce),
            frame_system::CheckWeight::new(),
            pallet_transaction_payment::ChargeTransactionPayment::from(0),
            SubtensorTransactionExtension,
        );
        let genesis = self.genesis;
        let implicit = ((), VERSION.spec_version, VERSION.transaction_version, genesis, genesis, (), (), (), ());
        let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
        let signature = payload.using_encoded(|payload| from.pair().sign(payload));
        UncheckedExtrinsic::new_signed(call, from.to_account_id().into(), signature.into(), extension).encode()
    }

    /// Send a transaction.
    pub(crate) async fn submit(&self, transaction: &[u8]) -> Result<Value, Error> {
        self.try_call("author_submitExtrinsic", rpc_params![to_hex(transaction)]).await
    }

    /// Send a transaction and wait until it is final; the block it is in.
    pub(crate) async fn land(&self, transaction: &[u8]) -> String {
        let watched = self.ws.subscribe(
            "author_submitAndWatchExtrinsic",
            rpc_params![to_hex(transaction)],
            "author_unwatchExtrinsic",
        );
        let mut states: Subscription<Value> = within(watched).await.expect("the pool takes it");
        loop {
            let state = within(states.next()).await.expect("it lands").expect("well formed");
            if let Some(block) = state.get("finalized") {
                return block.as_str().expect("a hash").to_owned();
            }
            assert!(state.get("invalid").is_none() && state != "invalid" && state != "dropped", "{state}");
        }
    }

    /// The events of a block.
    pub(crate) async fn events(&self, block: &str) -> Vec<RuntimeEvent> {
        type Records = Vec<frame_system::EventRecord<RuntimeEvent, H256>>;
        // FRAME keeps this item private, so its key is built as clients build it.
        let key = frame_support::storage::storage_prefix(b"System", b"Events");
        let records: Records = self.storage(key, Some(block)).await.expect("a block has events");
        records.into_iter().map(|record| record.event).collect()
    }

    /// What an account may spend.
    pub(crate) async fn free(&self, who: Sr25519Keyring) -> u64 {
        let key = frame_system::Account::<Runtime>::hashed_key_for(who.to_account_id());
        type Account = frame_system::AccountInfo<u32, pallet_balances::AccountData<u64>>;
        self.storage::<Account>(key, None).await.map_or(0, |account| account.data.free)
    }
}

/// As JSON-RPC wants bytes.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// As JSON-RPC gives bytes.
pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    hex::decode(text.trim_start_matches("0x")).expect("hexadecimal")
}
