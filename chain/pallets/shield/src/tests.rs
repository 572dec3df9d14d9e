use crate::{CurrentKey, Error, Event, MAX_CIPHERTEXT_BYTES, NextKey};
use frame_support::{assert_noop, assert_ok, derive_impl};
use sp_io::TestExternalities;
use sp_runtime::{BoundedVec, BuildStorage};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        MevShield: crate,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlock<Test>;
}

impl crate::Config for Test {}

fn with_key(key: Vec<u8>, test: impl FnOnce()) {
    let genesis = crate::GenesisConfig::<Test> { key, ..Default::default() };
    let mut chain = TestExternalities::from(genesis.build_storage().unwrap());
    chain.execute_with(|| {
        System::set_block_number(1);
        test();
    });
}

#[test]
fn the_key_is_there_from_the_first_block_or_never() {
    with_key(vec![7; 1184], || {
        assert_eq!(NextKey::<Test>::get().unwrap().into_inner(), [7; 1184]);
        assert_eq!(CurrentKey::<Test>::get(), NextKey::<Test>::get());
    });
    with_key(Vec::new(), || assert_eq!(NextKey::<Test>::get(), None));
}

#[test]
fn a_carrier_is_announced_and_an_empty_one_refused() {
    with_key(vec![7; 1184], || {
        let longest = BoundedVec::try_from(vec![1; MAX_CIPHERTEXT_BYTES as usize]).unwrap();
        assert_ok!(MevShield::submit_encrypted(RuntimeOrigin::signed(5), longest));
        let Some(RuntimeEvent::MevShield(Event::EncryptedSubmitted { who: 5, .. })) =
            System::events().pop().map(|record| record.event)
        else {
            panic!("no event");
        };
        let nothing = BoundedVec::default();
        assert_noop!(MevShield::submit_encrypted(RuntimeOrigin::signed(5), nothing), Error::<Test>::Empty);
        let nobody = MevShield::submit_encrypted(RuntimeOrigin::none(), BoundedVec::try_from(vec![1]).unwrap());
        assert_noop!(nobody, sp_runtime::DispatchError::BadOrigin);
    });
}
