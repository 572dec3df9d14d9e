//! The root network: a stable market without neurons. TAO staked there counts in every subnet, by `TaoWeight`, and earns
//! a part of what each subnet's validators get.

use crate::{
    AlphaBalance, Config, Delegates, Keys, NetUid, Owner, Pallet, PendingRootAlphaDivs, RootAlphaDividendsPerSubnet,
    SubnetAlphaIn, SubnetAlphaOut, SubnetTAO, TaoBalance, TaoWeight, TotalHotkeyAlpha,
    emission::{part, split},
    market::Fee,
    numbers::{Proportion, mul_div},
};
use alloc::vec::Vec;
use frame_support::pallet_prelude::DispatchResult;

impl<T: Config> Pallet<T> {
    /// What a hotkey's root stake counts for in a subnet.
    pub(crate) fn weighted_root_stake(hotkey: &T::AccountId) -> u64 {
        Self::weighted(TotalHotkeyAlpha::<T>::get(hotkey, NetUid::ROOT))
    }

    fn weighted(tao: TaoBalance) -> u64 {
        mul_div(tao, TaoWeight::<T>::get(), u64::MAX).unwrap_or(tao)
    }

    /// The root network's part of a subnet: all root stake, weighted, against that and all of the subnet's alpha. None
    /// where alpha is TAO one to one: there is no pool to sell dividends to.
    pub(crate) fn root_proportion(netuid: NetUid) -> Proportion {
        if !Self::is_dynamic(netuid) {
            return Proportion::ZERO;
        }
        let root = Self::weighted(SubnetTAO::<T>::get(NetUid::ROOT));
        let alpha = SubnetAlphaIn::<T>::get(netuid).saturating_add(SubnetAlphaOut::<T>::get(netuid));
        Proportion::of(root, root.saturating_add(alpha))
    }

    /// What validators' alpha earned of their dividends; root stake is paid by `pay_root_dividends`. All of them where
    /// no alpha earned any, or where root has no part.
    pub(crate) fn earned_by_alpha(netuid: NetUid, dividends: &[AlphaBalance]) -> Vec<AlphaBalance> {
        if !Self::is_dynamic(netuid) {
            return dividends.to_vec();
        }
        let by_root = Self::earned_by_root(netuid, dividends);
        let by_alpha: Vec<_> = dividends.iter().zip(by_root).map(|(all, root)| all.saturating_sub(root)).collect();
        if by_alpha.iter().all(|amount| *amount == 0) { dividends.to_vec() } else { by_alpha }
    }

    /// What validators' root stake earned of their dividends, by uid.
    fn earned_by_root(netuid: NetUid, dividends: &[AlphaBalance]) -> Vec<AlphaBalance> {
        (0u16..)
            .zip(dividends)
            .map(|(uid, amount)| {
                let hotkey = Keys::<T>::get(netuid, uid);
                Proportion::of(Self::weighted_root_stake(&hotkey), Self::own_stake(&hotkey, netuid)).of_amount(*amount)
            })
            .collect()
    }

    /// Pays a subnet's pending root dividends: the alpha is sold, and the TAO becomes root stake of those who staked to
    /// the subnet's validators there, by what their root stake earned. Where none earned anything, or the pool is too
    /// small, it stays pending.
    pub(crate) fn pay_root_dividends(netuid: NetUid, dividends: &[AlphaBalance]) -> DispatchResult {
        // Last epoch's entries go: one per validator.
        let _ = RootAlphaDividendsPerSubnet::<T>::clear_prefix(netuid, u32::MAX, None);
        let alpha = PendingRootAlphaDivs::<T>::get(netuid);
        let earned = Self::earned_by_root(netuid, dividends);
        let tao = Self::market(netuid).sell(alpha).map(|deal| deal.out).unwrap_or_default();
        if tao == 0 || earned.iter().all(|amount| *amount == 0) {
            return Ok(());
        }
        PendingRootAlphaDivs::<T>::remove(netuid);
        let (tao, _) = Self::sell_alpha(netuid, alpha)?;
        Self::buy_alpha(NetUid::ROOT, tao, Fee::Waived)?;
        let (alphas, taos) = (split(alpha, &earned), split(tao, &earned));
        for ((uid, alpha), tao) in (0u16..).zip(alphas).zip(taos).filter(|((_, alpha), tao)| *alpha > 0 || *tao > 0) {
            let hotkey = Keys::<T>::get(netuid, uid);
            let take = part(tao, Delegates::<T>::get(&hotkey));
            if tao > take {
                Self::increase_pool(&hotkey, NetUid::ROOT, tao.saturating_sub(take))?;
            }
            if take > 0 {
                Self::increase_stake(&hotkey, &Owner::<T>::get(&hotkey), NetUid::ROOT, take)?;
            }
            RootAlphaDividendsPerSubnet::<T>::insert(netuid, &hotkey, alpha);
        }
        Ok(())
    }
}
