//! The calls of the runtime in groups that a proxy may or may not make. The division is Bittensor's.

use frame_support::traits::GetCallMetadata;

use crate::RuntimeCall;

/// Calls that are permitted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Whole pallets that move nothing by themselves. What they dispatch is filtered again.
    Common,
    /// Acting as root, for who holds its key.
    Sudo,
    /// Giving free TAO away.
    BalanceTransfer,
    /// Root's corrections of balances, and burning.
    BalanceMaintenance,
    /// Stake in, out, and to another hotkey or subnet of the same coldkey.
    Staking,
    /// Giving stake to another coldkey.
    StakeTransfer,
    /// Registering for work, or with a say about the price.
    Registration,
    /// Registering for whatever it costs.
    BurnedRegistration,
    /// Becoming a member of the root network.
    RootRegistration,
    /// Swapping hotkeys.
    HotkeySwap,
    /// Giving everything to another coldkey. Only a proxy for everything may.
    ColdkeySwap,
    /// Naming children, and their take.
    ChildKeys,
    /// What a subnet says about itself.
    SubnetIdentity,
    /// Starting a subnet.
    SubnetStart,
    /// Everything else of a neuron or its coldkey: weights, serving, takes, creating subnets, destroying stake.
    Neuron,
    /// Hyperparameters that a subnet's owner may set.
    SubnetManagement,
    /// Settings that only root may make.
    RootConfiguration,
    /// Saying which hotkey is the subnet owner's.
    OwnerKey,
}

/// Pallets that belong to one group as a whole.
const WHOLE_PALLETS: &[(&str, Group)] = &[
    ("System", Group::Common),
    ("Timestamp", Group::Common),
    ("Utility", Group::Common),
    ("Multisig", Group::Common),
    ("Proxy", Group::Common),
    ("Commitments", Group::Common),
    ("Drand", Group::Common),
    ("MevShield", Group::Common),
    ("Swap", Group::Common),
    ("Sudo", Group::Sudo),
];

