//! Every number that a fresh chain or a fresh subnet starts with, as Bittensor's runtime has them.
//!
//! A comment marks where this chain differs. All of them can be changed later by calls.

use crate::{Config, I96F32, TaoBalance, U64F64};
use codec::Decode;
use core::marker::PhantomData;
use frame_support::{parameter_types, traits::Get};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::TrailingZeroInput;

/// One TAO in rao.
pub const RAO_PER_TAO: TaoBalance = 1_000_000_000;
/// The supply that halvings approach, in rao.
pub const TOTAL_SUPPLY_RAO: TaoBalance = 21_000_000 * RAO_PER_TAO;
/// What a block emits before the first halving.
pub const BLOCK_EMISSION_RAO: TaoBalance = RAO_PER_TAO;

/// Blocks between two epochs of a subnet.
pub const TEMPO_BLOCKS: u16 = 360;
/// The largest tempo a subnet may have.
pub const MAX_TEMPO_BLOCKS: u16 = 50_400;
/// Epochs that may run in one block; more are deferred.
pub const MAX_EPOCHS_PER_BLOCK: u8 = 2;

/// The largest number of neurons in a subnet.
pub const MAX_ALLOWED_UIDS: u16 = 256;
/// Neurons that may hold a validator permit: what the pallet stores for subnets nobody set it for.
pub const MAX_ALLOWED_VALIDATORS: u16 = 128;
/// Neurons that may hold a validator permit in a new subnet.
pub const NEW_SUBNET_MAX_ALLOWED_VALIDATORS: u16 = 64;
/// Weights a validator must set at least: what the pallet stores for subnets nobody set it for.
pub const MIN_ALLOWED_WEIGHTS: u16 = 1024;
/// Weights a validator must set at least in a new subnet.
pub const NEW_SUBNET_MIN_ALLOWED_WEIGHTS: u16 = 1;
/// Blocks during which a new neuron is not pruned.
pub const IMMUNITY_PERIOD_BLOCKS: u16 = 4096;
/// Blocks during which a new neuron of a new subnet is not pruned.
pub const NEW_SUBNET_IMMUNITY_PERIOD_BLOCKS: u16 = 5000;
/// Blocks without an update after which a neuron is inactive; see `ACTIVITY_CUTOFF_FACTOR_MILLI`.
pub const ACTIVITY_CUTOFF_BLOCKS: u16 = 5000;
/// The smallest activity cutoff that may be set, in blocks.
pub const MIN_ACTIVITY_CUTOFF_BLOCKS: u16 = 360;
/// The activity cutoff in thousandths of a tempo, which is what an epoch reads.
pub const ACTIVITY_CUTOFF_FACTOR_MILLI: u32 = 13_889;

/// The least of it that may be set.
pub const MIN_ACTIVITY_CUTOFF_FACTOR_MILLI: u32 = 1_000;
/// The most of it that may be set.
pub const MAX_ACTIVITY_CUTOFF_FACTOR_MILLI: u32 = 50_000;

/// Consensus majority as a fraction of 65535.
pub const KAPPA: u16 = 32_767;
/// Read by no epoch any more; kept for clients.
pub const RHO: u16 = 10;
/// Steepness of liquid alpha's sigmoid, in hundredths.
pub const ALPHA_SIGMOID_STEEPNESS: i16 = 1000;
/// Share of the old bonds that an epoch keeps, in millionths.
pub const BONDS_MOVING_AVERAGE: u64 = 900_000;
/// The largest moving average of bonds an owner may set, in millionths.
pub const MAX_OWNER_BONDS_MOVING_AVERAGE: u64 = 975_000;
/// How far weights above consensus are cut in bonds, as a fraction of 65535.
pub const BONDS_PENALTY: u16 = u16::MAX;

/// Blocks between two weight settings of one neuron.
pub const WEIGHTS_SET_RATE_LIMIT_BLOCKS: u64 = 100;
/// The form of sealed weights that is taken.
pub const COMMIT_REVEAL_WEIGHTS_VERSION: u16 = 4;
/// The longest sealed weights.
pub const MAX_SEALED_WEIGHTS_BYTES: u32 = 5_000;
/// Sealed weights that one block opens; more wait for the next. Opening one takes some milliseconds. (Bittensor opens
/// all at once.)
pub const MAX_REVEALS_PER_BLOCK: u32 = 32;
/// Epochs between a commit and its reveal.
pub const REVEAL_PERIOD_EPOCHS: u64 = 1;
/// The fewest epochs between a commit and its reveal: with none, a commit hides nothing.
pub const MIN_REVEAL_PERIOD_EPOCHS: u64 = 1;
/// The most epochs between a commit and its reveal.
pub const MAX_REVEAL_PERIOD_EPOCHS: u64 = 100;
/// Unrevealed commits that one neuron may hold.
pub const MAX_UNREVEALED_COMMITS: usize = 10;
/// Words of salt that a reveal may carry. Bittensor sets no bound of its own; clients use 8.
pub const MAX_REVEAL_SALT_WORDS: usize = 1024;
/// Blocks between two servings of one neuron.
pub const SERVING_RATE_LIMIT_BLOCKS: u64 = 50;

