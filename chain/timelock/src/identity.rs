//! Hides a key behind a round: Boneh and Franklin's FullIdent. The module above has the equations.

use alloc::vec::Vec;
use ark_bls12_381::{Bls12_381, Fr, G1Affine, G1Projective, G2Affine, G2Projective, g1};
use ark_ec::hashing::HashToCurve;
use ark_ec::hashing::curve_maps::wb::WBMap;
use ark_ec::hashing::map_to_curve_hasher::MapToCurveBasedHasher;
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::PrimeField;
use ark_ff::field_hashers::DefaultFieldHasher;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use sha2::{Digest, Sha256};

use crate::{Error, PUBLIC_KEY_BYTES, SIGNATURE_BYTES};

/// drand's quicknet and all beacons of its kind hash to G1 with this tag.
const DOMAIN: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

type ToG1 = MapToCurveBasedHasher<G1Projective, DefaultFieldHasher<Sha256, 128>, WBMap<g1::Config>>;

/// A hidden key.
pub(crate) struct Header {
    pub(crate) u: [u8; PUBLIC_KEY_BYTES],
    pub(crate) v: [u8; 32],
    pub(crate) w: [u8; 32],
}

/// Hides `key` until the round is signed.
pub(crate) fn hide(
    public_key: &[u8; PUBLIC_KEY_BYTES],
    round: u64,
    key: &[u8; 32],
    sigma: &[u8; 32],
) -> Result<Header, Error> {
    let beacon = G2Affine::deserialize_compressed(public_key.as_slice()).map_err(|_| Error::PublicKey)?;
    if beacon.is_zero() {
        // Everybody could open what is sealed for it.
        return Err(Error::PublicKey);
    }
    let r = h3(sigma, key);
    let mask = h2(point_of(round)?, (beacon * r).into_affine())?;
    let u = compressed((G2Projective::generator() * r).into_affine())?;
    Ok(Header { u, v: xor(sigma, &mask), w: xor(key, &sha256(&[sigma])) })
}

/// Finds the key with the signature of its round.
pub(crate) fn find(signature: &[u8; SIGNATURE_BYTES], header: &Header) -> Result<[u8; 32], Error> {
    let signature = G1Affine::deserialize_compressed(signature.as_slice()).map_err(|_| Error::Signature)?;
    let u = G2Affine::deserialize_compressed(header.u.as_slice()).map_err(|_| Error::Malformed)?;
    let sigma = xor(&header.v, &h2(signature, u)?);
    let key = xor(&header.w, &sha256(&[&sigma]));
    let made = (G2Projective::generator() * h3(&sigma, &key)).into_affine();
    if made == u { Ok(key) } else { Err(Error::WrongRound) }
}

/// H1: the point of G1 that the beacon signs for a round.
fn point_of(round: u64) -> Result<G1Affine, Error> {
    let hasher = ToG1::new(DOMAIN).map_err(|_| Error::Malformed)?;
    hasher.hash(&sha256(&[&round.to_be_bytes()])).map_err(|_| Error::Malformed)
}

/// H2 of the pairing of two points.
fn h2(p: G1Affine, q: G2Affine) -> Result<[u8; 32], Error> {
    let mut bytes = Vec::new();
    Bls12_381::pairing(p, q).0.serialize_compressed(&mut bytes).map_err(|_| Error::Malformed)?;
    Ok(sha256(&[&bytes]))
}

fn h3(sigma: &[u8; 32], key: &[u8; 32]) -> Fr {
    Fr::from_be_bytes_mod_order(&sha256(&[sigma, key]))
}

fn compressed(point: G2Affine) -> Result<[u8; PUBLIC_KEY_BYTES], Error> {
    let mut bytes = [0; PUBLIC_KEY_BYTES];
    point.serialize_compressed(bytes.as_mut_slice()).map_err(|_| Error::Malformed)?;
    Ok(bytes)
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn xor(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    core::array::from_fn(|index| a[index] ^ b[index])
}
