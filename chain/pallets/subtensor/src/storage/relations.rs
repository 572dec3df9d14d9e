//! Who works with whose stake, for which share, and what may be done only so often.

use frame_support::pallet_macros::pallet_section;

/// Storage items, pasted into the pallet.
#[pallet_section]
mod relations {
    // ---- Parents and children. ----

    /// Who works with a hotkey's stake: (proportion of 2⁶⁴ − 1, child), by (parent, netuid).
    #[pallet::storage]
    pub type ChildKeys<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, Vec<(u64, T::AccountId)>, ValueQuery>;

    /// Whose stake a hotkey works with: (proportion of 2⁶⁴ − 1, parent), by (child, netuid). `ChildKeys` the other way.
    #[pallet::storage]
    pub type ParentKeys<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, Vec<(u64, T::AccountId)>, ValueQuery>;

    /// The children that a hotkey will have at the first epoch after a block: (children, block).
    #[pallet::storage]
    pub type PendingChildKeys<T: Config> = StorageDoubleMap<
        _,
        Identity,
        NetUid,
        Blake2_128Concat,
        T::AccountId,
        (Vec<(u64, T::AccountId)>, u64),
        ValueQuery,
    >;

    /// Blocks between naming children and the epoch that takes them on.
    #[pallet::storage]
    pub type PendingChildKeyCooldown<T> =
        StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::PENDING_CHILDKEY_COOLDOWN_BLOCKS }>>;

    /// The share of a parent's dividends that a child keeps, as a fraction of 65535.
    #[pallet::storage]
    pub type ChildkeyTake<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, u16, ValueQuery>;

    /// The least take of a child anywhere.
    #[pallet::storage]
    pub type MinChildkeyTake<T> = StorageValue<_, u16, ValueQuery>;

    /// The least take of a child in a subnet; the larger of the two holds.
    #[pallet::storage]
    pub type MinChildkeyTakePerSubnet<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;

    /// The largest take of a child.
    #[pallet::storage]
    pub type MaxChildkeyTake<T> = StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::MAX_CHILDKEY_TAKE }>>;

    /// The part of what a child earns with a stranger's stake that is destroyed, as a fraction of 2⁶⁴ − 1.
    #[pallet::storage]
    pub type CKBurn<T> = StorageValue<_, u64, ValueQuery>;

    // ---- Takes and rate limits. ----

    /// The least take of a delegate.
    #[pallet::storage]
    pub type MinDelegateTake<T> = StorageValue<_, u16, ValueQuery>;

    /// The largest take of a delegate.
    #[pallet::storage]
    pub type MaxDelegateTake<T> = StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::DELEGATE_TAKE }>>;

    /// Blocks between two raises of a delegate's take.
    #[pallet::storage]
    pub type TxDelegateTakeRateLimit<T> =
        StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::TX_DELEGATE_TAKE_RATE_LIMIT_BLOCKS }>>;

    /// Blocks between two raises of a child's take.
    #[pallet::storage]
    pub type TxChildkeyTakeRateLimit<T> =
        StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::TX_CHILDKEY_TAKE_RATE_LIMIT_BLOCKS }>>;

    /// Blocks between two swaps of hotkeys by one coldkey.
    #[pallet::storage]
    pub type TxRateLimit<T> = StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::TX_RATE_LIMIT_BLOCKS }>>;

    /// The block of a coldkey's last swap of a hotkey.
    #[pallet::storage]
    pub type LastTxBlock<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u64, ValueQuery>;

    /// The block at which a hotkey's take was last raised.
    #[pallet::storage]
    pub type LastTxBlockDelegateTake<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u64, ValueQuery>;

    /// The block at which a hotkey's take as a child was last raised.
    #[pallet::storage]
    pub type LastTxBlockChildKeyTake<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u64, ValueQuery>;

    /// The block at which a key last did something that is rate-limited per subnet: (key, netuid, kind). The kinds are
    /// in `rate_limit`.
    #[pallet::storage]
    pub type TransactionKeyLastBlock<T: Config> = StorageNMap<
        _,
        (NMapKey<Blake2_128Concat, T::AccountId>, NMapKey<Identity, NetUid>, NMapKey<Identity, u16>),
        u64,
        ValueQuery,
    >;

    /// The block at which a coldkey last swapped a hotkey on a subnet alone.
    #[pallet::storage]
    pub type LastHotkeySwapOnNetuid<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, u64, ValueQuery>;

    /// Blocks before an epoch in which hyperparameters stand still.
    #[pallet::storage]
    pub type AdminFreezeWindow<T> =
        StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::ADMIN_FREEZE_WINDOW_BLOCKS }>>;

    /// Tempos between two settings of one hyperparameter by a subnet's owner.
    #[pallet::storage]
    pub type OwnerHyperparamRateLimit<T> =
        StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::OWNER_HYPERPARAM_RATE_LIMIT_TEMPOS }>>;

    // ---- Swaps of coldkeys. ----

    /// Blocks between the announcement of a swap and the swap.
    #[pallet::storage]
    pub type ColdkeySwapAnnouncementDelay<T: Config> =
        StorageValue<_, BlockNumberFor<T>, ValueQuery, defaults::ColdkeySwapAnnouncementDelayDefault<T>>;

    /// Blocks that an announced swap may be made before it can be announced anew or taken back.
    #[pallet::storage]
    pub type ColdkeySwapReannouncementDelay<T: Config> =
        StorageValue<_, BlockNumberFor<T>, ValueQuery, defaults::ColdkeySwapReannouncementDelayDefault<T>>;

    /// The swaps that are announced: (block from which it may be made, hash of the new coldkey).
    #[pallet::storage]
    pub type ColdkeySwapAnnouncements<T: Config> =
        StorageMap<_, Twox64Concat, T::AccountId, (BlockNumberFor<T>, T::Hash), OptionQuery>;

    /// The announced swaps that are disputed, and since which block.
    #[pallet::storage]
    pub type ColdkeySwapDisputes<T: Config> = StorageMap<_, Twox64Concat, T::AccountId, BlockNumberFor<T>, OptionQuery>;

    /// Where a coldkey's mining income is staked, if not on the hotkeys that mined it.
    #[pallet::storage]
    pub type AutoStakeDestination<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, T::AccountId, OptionQuery>;

    /// The coldkeys whose mining income is staked on a hotkey that they chose.
    #[pallet::storage]
    pub type AutoStakeDestinationColdkeys<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, Vec<T::AccountId>, ValueQuery>;
}
