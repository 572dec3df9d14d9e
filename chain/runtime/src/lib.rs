//! The runtime of the development chain: FRAME's pallets and Narrows' own, under Bittensor's names.
//!
//! Pallet names, the order of the transaction extensions, address format (SS58 prefix 42), account and signature types,
//! the existential deposit and the types of balances and block numbers are what Bittensor's clients expect; they find
//! everything else by name in the metadata. `spec_name` is our own all the same: a client that treats a chain specially
//! because it *is* Bittensor must not take this one for it.
//!
//! The runtime runs natively by default. The feature `wasm` also builds it as a blob ([`WASM_BINARY`]).

#![cfg_attr(not(feature = "std"), no_std)]
// `construct_runtime` and `impl_runtime_apis` recurse through every pallet.
#![recursion_limit = "256"]

extern crate alloc;

#[expect(missing_docs, reason = "the macro makes public items that cannot carry a comment")]
mod apis;
pub mod aura;
mod check_nonce;
pub mod client_apis;
pub mod coldkey_guard;
#[expect(missing_docs, reason = "the macro makes public items that cannot carry a comment")]
mod pallets;
pub mod proxy;

#[cfg(test)]
mod tests;

#[cfg(feature = "wasm")]
#[expect(missing_docs, reason = "written by the builder")]
mod blob {
    include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));
}
#[cfg(feature = "wasm")]
pub use blob::{WASM_BINARY, WASM_BINARY_BLOATY};

/// The runtime as a wasm blob: only with the feature `wasm`.
#[cfg(not(feature = "wasm"))]
pub const WASM_BINARY: Option<&[u8]> = None;

pub use apis::RuntimeApi;
#[cfg(feature = "std")]
pub use apis::api;
pub use check_nonce::CheckNonce;
pub use pallets::{
    AdminUtils, AllPalletsWithSystem, Aura, Balances, Commitments, Drand, EXISTENTIAL_DEPOSIT_RAO, MevShield,
    OriginCaller, PalletInfo, Proxy, Runtime, RuntimeCall, RuntimeError, RuntimeEvent, RuntimeGenesisConfig,
    RuntimeOrigin, SubtensorModule, Sudo, System, Timestamp, TransactionPayment, Utility,
};

use alloc::borrow::Cow;
use sp_runtime::traits::{BlakeTwo256, IdentifyAccount, Verify};
use sp_runtime::{MultiAddress, MultiSignature, generic};
use sp_version::RuntimeVersion;

/// Any of the three signature schemes of Substrate; ours sign with sr25519.
pub type Signature = MultiSignature;
/// A 32-byte public key.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// Rao, a billionth of a TAO.
pub type Balance = u64;
/// How many transactions an account has sent.
pub type Nonce = u32;
/// Height of a block.
pub type BlockNumber = u32;
/// BLAKE2b-256.
pub type Hash = sp_core::H256;
/// How a transaction names an account.
pub type Address = MultiAddress<AccountId, ()>;
/// A block's header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// A transaction as it arrives.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;

/// What a node handles: the same blocks with transactions it does not look into. Over RPC such a transaction is a hex
/// string, as clients expect; a decoded one would be a list of numbers.
pub mod opaque {
    pub use sp_runtime::OpaqueExtrinsic as UncheckedExtrinsic;

    /// A block with opaque transactions, encoded like [`super::Block`].
    pub type Block = sp_runtime::generic::Block<super::Header, UncheckedExtrinsic>;
}

/// What is signed along with a call, and checked before it. Clients build the payload in this order.
pub type TxExtension = (
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckMortality<Runtime>,
    CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
    coldkey_guard::SubtensorTransactionExtension,
);

/// Runs blocks.
pub type Executive =
    frame_executive::Executive<Runtime, Block, frame_system::ChainContext<Runtime>, Runtime, AllPalletsWithSystem>;

/// The version that clients see. Raise `spec_version` whenever the metadata changes: clients cache metadata by it.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("narrows"),
    impl_name: Cow::Borrowed("narrows"),
    authoring_version: 1,
    spec_version: 6,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};