/// The groups of the other pallets' calls.
const CALLS: &[(&str, Group, &[&str])] = &[
    ("Balances", Group::BalanceTransfer, &["transfer_keep_alive", "transfer_allow_death", "transfer_all"]),
    (
        "Balances",
        Group::BalanceMaintenance,
        &[
            "force_transfer",
            "force_unreserve",
            "upgrade_accounts",
            "force_set_balance",
            "force_adjust_total_issuance",
            "burn",
        ],
    ),
    (
        "SubtensorModule",
        Group::Staking,
        &[
            "add_stake",
            "add_stake_limit",
            "remove_stake",
            "remove_stake_limit",
            "remove_stake_full_limit",
            "unstake_all",
            "unstake_all_alpha",
            "move_stake",
            "swap_stake",
            "swap_stake_limit",
            "move_stake_limit",
        ],
    ),
    ("SubtensorModule", Group::StakeTransfer, &["transfer_stake", "transfer_stake_and_hotkey"]),
    ("SubtensorModule", Group::Registration, &["register", "register_limit", "pow_register"]),
    ("SubtensorModule", Group::BurnedRegistration, &["burned_register"]),
    ("SubtensorModule", Group::RootRegistration, &["root_register"]),
    ("SubtensorModule", Group::HotkeySwap, &["swap_hotkey", "swap_hotkey_v2"]),
    (
        "SubtensorModule",
        Group::ColdkeySwap,
        &[
            "swap_coldkey",
            "announce_coldkey_swap",
            "swap_coldkey_announced",
            "dispute_coldkey_swap",
            "reset_coldkey_swap",
            "clear_coldkey_swap_announcement",
        ],
    ),
    ("SubtensorModule", Group::ChildKeys, &["set_children", "set_childkey_take"]),
    ("SubtensorModule", Group::SubnetIdentity, &["set_subnet_identity", "update_symbol"]),
    ("SubtensorModule", Group::SubnetStart, &["start_call"]),
    (
        "SubtensorModule",
        Group::Neuron,
        &[
            "set_weights",
            "set_mechanism_weights",
            "batch_set_weights",
            "commit_weights",
            "commit_mechanism_weights",
            "batch_commit_weights",
            "commit_crv3_mechanism_weights",
            "commit_timelocked_weights",
            "commit_timelocked_mechanism_weights",
            "reveal_weights",
            "reveal_mechanism_weights",
            "batch_reveal_weights",
            "recycle_alpha",
            "burn_alpha",
            "add_stake_burn",
            "register_network",
            "register_network_with_identity",
            "decrease_take",
            "increase_take",
            "serve_axon",
            "serve_axon_tls",
            "serve_prometheus",
            "set_identity",
            "try_associate_hotkey",
            "set_coldkey_auto_stake_hotkey",
            "set_pending_childkey_cooldown",
            "sudo_set_tx_childkey_take_rate_limit",
            "sudo_set_min_childkey_take",
            "sudo_set_max_childkey_take",
        ],
    ),
    ("SubtensorModule", Group::SubnetManagement, &["set_tempo", "set_activity_cutoff_factor", "trigger_epoch"]),
    (
        "AdminUtils",
        Group::SubnetManagement,
        &[
            "sudo_set_serving_rate_limit",
            "sudo_set_weights_version_key",
            "sudo_set_max_difficulty",
            "sudo_set_adjustment_alpha",
            "sudo_set_bonds_reset_enabled",
            "sudo_set_immunity_period",
            "sudo_set_min_allowed_weights",
            "sudo_set_max_allowed_uids",
            "sudo_trim_to_max_allowed_uids",
            "sudo_set_rho",
            "sudo_set_activity_cutoff",
            "sudo_set_min_burn",
            "sudo_set_max_burn",
            "sudo_set_bonds_moving_average",
            "sudo_set_bonds_penalty",
            "sudo_set_commit_reveal_weights_enabled",
            "sudo_set_liquid_alpha_enabled",
            "sudo_set_alpha_values",
            "sudo_set_commit_reveal_weights_interval",
            "sudo_set_alpha_sigmoid_steepness",
            "sudo_set_yuma3_enabled",
            "sudo_set_burn_half_life",
            "sudo_set_burn_increase_mult",
            "sudo_set_min_childkey_take_per_subnet",
            "sudo_set_recycle_or_burn",
            "sudo_set_owner_immune_neuron_limit",
            "sudo_set_mechanism_count",
            "sudo_set_mechanism_emission_split",
            "sudo_set_toggle_transfer",
        ],
    ),
    ("SubtensorModule", Group::RootConfiguration, &["dissolve_network", "root_dissolve_network"]),
    ("AdminUtils", Group::OwnerKey, &["sudo_set_subnet_owner_hotkey", "sudo_set_sn_owner_hotkey"]),
    (
        "AdminUtils",
        Group::RootConfiguration,
        &[
            "sudo_set_min_non_immune_uids",
            "sudo_set_network_immunity_period",
            "sudo_set_weights_set_rate_limit",
            "sudo_set_min_difficulty",
            "sudo_set_min_allowed_uids",
            "sudo_set_difficulty",
            "sudo_set_network_pow_registration_allowed",
            "sudo_set_coldkey_swap_announcement_delay",
            "sudo_set_coldkey_swap_reannouncement_delay",
            "sudo_set_kappa",
            "sudo_set_network_registration_allowed",
            "sudo_set_target_registrations_per_interval",
            "sudo_set_max_allowed_validators",
            "sudo_set_max_registrations_per_block",
            "sudo_set_subnet_owner_cut",
            "sudo_set_network_rate_limit",
            "sudo_set_tempo",
            "sudo_set_network_min_lock_cost",
            "sudo_set_subnet_limit",
            "sudo_set_stake_threshold",
            "sudo_set_nominator_min_required_stake",
            "sudo_set_subtoken_enabled",
            "sudo_set_start_call_delay",
            "sudo_set_owner_cut_enabled",
            "sudo_set_subnet_emission_enabled",
            "sudo_set_max_epochs_per_block",
            "sudo_set_default_take",
            "sudo_set_tx_rate_limit",
            "sudo_set_adjustment_interval",
            "sudo_set_lock_reduction_interval",
            "sudo_set_rao_recycled",
            "sudo_set_tx_delegate_take_rate_limit",
            "sudo_set_min_delegate_take",
            "sudo_set_commit_reveal_version",
            "sudo_set_ck_burn",
            "sudo_set_admin_freeze_window",
            "sudo_set_owner_hparam_rate_limit",
            "sudo_set_max_mechanism_count",
            "sudo_set_subnet_moving_alpha",
            "sudo_set_ema_price_halving_period",
        ],
    ),
];

impl Group {
    /// The group of a call; `None` for one that is in none, which no restricted proxy may make.
    pub fn of(call: &RuntimeCall) -> Option<Self> {
        let metadata = call.get_call_metadata();
        Self::of_name(metadata.pallet_name, metadata.function_name)
    }

    /// The group of a call by its pallet's name and its own.
    pub fn of_name(pallet: &str, call: &str) -> Option<Self> {
        let whole = WHOLE_PALLETS.iter().find(|(name, _)| *name == pallet).map(|(_, group)| *group);
        whole.or_else(|| {
            let mut lists = CALLS.iter().filter(|(name, _, _)| *name == pallet);
            lists.find(|(_, _, calls)| calls.contains(&call)).map(|(_, group, _)| *group)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_call_is_in_one_group_and_no_group_names_a_call_that_is_not() {
        let mut named: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (pallet, _, calls) in CALLS {
            for call in *calls {
                *named.entry((*pallet, *call)).or_default() += 1;
            }
        }
        for pallet in RuntimeCall::get_module_names() {
            let whole = WHOLE_PALLETS.iter().any(|(name, _)| name == pallet);
            for call in RuntimeCall::get_call_names(pallet) {
                let times = named.remove(&(*pallet, *call)).unwrap_or_default() + usize::from(whole);
                assert_eq!(times, 1, "{pallet}.{call} must be in exactly one group");
            }
        }
        assert!(named.is_empty(), "these calls do not exist: {named:?}");
    }
}
