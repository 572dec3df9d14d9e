//! How a block's TAO reaches subnets: each one's share by the average price of its alpha, and what the share does in a
//! pool.
//!
//! A share goes into the pool with alpha at the present price, so that the price stays; but with no more alpha than
//! root's part of what the subnet emits. What is left of the share buys alpha, so the price rises. That alpha counts as
//! issued and is the protocol's: nobody stakes or sells it.

use crate::{
    AlphaBalance, Config, EMAPriceHalvingBlocks, FirstEmissionBlockNumber, I96F32, MinerBurned, NetUid, Pallet,
    RootProp, SubnetAlphaIn, SubnetAlphaInEmission, SubnetAlphaOut, SubnetAlphaOutEmission, SubnetExcessTao,
    SubnetMovingAlpha, SubnetMovingPrice, SubnetProtocolAlpha, SubnetTAO, SubnetTaoInEmission, TaoBalance, TotalStake,
    U96F32,
    emission::block_emission,
    numbers::{Proportion, mul_div},
    pool::Reserves,
};
use alloc::vec::Vec;

impl<T: Config> Pallet<T> {
    /// By what the subnets that take part share the block's TAO: the average price times what miners were not burned of;
    /// the average price alone where all were burned of everything. As long as no price has an average (it takes some
    /// blocks to be more than nothing), as if all prices were equal; Bittensor emits nothing until then.
    pub(crate) fn emission_weights(taking: &[NetUid]) -> Vec<u64> {
        let prices: Vec<Proportion> = taking.iter().map(|netuid| Self::moving_price(*netuid)).collect();
        let unpriced = prices.iter().all(|price| *price == Proportion::ZERO);
        let prices: Vec<Proportion> = if unpriced { prices.iter().map(|_| Proportion::ONE).collect() } else { prices };
        let weights: Vec<u64> =
            taking.iter().zip(&prices).map(|(netuid, price)| price.times(Self::unburned(*netuid)).bits()).collect();
        if weights.iter().any(|weight| *weight > 0) {
            weights
        } else {
            prices.into_iter().map(Proportion::bits).collect()
        }
    }

    /// What miners were not burned of. Where alpha is TAO one to one, all: with no other emission, a subnet whose miners
    /// were all burned could never pay again.
    fn unburned(netuid: NetUid) -> Proportion {
        if Self::is_dynamic(netuid) {
            Proportion::from(MinerBurned::<T>::get(netuid)).complement()
        } else {
            Proportion::ONE
        }
    }

    /// The average price of a subnet's alpha; one where alpha is TAO one to one.
    pub(crate) fn moving_price(netuid: NetUid) -> Proportion {
        if Self::is_dynamic(netuid) { SubnetMovingPrice::<T>::get(netuid).into() } else { Proportion::ONE }
    }

    /// Whether root's dividends are sold: where all pools' average prices together are above one. Below that, selling
    /// would press them further, and what root would get is not issued.
    pub(crate) fn root_sells(taking: &[NetUid]) -> bool {
        let sum = taking
            .iter()
            .filter(|netuid| Self::is_dynamic(**netuid))
            .fold(0u64, |sum, netuid| sum.saturating_add(Self::moving_price(*netuid).bits()));
        sum > Proportion::ONE.bits()
    }

    /// Moves the average towards the price (counted as one at most): by `SubnetMovingAlpha · b / (b + h)` of the way,
    /// where b is how many blocks the subnet emits, this one included, and h `EMAPriceHalvingBlocks`.
    pub(crate) fn update_moving_price(netuid: NetUid, now: u64) {
        let Some(first) = FirstEmissionBlockNumber::<T>::get(netuid) else { return };
        let blocks = now.saturating_sub(first.saturating_sub(1));
        let age = Proportion::of(blocks, blocks.saturating_add(EMAPriceHalvingBlocks::<T>::get(netuid)));
        let step = Proportion::from(SubnetMovingAlpha::<T>::get()).times(age);
        let price = Self::market(netuid).reserves().price_up_to_one();
        let average = Self::moving_price_as_stored(netuid);
        SubnetMovingPrice::<T>::insert(netuid, I96F32::from(moved(average, price, step)));
    }

    fn moving_price_as_stored(netuid: NetUid) -> Proportion {
        SubnetMovingPrice::<T>::get(netuid).into()
    }