/// The price of a registration in a new subnet.
pub const BURN_RAO: TaoBalance = 100_000_000;
/// The floor of the price.
pub const MIN_BURN_RAO: TaoBalance = 500_000;
/// The ceiling of the price.
pub const MAX_BURN_RAO: TaoBalance = 100 * RAO_PER_TAO;
/// The floor may not be set as high as this.
pub const MIN_BURN_UPPER_BOUND_RAO: TaoBalance = RAO_PER_TAO;
/// The ceiling may not be set as low as this.
pub const MAX_BURN_LOWER_BOUND_RAO: TaoBalance = RAO_PER_TAO / 10;
/// Blocks in which the price halves.
pub const BURN_HALF_LIFE_BLOCKS: u16 = 360;

/// Registrations of any kind in one block after which it takes none by proof of work.
pub const MAX_REGISTRATIONS_PER_BLOCK: u16 = 1;
/// Registrations by proof of work in an interval at which the difficulty stays as it is.
pub const TARGET_REGISTRATIONS_PER_INTERVAL: u16 = 2;
/// Blocks between two adjustments of the difficulty.
pub const ADJUSTMENT_INTERVAL_BLOCKS: u16 = 100;
/// How many tries a proof of work takes on average.
pub const DIFFICULTY: u64 = 10_000_000;
/// Blocks in which locks mature and open, where there are any.
pub const LOCK_RATE_BLOCKS: u64 = 934_866;
/// Read by nothing; clients show it.
pub const SCALING_LAW_POWER: u16 = 50;
/// The floor of the difficulty.
pub const MIN_DIFFICULTY: u64 = 10_000_000;
/// The ceiling of the difficulty.
pub const MAX_DIFFICULTY: u64 = u64::MAX / 4;
/// Blocks for which a proof of work may be used after the one whose hash is in it.
pub const WORK_BLOCKS: u64 = 5;

/// Blocks between the announcement of a coldkey's swap and the swap: five days.
pub const COLDKEY_SWAP_ANNOUNCEMENT_DELAY_BLOCKS: u32 = 5 * 7200;
/// Blocks that an announced swap may be made before it can be announced anew or taken back: a day.
pub const COLDKEY_SWAP_REANNOUNCEMENT_DELAY_BLOCKS: u32 = 7200;

/// Members of the root network.
pub const MAX_ROOT_MEMBERS: u16 = 64;

/// Subnets that may exist.
pub const SUBNET_LIMIT: u16 = 128;
/// Blocks during which a new subnet is not taken down to make room for another: half a year.
pub const NETWORK_IMMUNITY_PERIOD_BLOCKS: u64 = 1_296_000;
/// Blocks between two creations of subnets.
pub const NETWORK_RATE_LIMIT_BLOCKS: u64 = 7200;
/// The floor of the price of a subnet.
pub const NETWORK_MIN_LOCK_COST_RAO: TaoBalance = 1000 * RAO_PER_TAO;
/// Blocks in which the price of a subnet falls by the last price paid.
pub const NETWORK_LOCK_REDUCTION_INTERVAL_BLOCKS: u64 = 14 * 7200;
/// The owner's share of a subnet's emission, as a fraction of 65535 (18 %).
pub const SUBNET_OWNER_CUT: u16 = 11_796;
/// A validator's share of its nominators' dividends, as a fraction of 65535 (18 %).
pub const DELEGATE_TAKE: u16 = 11_796;
/// The least that may be staked or unstaked (all of a stake may always be unstaked).
pub const MIN_STAKE_RAO: TaoBalance = 2_000_000;
/// Owner neurons that are never pruned.
pub const IMMUNE_OWNER_UIDS_LIMIT: u16 = 1;
/// Neurons that are not immune and are not pruned, as long as there are no more of them.
pub const MIN_NON_IMMUNE_UIDS: u16 = 10;
/// The most owner neurons that may be kept from pruning.
pub const MAX_IMMUNE_OWNER_UIDS: u16 = 10;
/// A subnet is not trimmed to where so many of its neurons, in hundredths, would be immune.
pub const MAX_IMMUNE_PERCENT: u64 = 80;
/// The fewest neurons to which an owner may trim a subnet.
pub const MIN_ALLOWED_UIDS: u16 = 64;

