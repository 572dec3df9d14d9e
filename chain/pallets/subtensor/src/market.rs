//! What alpha costs: a subnet's market, and trades with it.
//!
//! A stable market (`SubnetMechanism` 0, and the root network) gives alpha for TAO one to one. A dynamic one (1) is a
//! pool of `SubnetTAO` and `SubnetAlphaIn` with the arithmetic of `pool`.

use crate::{
    AlphaBalance, Config, EMAPriceHalvingBlocks, Error, Event, I96F32, NetUid, Pallet, SubnetAlphaIn, SubnetAlphaOut,
    SubnetMechanism, SubnetMovingAlpha, SubnetTAO, SubnetVolume, TaoBalance, TotalStake, TransferToggle,
    defaults::{DYNAMIC_MECHANISM, RAO_PER_TAO},
    numbers::mul_div,
    pool::Reserves,
};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use frame_support::{ensure, pallet_prelude::*};
use scale_info::TypeInfo;
use sp_runtime::DispatchError;

/// Where the fees of pools are set.
pub trait FeeRates {
    /// What a subnet's pool keeps of a trade, as a fraction of 65535.
    fn fee_rate(netuid: NetUid) -> u16;

    /// Forgets the fee of a subnet that is no more.
    fn forget_fee_rate(netuid: NetUid);
}

/// The price of a subnet's alpha.
#[derive(Encode, Decode, TypeInfo, Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubnetPrice {
    /// The subnet.
    pub netuid: NetUid,
    /// What one alpha costs, in rao.
    pub price: u64,
}

/// What a trade would come to.
#[derive(Encode, Decode, TypeInfo, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SimSwapResult {
    /// TAO that goes in or comes out.
    pub tao_amount: TaoBalance,
    /// Alpha that goes in or comes out.
    pub alpha_amount: AlphaBalance,
    /// The part of the TAO that is the fee.
    pub tao_fee: TaoBalance,
    /// The part of the alpha that is the fee.
    pub alpha_fee: AlphaBalance,
    /// TAO that is missing from what the price before the trade, after the fee, would have given.
    pub tao_slippage: TaoBalance,
    /// Alpha that is missing from what the price before the trade, after the fee, would have given.
    pub alpha_slippage: AlphaBalance,
}

/// Whether a trade leaves a fee in the pool. Stake that moves from one subnet to another pays once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fee {
    /// At the pool's rate.
    Due,
    /// Paid elsewhere.
    Waived,
}

/// Where alpha is traded for TAO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Market {
    /// One to one, without a fee.
    Stable,
    /// Against a pool.
    Pool {
        /// What is in it.
        reserves: Reserves,
        /// What it keeps of a trade, as a fraction of 65535.
        fee_rate: u16,
    },
}

/// A trade that a market would make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deal {
    /// What comes out.
    pub(crate) out: u64,
    /// The part of what goes in that buys nothing.
    pub(crate) fee: u64,
    /// The market afterwards.
    pub(crate) after: Market,
}

impl Market {
    /// The trade of TAO for alpha; `None` if the pool is too small for it.
    pub(crate) fn buy(self, tao: TaoBalance) -> Option<Deal> {
        match self {
            Self::Stable => Some(Deal { out: tao, fee: 0, after: self }),
            Self::Pool { reserves, fee_rate } => {
                let trade = reserves.buy(tao, fee_rate)?;
                Some(Deal { out: trade.out, fee: trade.fee, after: Self::Pool { reserves: trade.after, fee_rate } })
            }
        }
    }

    /// The trade of alpha for TAO; `None` if the pool is too small for it.
    pub(crate) fn sell(self, alpha: AlphaBalance) -> Option<Deal> {
        match self {
            Self::Stable => Some(Deal { out: alpha, fee: 0, after: self }),
            Self::Pool { reserves, fee_rate } => {
                let trade = reserves.sell(alpha, fee_rate)?;
                Some(Deal { out: trade.out, fee: trade.fee, after: Self::Pool { reserves: trade.after, fee_rate } })
            }
        }
    }

    /// What is traded against: a stable market is a pool whose sides are always equal.
    pub(crate) fn reserves(self) -> Reserves {
        match self {
            Self::Stable => Reserves { tao: 1, alpha: 1 },
            Self::Pool { reserves, .. } => reserves,
        }
    }

    fn without_fee(self) -> Self {
        match self {
            Self::Stable => self,
            Self::Pool { reserves, .. } => Self::Pool { reserves, fee_rate: 0 },
        }
    }
}

impl<T: Config> Pallet<T> {
    /// Whether a subnet's alpha is traded against a pool.
    pub(crate) fn is_dynamic(netuid: NetUid) -> bool {
        SubnetMechanism::<T>::get(netuid) == DYNAMIC_MECHANISM
    }

    /// A subnet's market.
    pub(crate) fn market(netuid: NetUid) -> Market {
        if !Self::is_dynamic(netuid) {
            return Market::Stable;
        }
        let reserves = Reserves { tao: SubnetTAO::<T>::get(netuid), alpha: SubnetAlphaIn::<T>::get(netuid) };
        Market::Pool { reserves, fee_rate: T::FeeRates::fee_rate(netuid) }
    }

    /// A subnet's market, with or without its fee.
    pub(crate) fn market_at(netuid: NetUid, fee: Fee) -> Market {
        let market = Self::market(netuid);
        if fee == Fee::Due { market } else { market.without_fee() }
    }

