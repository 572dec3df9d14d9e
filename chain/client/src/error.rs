//! What can go wrong between us and a chain, in types that callers can act on.

use std::fmt;

use crate::types::{BlockHash, BlockNumber};

/// A kind of thing that a runtime may or may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingKind {
    /// A whole pallet.
    Pallet,
    /// A dispatchable call of a pallet.
    Call,
    /// A storage item of a pallet.
    Storage,
    /// A constant of a pallet.
    Constant,
    /// A runtime API method.
    RuntimeApi,
    /// A method of the node's RPC.
    RpcMethod,
}

impl fmt::Display for MissingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pallet => "pallet",
            Self::Call => "call",
            Self::Storage => "storage item",
            Self::Constant => "constant",
            Self::RuntimeApi => "runtime API",
            Self::RpcMethod => "RPC method",
        })
    }
}

/// Something that the connected chain does not have, by name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this chain has no {kind} {name} (runtime version {spec_version}): connect to a chain that has it, or do without"
)]
pub struct Missing {
    /// What kind of thing is missing.
    pub kind: MissingKind,
    /// Its name, `Pallet.item`.
    pub name: String,
    /// The runtime version that was asked.
    pub spec_version: u32,
}

/// A chain could not be reached, understood, or believed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No endpoint answered within the time allowed.
    #[error(
        "no chain endpoint answered within {seconds} s (tried {endpoints}; last: {last}): start the node or correct the endpoint"
    )]
    Unreachable {
        /// The endpoints that were tried, separated by commas.
        endpoints: String,
        /// How long was tried.
        seconds: u64,
        /// What the last attempt ended with.
        last: String,
    },
    /// An endpoint serves another chain than the one this client was connected to.
    #[error(
        "{endpoint} serves the chain with genesis {got}, not {expected}: it was reset or is another network; connect anew"
    )]
    DifferentChain {
        /// The endpoint asked.
        endpoint: String,
        /// The genesis this client belongs to.
        expected: BlockHash,
        /// The genesis served.
        got: BlockHash,
    },
    /// The chain lacks something by name.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A call exists but takes other arguments than we know.
    #[error("{call} takes ({expected}) on this chain, not ({given}): this client is older or newer than the runtime")]
    Arguments {
        /// The call, `Pallet.name`.
        call: String,
        /// The argument names in the metadata.
        expected: String,
        /// The argument names given.
        given: String,
    },
    /// A value did not fit the type that the metadata declares.
    #[error("cannot encode {what}: {reason}")]
    Encode {
        /// What was being encoded.
        what: String,
        /// Why it did not fit.
        reason: String,
    },
    /// Bytes from the chain did not have the shape expected.
    #[error("cannot decode {what}: {reason}")]
    Decode {
        /// What was being decoded.
        what: String,
        /// Why it failed.
        reason: String,
    },
    /// The node answered a request with an error.
    #[error("the node refused {method}: {message} (code {code})")]
    Rpc {
        /// What was being done.
        method: String,
        /// The JSON-RPC error code.
        code: i32,
        /// The node's own words, with its details.
        message: String,
    },
    /// The node no longer holds the state of that block.
    #[error("the node has discarded the state of block {block}: ask an archive node, or read closer to the head")]
    StateDiscarded {
        /// The block asked for.
        block: BlockHash,
    },
    /// The node does not know a block it should know.
    #[error("the node knows no block {block}: it may be syncing, or be on another fork")]
    BlockNotFound {
        /// The number or hash asked for.
        block: String,
    },
    /// Finalized blocks do not form one chain.
    #[error(
        "finalized block {number} has parent {parent}, but the block before it was {expected}: the chain was rewritten below finality; do not go on"
    )]
    FinalityBroken {
        /// The block that does not fit.
        number: BlockNumber,
        /// The parent it names.
        parent: BlockHash,
        /// The block it should have built upon.
        expected: BlockHash,
    },
    /// An answer is larger than anything legitimate.
    #[error("{what} has more than {limit} entries: refusing to read on")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit.
        limit: usize,
    },
}

impl ChainError {
    /// Whether the chain lacks what was asked for, as opposed to having failed to give it.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }

    pub(crate) fn decode(what: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::Decode { what: what.into(), reason: reason.to_string() }
    }

    pub(crate) fn encode(what: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::Encode { what: what.into(), reason: reason.to_string() }
    }
}

