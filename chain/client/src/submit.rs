//! Signing a call, submitting it, and following it to finality.

use keys::{AccountId, Keypair, Signature};
use subxt::config::DefaultExtrinsicParamsBuilder;
use subxt::config::substrate::{AccountId32, H256, MultiSignature, SubstrateConfig};
use subxt::rpcs::client::RpcSubscription;
use subxt::rpcs::methods::legacy::TransactionStatus;
use tokio::time::timeout;

use crate::calls::Call;
use crate::client::{Client, FinalizedHead};
use crate::connection::RequestError;
use crate::error::{ChainError, DispatchError, Rejection, SubmitError};
use crate::events::Event;
use crate::inclusion::{Fate, rejection};
use crate::shape::Shape;
use crate::types::{BlockHash, BlockNumber};

/// How often a call is signed anew after an extrinsic that provably was never included.
const MAX_SIGNATURES: u32 = 4;
/// An extrinsic can be included for at least this many blocks, and at least this long on chains with fast blocks; but
/// for no more than half of the blocks whose hashes the chain remembers, without which it could not check the signature.
const MORTALITY_BLOCKS: u64 = 128;
const MORTALITY_MS: u64 = 60_000;
/// Longest mortality: up to here an era begins at the very block that is signed.
const MAX_MORTALITY_BLOCKS: u64 = 4096;
/// What FRAME remembers unless told otherwise.
const USUAL_BLOCK_HASH_COUNT: u64 = 256;

/// A call that took effect in a finalized block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The block.
    pub block: BlockHash,
    /// Its number.
    pub number: BlockNumber,
    /// The extrinsic's place in it.
    pub extrinsic_index: u32,
    /// The events that the extrinsic caused.
    pub events: Vec<Event>,
}

/// A signed extrinsic, and how long it may be included.
pub(crate) struct Signed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) nonce: u64,
    /// The finalized block it was signed upon: it can only be in later ones.
    pub(crate) born: BlockNumber,
    /// The last block that may include it.
    pub(crate) last_valid: BlockNumber,
}

type Watch = RpcSubscription<TransactionStatus<H256>>;

/// How handing an extrinsic to the node went.
enum Sent {
    /// The node has it. Where it had it before, there is nothing to watch.
    Accepted(Option<Box<Watch>>),
    /// The pool refused.
    Refused(Rejection, String),
    /// The connection failed: the node may or may not have it.
    Unknown,
}

impl Client {
    /// Sign a call with a key, submit it, and wait until it is final.
    ///
    /// May be called for the same key from many tasks at once: nonces are handed out in order. A submission is repeated
    /// only as the same bytes, or after its predecessor provably cannot be included any more; so a call never takes effect
    /// twice. A call inside [`Call::sudo`] that fails is an error here too, though the extrinsic succeeds.
    pub async fn submit(&self, signer: &Keypair, call: &Call) -> Result<Submitted, SubmitError> {
        let mut reason = String::new();
        for _ in 0..MAX_SIGNATURES {
            match self.submit_once(signer, call).await? {
                Ok(submitted) => return effect(call, submitted),
                Err(never) => {
                    tracing::debug!(call = call.full_name(), never, "signing anew");
                    reason = never;
                }
            }
        }
        Err(SubmitError::NotIncluded { call: call.full_name(), signatures: MAX_SIGNATURES, reason })
    }

    /// One signature's way. The inner error says why it provably was never included.
    async fn submit_once(&self, signer: &Keypair, call: &Call) -> Result<Result<Submitted, String>, SubmitError> {
        let account = signer.account_id();
        let head = self.finalized_head().await?;
        let shape = self.connection().shape(head.hash).await?;

        let slot = self.nonces().slot(account);
        let mut next_nonce = slot.lock().await;
        let nonce = match *next_nonce {
            Some(nonce) => nonce,
            None => self.next_nonce(account).await?,
        };
        let signed = sign(&shape, call, signer, nonce, head)?;
        // Empty while the outcome is open, also if this future is dropped: the next signer then asks the node.
        *next_nonce = None;
        let watch = match self.send(&signed).await? {
            Sent::Accepted(watch) => {
                *next_nonce = Some(nonce + 1);
                watch
            }
            Sent::Refused(Rejection::Stale | Rejection::NonceTaken, message) => return Ok(Err(message)),
            Sent::Refused(rejection, message) => {
                return Err(SubmitError::Rejected { call: call.full_name(), rejection, message });
            }
            Sent::Unknown => None,
        };
        drop(next_nonce);

        let patience = self.connection().config().submission_timeout;
        let fate = timeout(patience, self.follow(account, &signed, watch)).await;
        let undecided =
            |reason: String| SubmitError::Undecided { call: call.full_name(), until: signed.last_valid, reason };
        match fate {
            Ok(Ok(Fate::Included(block))) => {
                let concluded = self.conclude(&signed, block).await;
                concluded.map(Ok).map_err(|error| undecided(format!("it is in block {block}, but: {error}")))
            }
            Ok(Ok(Fate::NeverIncluded(reason))) => {
                *slot.lock().await = None;
                Ok(Err(reason.to_owned()))
            }
            Ok(Err(error)) => Err(undecided(error.to_string())),
            Err(_) => Err(undecided(format!("no outcome within {} s", patience.as_secs()))),
        }
    }