    /// Puts a share into a subnet's pool. Returns the alpha that the subnet emits, by its own halvings, and root's
    /// part of it.
    pub(crate) fn emit_to_pool(netuid: NetUid, share: TaoBalance) -> (AlphaBalance, Proportion) {
        let reserves = Reserves { tao: SubnetTAO::<T>::get(netuid), alpha: SubnetAlphaIn::<T>::get(netuid) };
        let alpha = block_emission(reserves.alpha.saturating_add(SubnetAlphaOut::<T>::get(netuid)));
        let root = Self::root_proportion(netuid);
        let injected = inject(reserves, share, root.of_amount(alpha));
        SubnetTAO::<T>::insert(netuid, injected.after.tao);
        SubnetAlphaIn::<T>::insert(netuid, injected.after.alpha);
        let bought = reserves.alpha.saturating_add(injected.alpha).saturating_sub(injected.after.alpha);
        // Below 21 million with all else that the subnet has, so nothing saturates.
        SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_add(bought));
        SubnetProtocolAlpha::<T>::mutate(netuid, |alpha| *alpha = alpha.saturating_add(bought));
        let added = injected.after.tao.saturating_sub(reserves.tao);
        TotalStake::<T>::mutate(|total| *total = total.saturating_add(added));
        SubnetTaoInEmission::<T>::insert(netuid, injected.tao);
        SubnetAlphaInEmission::<T>::insert(netuid, injected.alpha);
        SubnetExcessTao::<T>::insert(netuid, injected.excess);
        RootProp::<T>::insert(netuid, U96F32::from(root));
        (alpha, root)
    }

    /// Puts a share behind as much alpha.
    pub(crate) fn emit_one_to_one(netuid: NetUid, share: TaoBalance) -> (AlphaBalance, Proportion) {
        SubnetTAO::<T>::mutate(netuid, |tao| *tao = tao.saturating_add(share));
        TotalStake::<T>::mutate(|total| *total = total.saturating_add(share));
        SubnetTaoInEmission::<T>::insert(netuid, share);
        (share, Proportion::ZERO)
    }

    /// A subnet that got nothing in this block.
    pub(crate) fn forget_emission(netuid: NetUid) {
        SubnetTaoInEmission::<T>::remove(netuid);
        SubnetAlphaInEmission::<T>::remove(netuid);
        SubnetAlphaOutEmission::<T>::remove(netuid);
        SubnetExcessTao::<T>::remove(netuid);
    }
}

/// What a share did.
#[derive(Debug, PartialEq, Eq)]
struct Injected {
    /// TAO that went in with alpha.
    tao: TaoBalance,
    /// That alpha.
    alpha: AlphaBalance,
    /// TAO that bought alpha, or that went in alone where there was none to buy.
    excess: TaoBalance,
    after: Reserves,
}

/// Puts `share` into a pool, with at most `most_alpha`.
fn inject(before: Reserves, share: TaoBalance, most_alpha: AlphaBalance) -> Injected {
    let (tao, alpha) = match mul_div(share, before.alpha, before.tao) {
        Some(alpha) if alpha <= most_alpha => (share, alpha),
        _ => (mul_div(most_alpha, before.tao, before.alpha).unwrap_or_default().min(share), most_alpha),
    };
    let excess = share.saturating_sub(tao);
    // Both sides stay below 21 million by their halvings, so nothing saturates.
    let filled = Reserves { tao: before.tao.saturating_add(tao), alpha: before.alpha.saturating_add(alpha) };
    let after = match filled.buy(excess, 0) {
        Some(bought) => bought.after,
        None => Reserves { tao: filled.tao.saturating_add(excess), ..filled },
    };
    Injected { tao, alpha, excess, after }
}

/// An average moved towards a value by a part of the way, rounded down.
fn moved(average: Proportion, value: Proportion, step: Proportion) -> Proportion {
    let sum = u128::from(step.bits()) * u128::from(value.bits())
        + u128::from(step.complement().bits()) * u128::from(average.bits());
    Proportion::from(U96F32 { bits: sum >> 32 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::RAO_PER_TAO;

    /// 2,000 TAO and 1,000 alpha: a price of two.
    const POOL: Reserves = Reserves { tao: 2_000 * RAO_PER_TAO, alpha: 1_000 * RAO_PER_TAO };

    #[test]
    fn a_share_goes_in_at_the_price_as_far_as_root_allows() {
        // One TAO is worth half an alpha.
        let all = inject(POOL, RAO_PER_TAO, RAO_PER_TAO);
        assert_eq!((all.tao, all.alpha, all.excess), (RAO_PER_TAO, RAO_PER_TAO / 2, 0));
        assert_eq!(all.after.price_rao(), 2 * RAO_PER_TAO);

        // Root allows for a quarter: half of the TAO goes in with it, half of it buys.
        let half = inject(POOL, RAO_PER_TAO, RAO_PER_TAO / 4);
        assert_eq!((half.tao, half.alpha, half.excess), (RAO_PER_TAO / 2, RAO_PER_TAO / 4, RAO_PER_TAO / 2));
        // 1000.25 · 2000.5 / 2001 = 1000.00006246..., rounded up.
        assert_eq!(half.after, Reserves { tao: 2_001 * RAO_PER_TAO, alpha: 1_000_000_062_469 });

        let none = inject(POOL, RAO_PER_TAO, 0);
        assert_eq!((none.tao, none.alpha, none.excess), (0, 0, RAO_PER_TAO));
        assert_eq!(none.after.tao, 2_001 * RAO_PER_TAO);
    }

    #[test]
    fn tao_is_never_lost_whatever_the_pool() {
        for (tao, alpha) in [(0, 0), (0, 5), (5, 0), (1, u64::MAX), (u64::MAX - RAO_PER_TAO, 1), (1_000, 1_000)] {
            for most_alpha in [0, 1, RAO_PER_TAO] {
                let done = inject(Reserves { tao, alpha }, RAO_PER_TAO, most_alpha);
                assert_eq!(done.tao + done.excess, RAO_PER_TAO);
                assert_eq!(done.after.tao, tao + RAO_PER_TAO, "{tao} {alpha} {most_alpha}");
            }
        }
    }

    #[test]
    fn an_average_moves_part_of_the_way() {
        let (quarter, half) = (Proportion::of(1, 4), Proportion::of(1, 2));
        assert_eq!(moved(Proportion::ZERO, Proportion::ONE, quarter), quarter);
        assert_eq!(moved(Proportion::ONE, Proportion::ZERO, quarter), quarter.complement());
        assert_eq!(moved(half, half, quarter), half);
        assert_eq!(moved(Proportion::ONE, Proportion::ONE, Proportion::ONE), Proportion::ONE);
    }
}
