//! bincode over libp2p's request-response, with both directions bounded.

use std::io;
use std::marker::PhantomData;

use bincode::{Decode, Encode};
use futures::prelude::*;
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

use crate::wire;

/// Requests of type `Q` in at most `Q_BYTES`, responses of type `R` in at most `R_BYTES`.
pub(super) struct WireCodec<Q, R, const Q_BYTES: usize, const R_BYTES: usize>(PhantomData<fn() -> (Q, R)>);

impl<Q, R, const Q_BYTES: usize, const R_BYTES: usize> Clone for WireCodec<Q, R, Q_BYTES, R_BYTES> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<Q, R, const Q_BYTES: usize, const R_BYTES: usize> Default for WireCodec<Q, R, Q_BYTES, R_BYTES> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// Reads until the other side has finished, but never more than one byte over the limit (and so the limit is found broken).
async fn read<T: Decode<()>, const LIMIT_BYTES: usize>(io: &mut (impl AsyncRead + Unpin + Send)) -> io::Result<T> {
    let mut bytes = Vec::new();
    io.take(LIMIT_BYTES as u64 + 1).read_to_end(&mut bytes).await?;
    wire::decode::<T, LIMIT_BYTES>(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

async fn write<T: Encode, const LIMIT_BYTES: usize>(
    io: &mut (impl AsyncWrite + Unpin + Send),
    value: T,
) -> io::Result<()> {
    let bytes =
        wire::encode::<T, LIMIT_BYTES>(&value).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    io.write_all(&bytes).await
}

impl<Q, R, const Q_BYTES: usize, const R_BYTES: usize> Codec for WireCodec<Q, R, Q_BYTES, R_BYTES>
where
    Q: Encode + Decode<()> + Send + 'static,
    R: Encode + Decode<()> + Send + 'static,
{
    type Protocol = StreamProtocol;
    type Request = Q;
    type Response = R;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Q> {
        read::<Q, Q_BYTES>(io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<R> {
        read::<R, R_BYTES>(io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Q,
    ) -> io::Result<()> {
        write::<Q, Q_BYTES>(io, request).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: R,
    ) -> io::Result<()> {
        write::<R, R_BYTES>(io, response).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_over_the_limit_is_read_no_further() {
        let mut endless = futures::io::repeat(0);
        let error = read::<Vec<u8>, 100>(&mut endless).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("101 bytes"), "{error}");
    }
}