/// The largest share of a parent's dividends that a child may keep, as a fraction of 65535 (18 %).
pub const MAX_CHILDKEY_TAKE: u16 = 11_796;
/// Blocks between naming children and the epoch that takes them on.
pub const PENDING_CHILDKEY_COOLDOWN_BLOCKS: u64 = 7200;
/// Children that a hotkey may have in a subnet.
pub const MAX_CHILDREN: usize = 5;
/// Blocks between two namings of children by one hotkey in a subnet.
pub const SET_CHILDREN_RATE_LIMIT_BLOCKS: u64 = 150;
/// Blocks between two raises of a delegate's take.
pub const TX_DELEGATE_TAKE_RATE_LIMIT_BLOCKS: u64 = 216_000;
/// Blocks between two raises of a child's take.
pub const TX_CHILDKEY_TAKE_RATE_LIMIT_BLOCKS: u64 = 5;
/// Blocks between two swaps of hotkeys by one coldkey.
pub const TX_RATE_LIMIT_BLOCKS: u64 = 1000;
/// Blocks between two swaps of hotkeys by one coldkey on one subnet.
pub const HOTKEY_SWAP_ON_SUBNET_INTERVAL_BLOCKS: u64 = 7200;
/// The price of swapping a hotkey everywhere.
pub const KEY_SWAP_COST_RAO: TaoBalance = 100_000_000;
/// The price of swapping a hotkey on one subnet.
pub const KEY_SWAP_ON_SUBNET_COST_RAO: TaoBalance = 1_000_000;
/// Blocks before an epoch in which hyperparameters stand still.
pub const ADMIN_FREEZE_WINDOW_BLOCKS: u16 = 10;
/// Tempos between two settings of one hyperparameter by a subnet's owner.
pub const OWNER_HYPERPARAM_RATE_LIMIT_TEMPOS: u16 = 2;

/// `SubnetMechanism` where alpha is worth TAO one to one.
pub const STABLE_MECHANISM: u16 = 0;
/// `SubnetMechanism` where alpha has a pool.
pub const DYNAMIC_MECHANISM: u16 = 1;
/// What a pool keeps of a trade, as a fraction of 65535.
pub const FEE_RATE: u16 = 33;
/// The most that a pool may keep of a trade, as a fraction of 65535 (15 %).
pub const MAX_FEE_RATE: u16 = 10_000;
/// What a pool may not be drained below on either side, and what a subnet costs at least. With less, rounding would
/// move the price. The bound is this chain's.
pub const MIN_RESERVE: u64 = 1_000;
/// What TAO staked on root counts for in a subnet, as a fraction of 2⁶⁴ − 1 (5 %).
pub const TAO_WEIGHT: u64 = 971_718_665_099_567_868;
/// Blocks after which a subnet's average price follows half as fast as it ever will.
pub const EMA_PRICE_HALVING_BLOCKS: u64 = 201_600;

parameter_types! {
    /// How fast the average price follows the price at most: 0.000003, to the nearest 2⁻³².
    pub const SubnetMovingAlphaDefault: I96F32 = I96F32 { bits: 12_885 };
    /// How many mechanisms a subnet may have.
    pub const MaxMechanismCountDefault: crate::MechId = crate::MechId(2);
    /// The factor by which a registration raises the price of the next.
    pub const BurnIncreaseMultDefault: U64F64 = U64F64::from_ratio(126, 100);
    /// The bounds (low, high) of liquid alpha as fractions of 65535.
    pub const AlphaValuesDefault: (u16, u16) = (45_875, 58_982);
    /// The symbol of TAO, τ in the mathematical alphabet.
    pub TaoSymbol: alloc::vec::Vec<u8> = alloc::vec![0xF0, 0x9D, 0x9C, 0x8F];
    /// The steepness of liquid alpha's sigmoid.
    pub const AlphaSigmoidSteepnessDefault: i16 = ALPHA_SIGMOID_STEEPNESS;
}

/// What `ColdkeySwapAnnouncementDelay` starts with.
pub struct ColdkeySwapAnnouncementDelayDefault<T>(PhantomData<T>);

impl<T: Config> Get<BlockNumberFor<T>> for ColdkeySwapAnnouncementDelayDefault<T> {
    fn get() -> BlockNumberFor<T> {
        COLDKEY_SWAP_ANNOUNCEMENT_DELAY_BLOCKS.into()
    }
}

/// What `ColdkeySwapReannouncementDelay` starts with.
pub struct ColdkeySwapReannouncementDelayDefault<T>(PhantomData<T>);

impl<T: Config> Get<BlockNumberFor<T>> for ColdkeySwapReannouncementDelayDefault<T> {
    fn get() -> BlockNumberFor<T> {
        COLDKEY_SWAP_REANNOUNCEMENT_DELAY_BLOCKS.into()
    }
}

/// The account of all zeroes: what Bittensor's maps answer where nobody is.
pub struct ZeroAccount<T>(PhantomData<T>);

impl<T: Config> Get<T::AccountId> for ZeroAccount<T> {
    #[expect(
        clippy::expect_used,
        reason = "an account is a fixed number of bytes, and endless zeroes hold any of them"
    )]
    fn get() -> T::AccountId {
        T::AccountId::decode(&mut TrailingZeroInput::zeroes()).expect("endless zeroes decode into an account")
    }
}

/// The symbols that subnets' tokens may have, the first for netuid 1: as far as Bittensor's longer list is Greek.
pub(crate) const SYMBOLS: [&str; 24] = [
    "α", "β", "γ", "δ", "ε", "ζ", "η", "θ", "ι", "κ", "λ", "μ", "ν", "ξ", "ο", "π", "ρ", "σ", "t", "υ", "φ", "χ", "ψ",
    "ω",
];
