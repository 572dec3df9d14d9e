//! The symbols of subnets' tokens.

use crate::{Config, Error, Event, NetUid, Pallet, TokenSymbol, defaults};
use alloc::vec::Vec;
use frame_support::{ensure, pallet_prelude::*};
use frame_system::pallet_prelude::OriginFor;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_update_symbol(origin: OriginFor<T>, netuid: NetUid, symbol: Vec<u8>) -> DispatchResult {
        Self::ensure_subnet_owner_or_root(origin, netuid)?;
        let exists = defaults::SYMBOLS.iter().any(|known| known.as_bytes() == symbol);
        ensure!(exists, Error::<T>::SymbolDoesNotExist);
        ensure!(!Self::is_symbol_used(&symbol), Error::<T>::SymbolAlreadyInUse);
        TokenSymbol::<T>::insert(netuid, &symbol);
        Self::deposit_event(Event::SymbolUpdated { netuid, symbol });
        Ok(())
    }

    /// The symbol of a new subnet: the one in its place of the list if it is free, else the first that is. Where none is
    /// left, that of TAO.
    pub(crate) fn next_symbol(netuid: NetUid) -> Vec<u8> {
        let own = netuid.0.checked_sub(1).and_then(|index| defaults::SYMBOLS.get(usize::from(index)));
        own.into_iter()
            .chain(&defaults::SYMBOLS)
            .map(|symbol| symbol.as_bytes())
            .find(|symbol| !Self::is_symbol_used(symbol))
            .map_or_else(defaults::TaoSymbol::get, <[u8]>::to_vec)
    }

    fn is_symbol_used(symbol: &[u8]) -> bool {
        TokenSymbol::<T>::iter_values().any(|used| used == symbol)
    }
}
