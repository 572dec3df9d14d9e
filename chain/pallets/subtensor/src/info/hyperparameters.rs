//! A subnet's hyperparameters, in three forms: two structures of fixed fields, and a list of names and values, which
//! clients of any age can read.

use crate::{
    ActivityCutoffFactorMilli, AdjustmentAlpha, AdjustmentInterval, AlphaSigmoidSteepness, AlphaValues,
    BondsMovingAverage, BondsPenalty, BondsResetOn, BurnHalfLife, BurnIncreaseMult, CommitRevealWeightsEnabled, Config,
    Difficulty, ImmuneOwnerUidsLimit, ImmunityPeriod, Kappa, LiquidAlphaOn, MaxAllowedUids, MaxAllowedValidators,
    MaxBurn, MaxDifficulty, MaxRegistrationsPerBlock, MaxWeightsLimit, MinAllowedWeights, MinBurn,
    MinChildkeyTakePerSubnet, MinDifficulty, NetUid, NetworkPowRegistrationAllowed, NetworkRegistrationAllowed,
    OwnerCutEnabled, Pallet, RevealPeriodEpochs, Rho, ServingRateLimit, SubnetEmissionEnabled, SubtokenEnabled,
    TaoBalance, TargetRegistrationsPerInterval, Tempo, TransferToggle, U64F64, WeightsSetRateLimit, WeightsVersionKey,
    Yuma3On,
};
use alloc::{vec, vec::Vec};
use codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;

/// A signed fixed-point number with 32 integer and 32 fractional bits.
#[derive(Encode, Decode, TypeInfo, Clone, Copy, PartialEq, Eq, Debug)]
pub struct I32F32 {
    /// The number times 2³².
    pub bits: i64,
}

impl From<i16> for I32F32 {
    fn from(integer: i16) -> Self {
        Self { bits: i64::from(integer) << 32 }
    }
}