/// Why a call that was included in a block did not take effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// A pallet's own error, by name.
    #[error("{pallet}.{error}")]
    Module {
        /// The pallet's name.
        pallet: String,
        /// The error's name.
        error: String,
    },
    /// The signer may not do this.
    #[error("bad origin: this account may not make this call")]
    BadOrigin,
    /// A rule about tokens was broken; the runtime's name for it.
    #[error("token error {0}")]
    Token(String),
    /// Arithmetic failed in the runtime; the runtime's name for it.
    #[error("arithmetic error {0}")]
    Arithmetic(String),
    /// Any other dispatch error, by the runtime's name.
    #[error("{0}")]
    Other(String),
}

/// The dispatch errors that callers act on, grouped by what to do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// Fund the account.
    NotEnoughBalance,
    /// Stake more.
    NotEnoughStake,
    /// The hotkey already has a uid here: go on with it.
    AlreadyRegistered,
    /// Register first.
    NotRegistered,
    /// The hotkey belongs to another coldkey.
    NotOwnHotkey,
    /// Registration is closed for now, or full for this block or interval.
    RegistrationClosed,
    /// Reveal in a later epoch.
    RevealTooEarly,
    /// The reveal period is over: commit anew.
    CommitExpired,
    /// There is nothing to reveal.
    NoWeightsCommitFound,
    /// What was revealed is not what was committed.
    RevealMismatch,
    /// Commit instead of setting weights plainly.
    CommitRevealEnabled,
    /// Set weights plainly instead of committing.
    CommitRevealDisabled,
    /// Reveal some commits first.
    TooManyUnrevealedCommits,
    /// Try again some blocks later.
    RateLimited,
    /// The validator has no permit in this epoch.
    NoValidatorPermit,
    /// Software is older than the subnet's version key asks for.
    WrongVersionKey,
    /// The weight vector breaks the subnet's rules.
    InvalidWeights,
    /// No such subnet.
    SubnetNotFound,
    /// Only the subnet's owner (or root) may do this, or it is forbidden just now.
    NotPermitted,
    /// The hotkey has used up its commitment space for this epoch.
    CommitmentSpaceExceeded,
    /// Anything else; look at the error's name.
    Other,
}

impl DispatchError {
    /// What this error means for the caller.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Module { pallet, error } => module_failure(pallet, error),
            Self::BadOrigin => Failure::NotPermitted,
            Self::Token(name) if name == "FundsUnavailable" => Failure::NotEnoughBalance,
            // What a transfer of more than there is ends with, where it may empty the account.
            Self::Arithmetic(name) if name == "Underflow" => Failure::NotEnoughBalance,
            _ => Failure::Other,
        }
    }
}

fn module_failure(pallet: &str, error: &str) -> Failure {
    match (pallet, error) {
        ("Balances", "InsufficientBalance" | "ExistentialDeposit") => Failure::NotEnoughBalance,
        ("Commitments", "SpaceLimitExceeded") => Failure::CommitmentSpaceExceeded,
        ("Commitments", "AccountNotAllowedCommit") => Failure::NotRegistered,
        ("Sudo", "RequireSudo") => Failure::NotPermitted,
        (_, "NotEnoughBalanceToStake" | "BalanceWithdrawalError" | "InsufficientBalance" | "CannotAffordLockCost") => {
            Failure::NotEnoughBalance
        }
        (_, "NotEnoughStake" | "NotEnoughStakeToWithdraw" | "NotEnoughStakeToSetWeights" | "StakeTooLowForRoot") => {
            Failure::NotEnoughStake
        }
        (_, "HotKeyAlreadyRegisteredInSubNet") => Failure::AlreadyRegistered,
        (_, "HotKeyNotRegisteredInSubNet" | "HotKeyNotRegisteredInNetwork" | "HotKeyAccountNotExists") => {
            Failure::NotRegistered
        }
        (_, "NonAssociatedColdKey") => Failure::NotOwnHotkey,
        (
            _,
            "SubNetRegistrationDisabled"
            | "TooManyRegistrationsThisBlock"
            | "TooManyRegistrationsThisInterval"
            | "NoNeuronIdAvailable",
        ) => Failure::RegistrationClosed,
        (_, "RevealTooEarly") => Failure::RevealTooEarly,
        (_, "ExpiredWeightCommit") => Failure::CommitExpired,
        (_, "NoWeightsCommitFound") => Failure::NoWeightsCommitFound,
        (_, "InvalidRevealCommitHashNotMatch") => Failure::RevealMismatch,
        (_, "CommitRevealEnabled") => Failure::CommitRevealEnabled,
        (_, "CommitRevealDisabled") => Failure::CommitRevealDisabled,
        (_, "TooManyUnrevealedCommits") => Failure::TooManyUnrevealedCommits,
        (_, "SettingWeightsTooFast" | "CommittingWeightsTooFast") => Failure::RateLimited,
        (_, name) if name.ends_with("RateLimitExceeded") => Failure::RateLimited,
        (_, "NeuronNoValidatorPermit") => Failure::NoValidatorPermit,
        (_, "IncorrectWeightVersionKey") => Failure::WrongVersionKey,
        (
            _,
            "WeightVecNotEqualSize"
            | "DuplicateUids"
            | "UidVecContainInvalidOne"
            | "WeightVecLengthIsLow"
            | "MaxWeightExceeded"
            | "UidsLengthExceedUidsInSubNet",
        ) => Failure::InvalidWeights,
        (_, "SubnetNotExists" | "MechanismDoesNotExist") => Failure::SubnetNotFound,
        (_, "NotSubnetOwner" | "AdminActionProhibitedDuringWeightsWindow" | "SubtokenDisabled") => {
            Failure::NotPermitted
        }
        _ => Failure::Other,
    }
}

