use super::*;
use crate::{NetworksAdded, TotalAlphaStaked, TotalNetworks};

#[test]
fn a_chain_of_an_earlier_version_goes_on() {
    with_subnet(|| {
        register(1);
        stake(1, 100 * RAO_PER_TAO);
        pass(3);
        let root = || sp_io::storage::root(sp_runtime::StateVersion::V1);
        let whole = root();
        NetworksAdded::<Test>::remove(NetUid::ROOT);
        TotalNetworks::<Test>::put(1);
        TotalAlphaStaked::<Test>::remove(NET);
        assert!(SubtensorModule::check_invariants().is_err());
        SubtensorModule::on_runtime_upgrade();
        assert_eq!(root(), whole);
        SubtensorModule::on_runtime_upgrade();
        assert_eq!(root(), whole, "once is enough");
    });
}
