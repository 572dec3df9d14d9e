//! Why a call was refused: Bittensor's names.

use frame_support::pallet_macros::pallet_section;

/// Errors, pasted into the pallet.
#[pallet_section]
mod errors {
    #[pallet::error]
    pub enum Error<T> {
        /// The subnet does not exist.
        SubnetNotExists,
        /// The subnet has no such mechanism.
        MechanismDoesNotExist,
        /// As many subnets exist as may.
        SubnetLimitReached,
        /// A subnet was created too recently; wait for `NetworkRateLimit` blocks.
        NetworkTxRateLimitExceeded,
        /// The coldkey cannot pay for a subnet (it must keep the existential deposit).
        CannotAffordLockCost,
        /// A field of the identity is too long.
        InvalidIdentity,
        /// Only the owner of the subnet may do this.
        NotSubnetOwner,
        /// The subnet was started already.
        FirstEmissionBlockNumberAlreadySet,
        /// The subnet is too young to be started; wait for `StartCallDelay` blocks.
        NeedWaitingMoreBlocksToStarCall,
        /// The chain knows no such symbol of a token.
        SymbolDoesNotExist,
        /// Another subnet's token has the symbol.
        SymbolAlreadyInUse,
        /// The subnet's token is not enabled: its owner must call `start_call` first.
        SubtokenDisabled,

        /// Neurons do not register on the root network this way.
        RegistrationNotPermittedOnRootSubnet,
        /// The subnet takes no new neurons.
        SubNetRegistrationDisabled,
        /// The hotkey has a uid in this subnet already.
        HotKeyAlreadyRegisteredInSubNet,
        /// The price is above the limit that the caller gave.
        RegistrationPriceLimitExceeded,
        /// The subnet is full and nobody may be pruned (all are immune).
        NoNeuronIdAvailable,
        /// As many hotkeys registered in this block as may; send it again in the next.
        TooManyRegistrationsThisBlock,
        /// The work is on a block that is too old or has no hash yet, or was used already.
        InvalidWorkBlock,
        /// The work is not what nonce, block and hotkey hash to.
        InvalidSeal,
        /// The seal is not good enough; find another nonce.
        InvalidDifficulty,
        /// The root network is full, and every member has at least as much root stake.
        StakeTooLowForRoot,
        /// The hotkey belongs to another coldkey.
        NonAssociatedColdKey,

        /// The hotkey has no uid in this subnet.
        HotKeyNotRegisteredInSubNet,
        /// The hotkey is registered nowhere it would have to be.
        HotKeyNotRegisteredInNetwork,
        /// The IP type is neither 4 nor 6.
        InvalidIpType,
        /// The IP address cannot be reached.
        InvalidIpAddress,
        /// The port is 0.
        InvalidPort,
        /// The neuron served too recently; wait for `ServingRateLimit` blocks.
        ServingRateLimitExceeded,

        /// The hotkey never registered with any coldkey.
        HotKeyAccountNotExists,
        /// The amount is below what may be staked or unstaked.
        AmountTooLow,
        /// The coldkey's free balance does not cover the amount (it must keep the existential deposit).
        NotEnoughBalanceToStake,
        /// The coldkey has less stake there than it wants to remove.
        NotEnoughStakeToWithdraw,
        /// An amount does not fit.
        Overflow,

        /// Weights of the root network cannot be set.
        CanNotSetRootNetworkWeights,
        /// Uids and weights differ in number.
        WeightVecNotEqualSize,
        /// More uids than the subnet has.
        UidsLengthExceedUidsInSubNet,
        /// A uid is named twice.
        DuplicateUids,
        /// A uid does not exist in the subnet.
        UidVecContainInvalidOne,
        /// Fewer weights than `MinAllowedWeights`.
        WeightVecLengthIsLow,
        /// A weight is a larger share of the row than `MaxWeightsLimit`.
        MaxWeightExceeded,
        /// The hotkey has less stake than `StakeThreshold`.
        NotEnoughStakeToSetWeights,
        /// The version is older than `WeightsVersionKey`.
        IncorrectWeightVersionKey,
        /// Weights were set too recently; wait for `WeightsSetRateLimit` blocks.
        SettingWeightsTooFast,
        /// The neuron holds no validator permit.
        NeuronNoValidatorPermit,
        /// The subnet wants weights to be committed and revealed.
        CommitRevealEnabled,
        /// The subnet wants weights to be set in the open.
        CommitRevealDisabled,
        /// Weights were committed too recently; wait for `WeightsSetRateLimit` blocks.
        CommittingWeightsTooFast,
        /// Too many commits wait for their reveal.
        TooManyUnrevealedCommits,
        /// The hotkey committed nothing (or all of it expired).
        NoWeightsCommitFound,
        /// What was revealed hashes to none of the commits.
        InvalidRevealCommitHashNotMatch,
        /// The epoch for this reveal is not here yet.
        RevealTooEarly,
        /// The epoch for this reveal is over.
        ExpiredWeightCommit,