    async fn send(&self, signed: &Signed) -> Result<Sent, ChainError> {
        let link = self.connection().link().await?;
        let request = link.methods.author_submit_and_watch_extrinsic(&signed.bytes);
        match self.connection().once(&link, "an extrinsic", request).await {
            Ok(watch) => Ok(Sent::Accepted(Some(Box::new(watch)))),
            Err(RequestError::Broken(_)) => Ok(Sent::Unknown),
            Err(RequestError::Answered(ChainError::Rpc { code, message, .. })) => Ok(match rejection(code, &message) {
                Rejection::AlreadyKnown => Sent::Accepted(None),
                refused => Sent::Refused(refused, message),
            }),
            Err(other) => Err(other.into_inner()),
        }
    }

    /// Watch the pool's reports while they come, and look for the extrinsic ourselves when they do not.
    async fn follow(&self, account: AccountId, signed: &Signed, watch: Option<Box<Watch>>) -> Result<Fate, ChainError> {
        if let Some(mut watch) = watch {
            let patience = self.connection().config().request_timeout;
            while let Ok(Some(Ok(status))) = timeout(patience, watch.next()).await {
                match status {
                    TransactionStatus::Finalized(block) => return Ok(Fate::Included(BlockHash(block.0))),
                    TransactionStatus::Usurped(_)
                    | TransactionStatus::Dropped
                    | TransactionStatus::Invalid
                    | TransactionStatus::FinalityTimeout(_) => break,
                    _ => {}
                }
            }
        }
        self.find_fate(account, signed).await
    }
}

/// Sign a call for inclusion in the blocks after `head`.
pub(crate) fn sign(
    shape: &Shape,
    call: &Call,
    signer: &Keypair,
    nonce: u64,
    head: FinalizedHead,
) -> Result<Signed, ChainError> {
    let failed = |error: &dyn std::fmt::Display| ChainError::encode(call.full_name(), error);
    let period = mortality_blocks(shape);
    let params = DefaultExtrinsicParamsBuilder::<SubstrateConfig>::new()
        .nonce(nonce)
        .mortal_from_unchecked(period, head.number.0, H256(head.hash.0))
        .build();
    let payload = shape.payload(call)?;
    let transactions = shape.offline().tx();
    let mut signable = transactions.create_signable_offline(&payload, params).map_err(|e| failed(&e))?;
    let signature = signer.sign(&signable.signer_payload().map_err(|e| failed(&e))?);
    let signature = match signature {
        Signature::Sr25519(bytes) => MultiSignature::Sr25519(bytes),
        Signature::Ed25519(bytes) => MultiSignature::Ed25519(bytes),
    };
    let account = AccountId32(*signer.account_id().as_bytes());
    let signed = signable.sign_with_account_and_signature(&account, &signature).map_err(|e| failed(&e))?;
    // An era is counted in whole periods from its first block; the block after the last one has another first block.
    let last_valid = BlockNumber(head.number.0.saturating_add(period - 1));
    Ok(Signed { bytes: signed.into_encoded(), nonce, born: head.number, last_valid })
}

/// For how many blocks an extrinsic shall be valid: a power of two.
fn mortality_blocks(shape: &Shape) -> u64 {
    let remembered = shape.constant("System", "BlockHashCount").unwrap_or(USUAL_BLOCK_HASH_COUNT);
    let most = (remembered / 2).clamp(4, MAX_MORTALITY_BLOCKS);
    let fast = shape.constant::<u64>("Aura", "SlotDuration").ok().and_then(|slot_ms| MORTALITY_MS.checked_div(slot_ms));
    let wanted = fast.unwrap_or(0).max(MORTALITY_BLOCKS).min(most);
    // Rounded down: the next greater power of two could be more than the chain remembers.
    1 << wanted.ilog2()
}

/// Whether an included call took effect.
fn effect(call: &Call, submitted: Submitted) -> Result<Submitted, SubmitError> {
    let failure = submitted.events.iter().find_map(|event| match event {
        Event::ExtrinsicFailed { error } | Event::Sudid { result: Err(error) } => Some(error.clone()),
        _ => None,
    });
    let succeeded = submitted.events.contains(&Event::ExtrinsicSuccess);
    let error = match failure {
        Some(error) => error,
        None if succeeded => return Ok(submitted),
        None => DispatchError::Other("the block records no outcome for the extrinsic".to_owned()),
    };
    Err(SubmitError::Dispatch { call: call.full_name(), error, block: submitted.block, number: submitted.number })
}
