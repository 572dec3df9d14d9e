use super::*;
use crate::{ChainIdentityV2, Error, IdentitiesV2, Owner, SubnetIdentitiesV3, SubnetIdentityV3};
use frame_support::assert_noop;

fn identity() -> ChainIdentityV2 {
    let field = |text: &str| text.as_bytes().to_vec();
    ChainIdentityV2 {
        name: field("a name"),
        url: field("https://example.org"),
        github_repo: field("https://example.org/repository"),
        image: field("https://example.org/image"),
        discord: field("name#1"),
        description: field("what it does"),
        additional: field("and more"),
    }
}

fn set_identity(who: AccountId32, identity: ChainIdentityV2) -> DispatchResult {
    let ChainIdentityV2 { name, url, github_repo, image, discord, description, additional } = identity;
    SubtensorModule::set_identity(signed(who), name, url, github_repo, image, discord, description, additional)
}

fn subnet_identity() -> SubnetIdentityV3 {
    let field = |text: &str| text.as_bytes().to_vec();
    SubnetIdentityV3 {
        subnet_name: field("a subnet"),
        github_repo: field("https://example.org/repository"),
        subnet_contact: field("somebody@example.org"),
        subnet_url: field("https://example.org"),
        discord: field("name#1"),
        description: field("what it is for"),
        logo_url: field("https://example.org/logo"),
        additional: field("and more"),
    }
}

fn set_subnet_identity(who: AccountId32, netuid: NetUid, identity: SubnetIdentityV3) -> DispatchResult {
    let SubnetIdentityV3 {
        subnet_name,
        github_repo,
        subnet_contact,
        subnet_url,
        discord,
        description,
        logo_url,
        additional,
    } = identity;
    SubtensorModule::set_subnet_identity(
        signed(who),
        netuid,
        subnet_name,
        github_repo,
        subnet_contact,
        subnet_url,
        discord,
        description,
        logo_url,
        additional,
    )
}

#[test]
fn a_coldkey_with_a_neuron_says_who_it_is() {
    with_subnet(|| {
        assert_noop!(set_identity(cold(1), identity()), Error::<Test>::HotKeyNotRegisteredInNetwork);
        register(1);
        ok(set_identity(cold(1), identity()));
        assert_eq!(IdentitiesV2::<Test>::get(cold(1)), Some(identity()));
        assert_eq!(events().last(), Some(&Event::ChainIdentitySet(cold(1))));

        let longest = ChainIdentityV2 { name: vec![1; 256], image: vec![2; 1024], ..identity() };
        ok(set_identity(cold(1), longest.clone()));
        let too_long = [
            ChainIdentityV2 { name: vec![1; 257], ..identity() },
            ChainIdentityV2 { image: vec![1; 1025], ..identity() },
        ];
        for identity in too_long {
            assert_noop!(set_identity(cold(1), identity), Error::<Test>::InvalidIdentity);
        }
        assert_eq!(IdentitiesV2::<Test>::get(cold(1)), Some(longest));
    });
}

#[test]
fn an_owner_says_what_its_subnet_is_about() {
    with_subnet(|| {
        ok(set_subnet_identity(cold(OWNER), NET, subnet_identity()));
        assert_eq!(SubnetIdentitiesV3::<Test>::get(NET), Some(subnet_identity()));
        assert_eq!(events().last(), Some(&Event::SubnetIdentitySet(NET)));

        assert_noop!(set_subnet_identity(cold(1), NET, subnet_identity()), Error::<Test>::NotSubnetOwner);
        assert_noop!(set_subnet_identity(cold(OWNER), NetUid(9), subnet_identity()), Error::<Test>::SubnetNotExists);
        let too_long = SubnetIdentityV3 { logo_url: vec![1; 1025], ..subnet_identity() };
        assert_noop!(set_subnet_identity(cold(OWNER), NET, too_long), Error::<Test>::InvalidIdentity);
    });
}

#[test]
fn a_hotkey_that_nobody_owns_is_given_to_who_asks_first() {
    with_subnet(|| {
        ok(SubtensorModule::try_associate_hotkey(signed(cold(1)), hot(1)));
        assert_eq!(Owner::<Test>::get(hot(1)), cold(1));
        let take = SubtensorModule::try_associate_hotkey(signed(cold(2)), hot(1));
        assert_eq!(take, Err(Error::<Test>::NonAssociatedColdKey.into()));
    });
}