        /// A commit must wait for one epoch at least.
        RevealPeriodTooSmall,
        /// The sealed weights are of a form that is not taken.
        IncorrectCommitRevealVersion,
        /// A commit must not wait for so many epochs.
        RevealPeriodTooLarge,
        /// The activity cutoff is below the least.
        ActivityCutoffTooLow,
        /// The factor must not be zero.
        ActivityCutoffFactorMilliOutOfBounds,
        /// Liquid alpha is off in this subnet.
        LiquidAlphaDisabled,
        /// The upper bound of liquid alpha is too low.
        AlphaHighTooLow,
        /// The lower bound of liquid alpha is not below the upper.
        AlphaLowOutOfRange,
        /// The tempo is out of bounds.
        TempoOutOfBounds,
        /// The value is out of bounds.
        InvalidValue,

        // ---- Parents, children, takes. ----
        /// A hotkey cannot be its own child.
        InvalidChild,
        /// A child is named twice.
        DuplicateChild,
        /// The proportions add up to more than one (2⁶⁴ − 1).
        ProportionOverflow,
        /// More children than five.
        TooManyChildren,
        /// A child is a parent of the hotkey already: stake would go in circles.
        ChildParentInconsistency,
        /// The hotkey has less stake than `StakeThreshold`.
        NotEnoughStakeToSetChildkeys,
        /// Too soon after the last time; wait for the call's rate limit.
        TxRateLimitExceeded,
        /// The child's take is out of bounds.
        InvalidChildkeyTake,
        /// The child's take was raised too recently; wait for `TxChildkeyTakeRateLimit` blocks.
        TxChildkeyTakeRateLimitExceeded,
        /// The take is below the least, or not in the direction that the call is for.
        DelegateTakeTooLow,
        /// The take is above `MaxDelegateTake`.
        DelegateTakeTooHigh,
        /// The take was raised too recently; wait for `TxDelegateTakeRateLimit` blocks.
        DelegateTxRateLimitExceeded,

        // ---- Swaps of hotkeys. ----
        /// The new hotkey is the old one.
        NewHotKeyIsSameWithOld,
        /// The coldkey cannot pay for the swap (it must keep the existential deposit).
        NotEnoughBalanceToPaySwapHotKey,
        /// The coldkey swapped a hotkey too recently; wait for `TxRateLimit` blocks.
        HotKeySetTxRateLimitExceeded,
        /// The coldkey swapped a hotkey on this subnet too recently; wait for a day's blocks (7,200).
        HotKeySwapOnSubnetIntervalNotPassed,

        // ---- Swaps of coldkeys. ----
        /// The new coldkey holds stake or hotkeys already.
        ColdKeyAlreadyAssociated,
        /// The new coldkey is somebody's hotkey.
        NewColdKeyIsHotkey,
        /// The coldkey cannot pay for the swap (it must keep the existential deposit).
        NotEnoughBalanceToPaySwapColdKey,
        /// No swap of this coldkey is announced.
        ColdkeySwapAnnouncementNotFound,
        /// The announced delay is not over.
        ColdkeySwapTooEarly,
        /// A swap is announced already; wait for `ColdkeySwapReannouncementDelay` blocks after it may be made.
        ColdkeySwapReannouncedTooEarly,
        /// A swap is taken back only `ColdkeySwapReannouncementDelay` blocks after it may be made.
        ColdkeySwapClearTooEarly,
        /// Another coldkey was announced.
        AnnouncedColdkeyHashDoesNotMatch,
        /// The swap is disputed already.
        ColdkeySwapAlreadyDisputed,
        /// The coldkey's swap is announced: until it is made or taken back, the coldkey does nothing else.
        ColdkeySwapAnnounced,
        /// The coldkey's swap is disputed: only root can help.
        ColdkeySwapDisputed,

        // ---- Mechanisms, batches, time-locked commits, administration. ----
        /// Mining income is staked on this hotkey already.
        SameAutoStakeHotkeyAlreadySet,
        /// The lists differ in length.
        InputLengthsUnequal,
        /// Neurons times mechanisms would be more than 256.
        TooManyUIDsPerMechanism,
        /// An epoch out of turn is waiting already.
        EpochTriggerAlreadyPending,
        /// The next epoch comes as soon as one that is called for now.
        AutoEpochAlreadyImminent,
        /// Commits name the epoch of their reveal, so none may come early: switch commit-reveal off first.
        DynamicTempoBlockedByCommitReveal,
        /// Immune neurons would be too large a part of what is left.
        TrimmingWouldExceedMaxImmunePercentage,
        /// Hyperparameters stand still before an epoch (`AdminFreezeWindow` blocks).
        AdminActionProhibitedDuringWeightsWindow,

        /// The subnet's pool is too small for this trade.
        InsufficientLiquidity,
        /// The price would pass the limit; allow a part, or move the limit.
        SlippageTooHigh,
        /// Stake cannot move to where it is.
        SameNetuid,
        /// Stake on this subnet may not be given to another coldkey.
        TransferDisallowed,
        /// Root's stake is TAO, which is not destroyed this way.
        CannotBurnOrRecycleOnRootSubnet,
    }
}
