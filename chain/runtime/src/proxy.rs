//! What a proxy may do in another account's name: Bittensor's kinds, and for each the calls that it may make.
//!
//! A kind permits whole [`groups`] of calls, and what no group of its own holds is refused: a call that is new to the
//! chain is permitted to nobody but [`ProxyType::Any`] until it is put into a group. What a proxy dispatches goes through
//! its filter again at every call inside, so a batch gets around none of it. What sudo dispatches as root is past all
//! filters: a kind that permits sudo permits whatever root may do.

mod groups;

pub use groups::Group;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::parameter_types;
use frame_support::traits::InstanceFilter;
use scale_info::TypeInfo;

use crate::pallets::deposit;
use crate::{Balance, RuntimeCall};

/// A transfer of less than this many rao is a small one. Bittensor's value.
const SMALL_TRANSFER_RAO: u64 = 500_000_000;

parameter_types! {
    /// For an account's first proxy: an entry with a key of 32 bytes and a balance.
    pub const ProxyDepositBase: Balance = deposit(1, 40);
    /// For every proxy: an account and its kind.
    pub const ProxyDepositFactor: Balance = deposit(0, 33);
    /// For an account's first announcement.
    pub const AnnouncementDepositBase: Balance = deposit(1, 16);
    /// For every announcement: an account, a hash and a block.
    pub const AnnouncementDepositFactor: Balance = deposit(0, 68);
    /// Proxies of one account.
    pub const MaxProxies: u32 = 20;
    /// Announcements of one account.
    pub const MaxPending: u32 = 75;
}

/// What a proxy is for. The order is Bittensor's: clients send the number.
#[derive(
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Default,
)]
pub enum ProxyType {
    /// Everything.
    #[default]
    Any,
    /// Running a subnet: what its owner may set, except who its owner's hotkey is.
    Owner,
    /// What cannot be regretted much: no sudo, no `burned_register`, no change of coldkey. (`register`, which burns as
    /// well, is permitted, as on Bittensor.)
    NonCritical,
    /// Everything that gives nothing to another coldkey.
    NonTransfer,
    /// Nothing any more.
    Senate,
    /// Everything that gives neither TAO, stake nor a key to anybody. What destroys them (`burn_alpha`, registrations that
    /// burn) is permitted, as on Bittensor.
    NonFungible,
    /// Nothing any more.
    Triumvirate,
    /// Nothing any more.
    Governance,
    /// Moving stake of the coldkey's own.
    Staking,
    /// Registering hotkeys.
    Registration,
    /// Giving TAO or stake away.
    Transfer,
    /// The same, less than half a TAO or half an alpha at a time.
    SmallTransfer,
    /// Nothing any more.
    RootWeights,
    /// Naming children, and their take.
    ChildKeys,
    /// Replacing the chain's code, through sudo.
    SudoUncheckedSetCode,
    /// Swapping hotkeys.
    SwapHotkey,
    /// Running a subnet, and starting it.
    SubnetLeaseBeneficiary,
    /// Claiming root dividends.
    RootClaim,
}

/// What a kind of proxy may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Everything.
    All,
    /// Every call of these groups.
    Groups(&'static [Group]),
    /// Transfers of less than [`SMALL_TRANSFER_RAO`].
    SmallTransfers,
    /// One call of sudo, and only with one call inside.
    SudoSetCode,
}