/// A structure, and a longer one that begins with the same fields.
macro_rules! two_forms {
    (
        $(#[$short_doc:meta])* $short:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }
        $(#[$long_doc:meta])* $long:ident { $($(#[$more_doc:meta])* $more:ident: $more_type:ty,)* }
    ) => {
        $(#[$short_doc])*
        #[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
        pub struct $short {
            $($(#[$doc])* pub $field: $type,)*
        }

        $(#[$long_doc])*
        #[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
        pub struct $long {
            $($(#[$doc])* pub $field: $type,)*
            $($(#[$more_doc])* pub $more: $more_type,)*
        }

        impl $short {
            fn extended(self, $($more: $more_type,)*) -> $long {
                $long { $($field: self.$field,)* $($more,)* }
            }
        }
    };
}

two_forms! {
    /// The first form. Fractions are of 65535 unless said otherwise.
    SubnetHyperparams {
        /// Read by no epoch any more.
        rho: Compact<u16>,
        /// Consensus majority.
        kappa: Compact<u16>,
        /// Blocks during which a new neuron is not pruned.
        immunity_period: Compact<u16>,
        /// Weights that a validator must set at least.
        min_allowed_weights: Compact<u16>,
        /// The largest share that one weight may have.
        max_weights_limit: Compact<u16>,
        /// Blocks between two epochs.
        tempo: Compact<u16>,
        /// Floor of the difficulty.
        min_difficulty: Compact<u64>,
        /// Ceiling of the difficulty.
        max_difficulty: Compact<u64>,
        /// The oldest version of weights that is taken.
        weights_version: Compact<u64>,
        /// Blocks between two settings of weights.
        weights_rate_limit: Compact<u64>,
        /// Blocks of an adjustment interval.
        adjustment_interval: Compact<u16>,
        /// Blocks without an update after which a neuron is inactive.
        activity_cutoff: Compact<u64>,
        /// Whether neurons may register.
        registration_allowed: bool,
        /// Registrations per adjustment interval.
        target_regs_per_interval: Compact<u16>,
        /// Floor of the price of a registration, in rao.
        min_burn: Compact<TaoBalance>,
        /// Ceiling of the price of a registration, in rao.
        max_burn: Compact<TaoBalance>,
        /// Share of the old bonds that an epoch keeps, in millionths.
        bonds_moving_avg: Compact<u64>,
        /// Registrations by proof of work per block.
        max_regs_per_block: Compact<u16>,
        /// Blocks between two servings.
        serving_rate_limit: Compact<u64>,
        /// Neurons that may hold a validator permit.
        max_validators: Compact<u16>,
        /// How slowly difficulty adjusts, as a fraction of 2⁶⁴ − 1.
        adjustment_alpha: Compact<u64>,
        /// Of registrations by proof of work.
        difficulty: Compact<u64>,
        /// Epochs between a commit and its reveal.
        commit_reveal_period: Compact<u64>,
        /// Whether weights are committed first.
        commit_reveal_weights_enabled: bool,
        /// Ceiling of liquid alpha.
        alpha_high: Compact<u16>,
        /// Floor of liquid alpha.
        alpha_low: Compact<u16>,
        /// Whether bonds move with liquid alpha.
        liquid_alpha_enabled: bool,
    }

    /// The second form: the first, and more. Fractions are of 65535 unless said otherwise.
    SubnetHyperparamsV2 {
        /// Steepness of liquid alpha's sigmoid, in hundredths.
        alpha_sigmoid_steepness: I32F32,
        /// 3 with Yuma 3, else 2.
        yuma_version: Compact<u16>,
        /// Whether the subnet was started.
        subnet_is_active: bool,
        /// Whether stake may change hands.
        transfers_enabled: bool,
        /// Whether a neuron may ask for its bonds to be reset.
        bonds_reset_enabled: bool,
        /// False: users cannot add liquidity.
        user_liquidity_enabled: bool,
    }
}

/// A hyperparameter by name.
#[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
pub struct HyperparamEntry {
    /// Its name, in ASCII.
    pub name: Vec<u8>,
    /// Its value.
    pub value: HyperparamValue,
}

/// The value of a hyperparameter.
#[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
pub enum HyperparamValue {
    /// A switch.
    Bool(bool),
    /// A small number.
    U16(Compact<u16>),
    /// A number.
    U32(Compact<u32>),
    /// A large number.
    U64(Compact<u64>),
    /// A very large number.
    U128(Compact<u128>),
    /// An amount, in rao.
    TaoBalance(Compact<TaoBalance>),
    /// A signed fixed-point number.
    I32F32(I32F32),
    /// A fixed-point number.
    U64F64(U64F64),
}

/// The third form.
pub type SubnetHyperparamsV3 = Vec<HyperparamEntry>;

impl<T: Config> Pallet<T> {
    /// Blocks without an update after which a neuron of a subnet is inactive.
    pub(super) fn activity_cutoff(netuid: NetUid) -> u64 {
        yuma::activity_cutoff_blocks(ActivityCutoffFactorMilli::<T>::get(netuid), Tempo::<T>::get(netuid))
    }

    /// A subnet's hyperparameters in the first form; `None` if there is no such subnet.
    pub fn get_subnet_hyperparams(netuid: NetUid) -> Option<SubnetHyperparams> {
        let (alpha_low, alpha_high) = AlphaValues::<T>::get(netuid);
        Self::subnet_exists(netuid).then(|| SubnetHyperparams {
            rho: Compact(Rho::<T>::get(netuid)),
            kappa: Compact(Kappa::<T>::get(netuid)),
            immunity_period: Compact(ImmunityPeriod::<T>::get(netuid)),
            min_allowed_weights: Compact(MinAllowedWeights::<T>::get(netuid)),
            max_weights_limit: Compact(MaxWeightsLimit::<T>::get(netuid)),
            tempo: Compact(Tempo::<T>::get(netuid)),
            min_difficulty: Compact(MinDifficulty::<T>::get(netuid)),
            max_difficulty: Compact(MaxDifficulty::<T>::get(netuid)),
            weights_version: Compact(WeightsVersionKey::<T>::get(netuid)),
            weights_rate_limit: Compact(WeightsSetRateLimit::<T>::get(netuid)),
            adjustment_interval: Compact(AdjustmentInterval::<T>::get(netuid)),
            activity_cutoff: Compact(Self::activity_cutoff(netuid)),
            registration_allowed: NetworkRegistrationAllowed::<T>::get(netuid),
            target_regs_per_interval: Compact(TargetRegistrationsPerInterval::<T>::get(netuid)),
            min_burn: Compact(MinBurn::<T>::get(netuid)),
            max_burn: Compact(MaxBurn::<T>::get(netuid)),
            bonds_moving_avg: Compact(BondsMovingAverage::<T>::get(netuid)),
            max_regs_per_block: Compact(MaxRegistrationsPerBlock::<T>::get(netuid)),
            serving_rate_limit: Compact(ServingRateLimit::<T>::get(netuid)),
            max_validators: Compact(MaxAllowedValidators::<T>::get(netuid)),
            adjustment_alpha: Compact(AdjustmentAlpha::<T>::get(netuid)),
            difficulty: Compact(Difficulty::<T>::get(netuid)),
            commit_reveal_period: Compact(RevealPeriodEpochs::<T>::get(netuid)),
            commit_reveal_weights_enabled: CommitRevealWeightsEnabled::<T>::get(netuid),
            alpha_high: Compact(alpha_high),
            alpha_low: Compact(alpha_low),
            liquid_alpha_enabled: LiquidAlphaOn::<T>::get(netuid),
        })
    }

    /// A subnet's hyperparameters in the second form; `None` if there is no such subnet.
    pub fn get_subnet_hyperparams_v2(netuid: NetUid) -> Option<SubnetHyperparamsV2> {
        Some(Self::get_subnet_hyperparams(netuid)?.extended(
            AlphaSigmoidSteepness::<T>::get(netuid).into(),
            Compact(yuma_version(Yuma3On::<T>::get(netuid))),
            SubtokenEnabled::<T>::get(netuid),
            TransferToggle::<T>::get(netuid),
            BondsResetOn::<T>::get(netuid),
            false,
        ))
    }

    /// A subnet's hyperparameters by name; `None` if there is no such subnet.
    pub fn get_subnet_hyperparams_v3(netuid: NetUid) -> Option<SubnetHyperparamsV3> {
        use HyperparamValue::{Bool, I32F32, TaoBalance, U16, U32, U64, U64F64};
        let second = Self::get_subnet_hyperparams_v2(netuid)?;
        let named = vec![
            ("rho", U16(second.rho)),
            ("kappa", U16(second.kappa)),
            ("immunity_period", U16(second.immunity_period)),
            ("min_allowed_weights", U16(second.min_allowed_weights)),
            ("max_weights_limit", U16(second.max_weights_limit)),
            ("tempo", U16(second.tempo)),
            ("min_difficulty", U64(second.min_difficulty)),
            ("max_difficulty", U64(second.max_difficulty)),
            ("difficulty", U64(second.difficulty)),
            ("weights_version", U64(second.weights_version)),
            ("weights_rate_limit", U64(second.weights_rate_limit)),
            ("adjustment_interval", U16(second.adjustment_interval)),
            ("adjustment_alpha", U64(second.adjustment_alpha)),
            ("activity_cutoff", U64(second.activity_cutoff)),
            ("activity_cutoff_factor", U32(Compact(ActivityCutoffFactorMilli::<T>::get(netuid)))),
            ("registration_allowed", Bool(second.registration_allowed)),
            ("network_pow_registration_allowed", Bool(NetworkPowRegistrationAllowed::<T>::get(netuid))),
            ("target_regs_per_interval", U16(second.target_regs_per_interval)),
            ("max_regs_per_block", U16(second.max_regs_per_block)),
            ("min_burn", TaoBalance(second.min_burn)),
            ("max_burn", TaoBalance(second.max_burn)),
            ("burn_half_life", U16(Compact(BurnHalfLife::<T>::get(netuid)))),
            ("burn_increase_mult", U64F64(BurnIncreaseMult::<T>::get(netuid))),
            ("bonds_moving_avg", U64(second.bonds_moving_avg)),
            ("bonds_penalty", U16(Compact(BondsPenalty::<T>::get(netuid)))),
            ("bonds_reset_enabled", Bool(second.bonds_reset_enabled)),
            ("serving_rate_limit", U64(second.serving_rate_limit)),
            ("max_validators", U16(second.max_validators)),
            ("max_allowed_uids", U16(Compact(MaxAllowedUids::<T>::get(netuid)))),
            ("owner_immune_neuron_limit", U16(Compact(ImmuneOwnerUidsLimit::<T>::get(netuid)))),
            ("min_childkey_take", U16(Compact(MinChildkeyTakePerSubnet::<T>::get(netuid)))),
            ("commit_reveal_period", U64(second.commit_reveal_period)),
            ("commit_reveal_weights_enabled", Bool(second.commit_reveal_weights_enabled)),
            ("alpha_high", U16(second.alpha_high)),
            ("alpha_low", U16(second.alpha_low)),
            ("liquid_alpha_enabled", Bool(second.liquid_alpha_enabled)),
            ("alpha_sigmoid_steepness", I32F32(second.alpha_sigmoid_steepness)),
            ("yuma_version", U16(second.yuma_version)),
            ("yuma3_enabled", Bool(Yuma3On::<T>::get(netuid))),
            ("subnet_is_active", Bool(second.subnet_is_active)),
            ("subnet_emission_enabled", Bool(SubnetEmissionEnabled::<T>::get(netuid))),
            ("transfers_enabled", Bool(second.transfers_enabled)),
            ("owner_cut_enabled", Bool(OwnerCutEnabled::<T>::get(netuid))),
            ("user_liquidity_enabled", Bool(second.user_liquidity_enabled)),
        ];
        Some(named.into_iter().map(|(name, value)| HyperparamEntry { name: name.as_bytes().to_vec(), value }).collect())
    }
}

/// What clients show: they count from two.
fn yuma_version(yuma3: bool) -> u16 {
    if yuma3 { 3 } else { 2 }
}