    /// What one alpha of a subnet costs, in rao.
    pub fn current_alpha_price(netuid: NetUid) -> u64 {
        Self::market(netuid).reserves().price_rao()
    }

    /// The prices of all subnets, the root network's first.
    pub fn current_alpha_price_all() -> Vec<SubnetPrice> {
        Self::networks()
            .into_iter()
            .map(|netuid| SubnetPrice { netuid, price: Self::current_alpha_price(netuid) })
            .collect()
    }

    /// What so much TAO would buy now; all zero if the pool is too small for it.
    pub fn sim_swap_tao_for_alpha(netuid: NetUid, tao: TaoBalance) -> SimSwapResult {
        let market = Self::market(netuid);
        let Some(deal) = market.buy(tao) else { return SimSwapResult::default() };
        let reserves = market.reserves();
        let at_price = mul_div(tao.saturating_sub(deal.fee), reserves.alpha, reserves.tao).unwrap_or(u64::MAX);
        SimSwapResult {
            tao_amount: tao,
            alpha_amount: deal.out,
            tao_fee: deal.fee,
            alpha_slippage: at_price.saturating_sub(deal.out),
            ..Default::default()
        }
    }

    /// What so much alpha would sell for now; all zero if the pool is too small for it.
    pub fn sim_swap_alpha_for_tao(netuid: NetUid, alpha: AlphaBalance) -> SimSwapResult {
        let market = Self::market(netuid);
        let Some(deal) = market.sell(alpha) else { return SimSwapResult::default() };
        let reserves = market.reserves();
        let at_price = mul_div(alpha.saturating_sub(deal.fee), reserves.tao, reserves.alpha).unwrap_or(u64::MAX);
        SimSwapResult {
            tao_amount: deal.out,
            alpha_amount: alpha,
            alpha_fee: deal.fee,
            tao_slippage: at_price.saturating_sub(deal.out),
            ..Default::default()
        }
    }

    /// Puts TAO into a subnet and issues the alpha that it buys: (alpha, fee in rao). Whose TAO it was, and whose stake
    /// the alpha becomes, is the caller's business.
    pub(crate) fn buy_alpha(
        netuid: NetUid,
        tao: TaoBalance,
        fee: Fee,
    ) -> Result<(AlphaBalance, TaoBalance), DispatchError> {
        let deal = Self::market_at(netuid, fee).buy(tao).ok_or(Error::<T>::InsufficientLiquidity)?;
        let backing = SubnetTAO::<T>::get(netuid).checked_add(tao).ok_or(Error::<T>::Overflow)?;
        let issued = SubnetAlphaOut::<T>::get(netuid).checked_add(deal.out).ok_or(Error::<T>::Overflow)?;
        let total = TotalStake::<T>::get().checked_add(tao).ok_or(Error::<T>::Overflow)?;
        SubnetTAO::<T>::insert(netuid, backing);
        SubnetAlphaOut::<T>::insert(netuid, issued);
        TotalStake::<T>::put(total);
        Self::note_trade(netuid, deal.after, tao);
        Ok((deal.out, deal.fee))
    }

    /// Takes issued alpha back into a subnet and pays out the TAO that it sells for: (TAO, fee in alpha).
    pub(crate) fn sell_alpha(netuid: NetUid, alpha: AlphaBalance) -> Result<(TaoBalance, AlphaBalance), DispatchError> {
        let deal = Self::market(netuid).sell(alpha).ok_or(Error::<T>::InsufficientLiquidity)?;
        let backing = SubnetTAO::<T>::get(netuid).checked_sub(deal.out).ok_or(Error::<T>::InsufficientLiquidity)?;
        let issued = SubnetAlphaOut::<T>::get(netuid).checked_sub(alpha).ok_or(Error::<T>::InsufficientLiquidity)?;
        let total = TotalStake::<T>::get().checked_sub(deal.out).ok_or(Error::<T>::Overflow)?;
        SubnetTAO::<T>::insert(netuid, backing);
        SubnetAlphaOut::<T>::insert(netuid, issued);
        TotalStake::<T>::put(total);
        Self::note_trade(netuid, deal.after, deal.out);
        Ok((deal.out, deal.fee))
    }

    fn note_trade(netuid: NetUid, after: Market, tao: TaoBalance) {
        if let Market::Pool { reserves, .. } = after {
            SubnetAlphaIn::<T>::insert(netuid, reserves.alpha);
        }
        SubnetVolume::<T>::mutate(netuid, |volume| *volume = volume.saturating_add(u128::from(tao)));
    }

    /// What so much alpha is worth at the present price, in rao.
    pub(crate) fn worth(netuid: NetUid, alpha: AlphaBalance) -> TaoBalance {
        mul_div(alpha, Self::current_alpha_price(netuid), RAO_PER_TAO).unwrap_or(u64::MAX)
    }

    pub(crate) fn set_transfer_toggle(netuid: NetUid, allowed: bool) {
        TransferToggle::<T>::insert(netuid, allowed);
        Self::deposit_event(Event::TransferToggle(netuid, allowed));
    }

    /// Between nothing and all of the way.
    pub(crate) fn set_subnet_moving_alpha(step: I96F32) -> DispatchResult {
        ensure!(step.bits >= 0 && step <= I96F32::ONE, Error::<T>::InvalidValue);
        SubnetMovingAlpha::<T>::put(step);
        Ok(())
    }

    pub(crate) fn set_ema_price_halving_blocks(netuid: NetUid, blocks: u64) {
        EMAPriceHalvingBlocks::<T>::insert(netuid, blocks);
    }
}
