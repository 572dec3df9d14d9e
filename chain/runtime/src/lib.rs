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
// Modules turn it on again.
#![allow(missing_docs, reason = "the macros make public items here that cannot carry a comment")]

extern crate alloc;

mod apis;
#[warn(missing_docs)]
pub mod aura;
#[warn(missing_docs)]
mod check_nonce;
#[warn(missing_docs)]
pub mod client_apis;
#[warn(missing_docs)]
pub mod coldkey_guard;
#[warn(missing_docs)]
mod pallets;
#[warn(missing_docs)]
pub mod proxy;

#[cfg(test)]
mod tests;

#[cfg(feature = "wasm")]
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
pub use pallets::EXISTENTIAL_DEPOSIT_RAO;

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
    spec_version: 8,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};

// Here, because clients know calls and events by the path of their type: `*::RuntimeCall`, `*::RuntimeEvent`.
#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    // The indices are Bittensor's; the order decides which inherent comes first: the clock before what reads it.
    #[runtime::pallet_index(0)]
    pub type System = frame_system::Pallet<Runtime>;
    #[runtime::pallet_index(2)]
    pub type Timestamp = pallet_timestamp::Pallet<Runtime>;
    #[runtime::pallet_index(3)]
    pub type Aura = crate::aura::Pallet<Runtime>;
    #[runtime::pallet_index(5)]
    pub type Balances = pallet_balances::Pallet<Runtime>;
    #[runtime::pallet_index(6)]
    pub type TransactionPayment = pallet_transaction_payment::Pallet<Runtime>;
    // After Balances, whose issuance its genesis counts.
    #[runtime::pallet_index(7)]
    pub type SubtensorModule = pallet_subtensor::Pallet<Runtime>;
    #[runtime::pallet_index(11)]
    pub type Utility = pallet_utility::Pallet<Runtime>;
    #[runtime::pallet_index(12)]
    pub type Sudo = pallet_sudo::Pallet<Runtime>;
    #[runtime::pallet_index(13)]
    pub type Multisig = pallet_multisig::Pallet<Runtime>;
    #[runtime::pallet_index(16)]
    pub type Proxy = pallet_proxy::Pallet<Runtime>;
    #[runtime::pallet_index(18)]
    pub type Commitments = pallet_commitments::Pallet<Runtime>;
    #[runtime::pallet_index(19)]
    pub type AdminUtils = pallet_subtensor::admin::Pallet<Runtime>;
    #[runtime::pallet_index(26)]
    pub type Drand = pallet_drand::Pallet<Runtime>;
    #[runtime::pallet_index(28)]
    pub type Swap = pallet_subtensor::swap::Pallet<Runtime>;
    #[runtime::pallet_index(30)]
    pub type MevShield = pallet_shield::Pallet<Runtime>;
}
