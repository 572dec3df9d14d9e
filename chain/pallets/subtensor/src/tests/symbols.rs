use super::*;
use crate::{Error, TokenSymbol};
use frame_support::assert_noop;
use sp_runtime::DispatchError;

fn update(origin: RuntimeOrigin, netuid: NetUid, symbol: &str) -> DispatchResult {
    SubtensorModule::update_symbol(origin, netuid, symbol.as_bytes().to_vec())
}

#[test]
fn an_owner_takes_another_symbol_that_is_free() {
    with_subnet(|| {
        let other = another_subnet(1, 0);
        assert_eq!(TokenSymbol::<Test>::get(other), "β".as_bytes());
        let owner = || signed(cold(OWNER));
        assert_noop!(update(owner(), NET, "β"), Error::<Test>::SymbolAlreadyInUse);
        assert_noop!(update(owner(), NET, "α"), Error::<Test>::SymbolAlreadyInUse);
        assert_noop!(update(owner(), NET, "dollar"), Error::<Test>::SymbolDoesNotExist);
        assert_noop!(update(owner(), NET, ""), Error::<Test>::SymbolDoesNotExist);
        // TAO's own is nobody's token.
        let tao = || SubtensorModule::update_symbol(owner(), NET, crate::defaults::TaoSymbol::get());
        assert_noop!(tao(), Error::<Test>::SymbolDoesNotExist);
        assert_noop!(update(owner(), other, "ω"), sp_runtime::DispatchError::BadOrigin);
        assert_noop!(update(owner(), NetUid::ROOT, "ω"), Error::<Test>::SubnetNotExists);
        assert_noop!(update(RuntimeOrigin::none(), NET, "ω"), DispatchError::BadOrigin);

        ok(update(owner(), NET, "ω"));
        assert_eq!(TokenSymbol::<Test>::get(NET), "ω".as_bytes());
        assert_eq!(events().last(), Some(&Event::SymbolUpdated { netuid: NET, symbol: "ω".into() }));
        ok(update(RuntimeOrigin::root(), other, "α"));
    });
}

#[test]
fn a_new_subnet_takes_the_first_free_symbol_where_its_own_is_taken() {
    with_subnet(|| {
        ok(update(signed(cold(OWNER)), NET, "β"));
        assert_eq!(TokenSymbol::<Test>::get(another_subnet(1, 0)), "α".as_bytes());
        assert_eq!(TokenSymbol::<Test>::get(another_subnet(2, 0)), "γ".as_bytes());
    });
}
