//! Transactions encrypted to the block's author, as clients send them.

use chacha20poly1305::aead::Aead;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use ml_kem::kem::EncapsulationKey;
use ml_kem::{B32, EncapsulateDeterministic, Encoded, EncodedSizeUser, MlKem768Params};
use narrows_node::DevNode;
use narrows_runtime::Runtime;
use sp_keyring::Sr25519Keyring::{Alice, Bob};

use crate::client::Client;
use crate::transactions::pay_bob;
use crate::{TAO, config, reach};

/// A carrier of Alice's with this nonce, for her transaction of the next.
async fn carrier(client: &Client, nonce: u32, inner: &[u8]) -> Vec<u8> {
    let key = pallet_shield::NextKey::<Runtime>::hashed_key().to_vec();
    let key: pallet_shield::pallet::ShieldEncKey = client.storage(key, None).await.expect("the chain has a key");
    let key = Encoded::<EncapsulationKey<MlKem768Params>>::try_from(&key[..]).expect("of ML-KEM-768");
    let key = EncapsulationKey::<MlKem768Params>::from_bytes(&key);
    let (encapsulated, shared) = key.encapsulate_deterministic(&B32::from([3; 32])).expect("encapsulates");
    let cipher = XChaCha20Poly1305::new_from_slice(&shared).expect("32 bytes");
    let sealed = cipher.encrypt(XNonce::from_slice(&[5; 24]), inner).expect("encrypts");
    let length = u16::try_from(encapsulated.len()).expect("fits").to_le_bytes();
    let ciphertext = [&[0; 16][..], &length[..], &encapsulated[..], &[5; 24][..], &sealed[..]].concat();
    let ciphertext = ciphertext.try_into().expect("within the limit");
    client.sign(Alice, nonce, pallet_shield::Call::submit_encrypted { ciphertext })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_carrier_holds_comes_with_it_or_next_and_again_after_the_chain_went_back() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;
    let snapshot = node.control().snapshot().await.expect("names a state");
    let carrier = carrier(&client, 0, &client.sign(Alice, 1, pay_bob(3 * TAO))).await;
    for round in ["first", "after the revert"] {
        client.land(&carrier).await;
        // The next, where the carrier came while its own was begun.
        reach(&node, node.tip().number + 1).await;
        assert_eq!(client.free(Bob).await, 13 * TAO, "{round}");
        node.control().revert(snapshot).await.expect("goes back");
    }
    node.shutdown().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_carrier_of_nonsense_is_included_and_nothing_comes_of_it() {
    let node = DevNode::start(config()).await.expect("starts");
    let client = Client::connect(&node).await;
    client.land(&carrier(&client, 0, &[7; 300]).await).await;
    let before = node.tip().number;
    reach(&node, before + 2).await;
    assert_eq!(client.free(Bob).await, 10 * TAO);
    node.shutdown().await.expect("stops");
}