impl ProxyType {
    /// What this kind may call.
    pub fn permission(self) -> Permission {
        use Group as G;
        match self {
            Self::Any => Permission::All,
            Self::Owner => Permission::Groups(&[G::SubnetIdentity, G::SubnetManagement]),
            Self::NonCritical => Permission::Groups(&[
                G::Common,
                G::SubnetManagement,
                G::RootConfiguration,
                G::OwnerKey,
                G::BalanceTransfer,
                G::BalanceMaintenance,
                G::Staking,
                G::StakeTransfer,
                G::Registration,
                G::HotkeySwap,
                G::ChildKeys,
                G::SubnetIdentity,
                G::SubnetStart,
                G::Neuron,
            ]),
            Self::NonTransfer => Permission::Groups(&[
                G::Common,
                G::SubnetManagement,
                G::RootConfiguration,
                G::OwnerKey,
                G::Sudo,
                G::Staking,
                G::Registration,
                G::BurnedRegistration,
                G::RootRegistration,
                G::HotkeySwap,
                G::ChildKeys,
                G::SubnetIdentity,
                G::SubnetStart,
                G::Neuron,
            ]),
            Self::NonFungible => Permission::Groups(&[
                G::Common,
                G::SubnetManagement,
                G::RootConfiguration,
                G::OwnerKey,
                G::Sudo,
                G::Registration,
                G::ChildKeys,
                G::SubnetIdentity,
                G::SubnetStart,
                G::Neuron,
            ]),
            Self::Staking => Permission::Groups(&[G::Staking]),
            Self::Registration => Permission::Groups(&[G::Registration, G::BurnedRegistration]),
            Self::Transfer => Permission::Groups(&[G::BalanceTransfer, G::StakeTransfer]),
            Self::SmallTransfer => Permission::SmallTransfers,
            Self::ChildKeys => Permission::Groups(&[G::ChildKeys]),
            Self::SudoUncheckedSetCode => Permission::SudoSetCode,
            Self::SwapHotkey => Permission::Groups(&[G::HotkeySwap]),
            Self::SubnetLeaseBeneficiary => {
                Permission::Groups(&[G::SubnetStart, G::SubnetIdentity, G::SubnetManagement])
            }
            // Root dividends are paid here; there is nothing to claim.
            Self::RootClaim => Permission::Groups(&[]),
            Self::Senate | Self::Triumvirate | Self::Governance | Self::RootWeights => Permission::Groups(&[]),
        }
    }
}

impl InstanceFilter<RuntimeCall> for ProxyType {
    fn filter(&self, call: &RuntimeCall) -> bool {
        match self.permission() {
            Permission::All => true,
            Permission::Groups(permitted) => Group::of(call).is_some_and(|group| permitted.contains(&group)),
            Permission::SmallTransfers => is_small_transfer(call),
            Permission::SudoSetCode => is_set_code_by_sudo(call),
        }
    }

    /// Whether a proxy of this kind may name or remove one of the other.
    fn is_superset(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            // One by one, so that a kind which is added later is not given away by accident.
            (
                Self::NonTransfer,
                Self::Owner
                | Self::Senate
                | Self::NonFungible
                | Self::Triumvirate
                | Self::Governance
                | Self::Staking
                | Self::Registration
                | Self::RootWeights
                | Self::ChildKeys
                | Self::SudoUncheckedSetCode
                | Self::SwapHotkey
                | Self::SubnetLeaseBeneficiary
                | Self::RootClaim,
            ) => true,
            (Self::Transfer, Self::SmallTransfer) => true,
            (this, other) => this == other,
        }
    }
}

fn is_small_transfer(call: &RuntimeCall) -> bool {
    match call {
        RuntimeCall::Balances(
            pallet_balances::Call::transfer_keep_alive { value, .. }
            | pallet_balances::Call::transfer_allow_death { value, .. },
        ) => *value < SMALL_TRANSFER_RAO,
        RuntimeCall::SubtensorModule(pallet_subtensor::Call::transfer_stake { alpha_amount, .. }) => {
            *alpha_amount < SMALL_TRANSFER_RAO
        }
        _ => false,
    }
}

fn is_set_code_by_sudo(call: &RuntimeCall) -> bool {
    let RuntimeCall::Sudo(pallet_sudo::Call::sudo_unchecked_weight { call, .. }) = call else { return false };
    matches!(**call, RuntimeCall::System(frame_system::Call::set_code { .. }))
}