/// Why a transaction pool would not take an extrinsic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The signer cannot pay the fee.
    CannotPayFee,
    /// The nonce was already used.
    Stale,
    /// Another extrinsic with this nonce is waiting, with at least this priority.
    NonceTaken,
    /// The pool already holds exactly these bytes.
    AlreadyKnown,
    /// The signature or what it covers (genesis, runtime version, block) is not what the chain expects.
    BadProof,
    /// The pool refuses these bytes for a while.
    Banned,
    /// The pool is full.
    PoolFull,
    /// A rate limit of the chain, checked before dispatch.
    RateLimited,
    /// The chain's own numbered refusal.
    Custom(u8),
    /// Anything else; read the message.
    Other,
}

/// A call was not carried out, or it is not known whether it was.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The chain could not be reached or lacks the call; nothing was submitted, unless the text says so.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The call was included and failed.
    #[error("{call} failed in block {number}: {error}")]
    Dispatch {
        /// The call, `Pallet.name`.
        call: String,
        /// Why.
        error: DispatchError,
        /// The block that holds it.
        block: BlockHash,
        /// Its number.
        number: BlockNumber,
    },
    /// The pool refused the extrinsic: it was never included.
    #[error("the node would not take {call}: {message}")]
    Rejected {
        /// The call, `Pallet.name`.
        call: String,
        /// Why, in a form to act on.
        rejection: Rejection,
        /// Why, in the node's words.
        message: String,
    },
    /// It was signed several times and never included: another process signs for this account, or no blocks are made.
    #[error(
        "{call} was signed {signatures} times and never included ({reason}): is another process using this account?"
    )]
    NotIncluded {
        /// The call, `Pallet.name`.
        call: String,
        /// How often it was signed.
        signatures: u32,
        /// What became of the last one.
        reason: String,
    },
    /// Time ran out before it was known whether the extrinsic will be included.
    #[error("{call} may still be included until block {until}: look for it before you repeat it ({reason})")]
    Undecided {
        /// The call, `Pallet.name`.
        call: String,
        /// The last block that may include it.
        until: BlockNumber,
        /// Why it is not known.
        reason: String,
    },
}

impl SubmitError {
    /// What this error means for the caller.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Dispatch { error, .. } => error.failure(),
            Self::Rejected { rejection: Rejection::CannotPayFee, .. } => Failure::NotEnoughBalance,
            Self::Rejected { rejection: Rejection::RateLimited, .. } => Failure::RateLimited,
            _ => Failure::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_callers_act_on_are_recognised_by_name() {
        let failure = |pallet: &str, error: &str| {
            DispatchError::Module { pallet: pallet.to_owned(), error: error.to_owned() }.failure()
        };
        assert_eq!(failure("SubtensorModule", "RevealTooEarly"), Failure::RevealTooEarly);
        assert_eq!(failure("SubtensorModule", "HotKeyAlreadyRegisteredInSubNet"), Failure::AlreadyRegistered);
        assert_eq!(failure("SubtensorModule", "ServingRateLimitExceeded"), Failure::RateLimited);
        assert_eq!(failure("Commitments", "SpaceLimitExceeded"), Failure::CommitmentSpaceExceeded);
        assert_eq!(failure("SubtensorModule", "NameOfTomorrow"), Failure::Other);
        assert_eq!(DispatchError::Token("FundsUnavailable".into()).failure(), Failure::NotEnoughBalance);
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = Missing { kind: MissingKind::Call, name: "MevShield.submit_encrypted".into(), spec_version: 7 };
        let text = ChainError::from(missing).to_string();
        assert!(text.contains("no call MevShield.submit_encrypted") && text.contains("version 7"), "{text}");
    }
}
