//! Tensors over libp2p streams, in our own frame.
//!
//! ```text
//! sender   → u32 length ‖ TensorHeader ‖ (BLAKE3 of chunk ‖ chunk)*        chunks of 64 KiB, the last one shorter
//! receiver → u32 length ‖ TensorReply
//! ```
//!
//! The sender does not wait for leave to send: on a long link that would cost every tensor a round trip. It listens while it
//! sends, and stops when it is refused; the transport's flow control keeps what is wasted to one window. The receiver takes
//! memory as bytes arrive, within what the header announced and the peer's budget allows. A chunk that does not match its hash
//! ends the transfer at once; the hash of the whole must be the one that the header names, because that is what gets signed.

use std::io;
use std::time::Duration;

use bincode::{Decode, Encode};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::budget::Slot;
use crate::wire::{self, WireError};

/// Bytes of tensor per chunk.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Most bytes of an encoded [`TensorHeader`].
pub(super) const MAX_TENSOR_HEADER_BYTES: usize = 8 * 1024;
/// Most bytes of [`TensorHeader::meta`].
pub const MAX_TENSOR_META_BYTES: usize = MAX_TENSOR_HEADER_BYTES - 256;
/// Most bytes of an encoded [`TensorReply`].
pub(super) const MAX_TENSOR_REPLY_BYTES: usize = 4 * 1024;
/// Most bytes of a receipt.
pub const MAX_RECEIPT_BYTES: usize = MAX_TENSOR_REPLY_BYTES - 256;

/// What precedes a tensor's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TensorHeader {
    /// How the bytes encode a tensor; the application's numbering.
    pub codec: u16,
    /// Length of the tensor's bytes.
    pub len_bytes: u64,
    /// BLAKE3 of the tensor's bytes.
    pub hash: [u8; 32],
    /// How long the sender will wait for the answer, from the header's arrival. The receiver may allow less.
    pub deadline_ms: u32,
    /// The application's own header, such as a signed transfer.
    pub meta: Vec<u8>,
}

/// What follows a tensor's bytes, or cuts them short.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum TensorReply {
    /// Received whole, and taken by the application.
    Ack {
        /// The application's receipt, such as a countersignature.
        receipt: Vec<u8>,
    },
    /// Not taken.
    Refuse(TensorRefusal),
}

/// Why a tensor is not taken.
///
/// New reasons go at the end: a variant's place is its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, thiserror::Error)]
#[non_exhaustive]
pub enum TensorRefusal {
    /// The header cannot be read.
    #[error("its header cannot be read")]
    BadHeader,
    /// Longer than this receiver takes.
    #[error("it is longer than the receiver takes (its limit is {limit_bytes} bytes)")]
    TooLong {
        /// The receiver's limit.
        limit_bytes: u64,
    },
    /// Too much under way from this sender, or from all.
    #[error("the receiver has too much under way; send it later or elsewhere")]
    Busy,
    /// A chunk does not match its hash.
    #[error("chunk {index} does not match its hash")]
    CorruptChunk {
        /// Its place, from 0.
        index: u32,
    },
    /// The whole does not match the header's hash.
    #[error("the whole does not match the header's hash")]
    WrongHash,
    /// Not complete by the deadline.
    #[error("it was not complete by its deadline")]
    Late,
    /// The application has no use for it; the number is the application's.
    #[error("the receiver has no use for it (reason {0})")]
    Unwanted(u16),
    /// The application did not say.
    #[error("the receiver took no decision")]
    Undecided,
}

/// Why a tensor was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum FrameError {
    /// The header does not fit.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The receiver said no.
    #[error("the receiver refused the tensor: {0}")]
    Refused(TensorRefusal),
    /// No answer by the deadline.
    #[error("no answer to the tensor by its deadline")]
    Late,
    /// The connection broke.
    #[error("the stream broke off: {0}")]
    Io(#[from] io::Error),
}

async fn write_framed<T: Encode, const LIMIT_BYTES: usize>(
    io: &mut (impl AsyncWrite + Unpin),
    value: &T,
) -> Result<(), FrameError> {
    let bytes = wire::encode::<T, LIMIT_BYTES>(value)?;
    // The limits are a few KiB.
    io.write_u32_le(bytes.len() as u32).await?;
    io.write_all(&bytes).await?;
    Ok(())
}

async fn read_framed<T: Decode<()>, const LIMIT_BYTES: usize>(
    io: &mut (impl AsyncRead + Unpin),
) -> Result<T, FrameError> {
    let len = io.read_u32_le().await? as usize;
    if len > LIMIT_BYTES {
        return Err(WireError::TooLarge { what: "frame", bytes: len, limit_bytes: LIMIT_BYTES }.into());
    }
    let mut bytes = vec![0; len];
    io.read_exact(&mut bytes).await?;
    Ok(wire::decode::<T, LIMIT_BYTES>(&bytes)?)
}

/// Sends one tensor and waits for the receipt, until `deadline`.
pub(super) async fn send<S>(
    stream: S,
    header: &TensorHeader,
    body: &Bytes,
    deadline: Instant,
) -> Result<Vec<u8>, FrameError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let write = async {
        write_framed::<_, MAX_TENSOR_HEADER_BYTES>(&mut writer, header).await?;
        for chunk in body.chunks(CHUNK_BYTES) {
            writer.write_all(blake3::hash(chunk).as_bytes()).await?;
            writer.write_all(chunk).await?;
        }
        writer.flush().await?;
        Ok::<(), FrameError>(())
    };
    let read = read_framed::<TensorReply, MAX_TENSOR_REPLY_BYTES>(&mut reader);
    let exchange = async {
        tokio::pin!(read);
        tokio::select! {
            // A refusal comes while we are still sending, and makes our own writes fail: the reply is the truer news.
            biased;
            reply = &mut read => reply,
            written = write => match written {
                Ok(()) => read.await,
                Err(broken) => read.await.map_err(|_| broken),
            },
        }
    };
    match timeout_at(deadline, exchange).await {
        Err(_) => Err(FrameError::Late),
        Ok(Err(error)) => Err(error),
        Ok(Ok(TensorReply::Ack { receipt })) => Ok(receipt),
        Ok(Ok(TensorReply::Refuse(refusal))) => Err(FrameError::Refused(refusal)),
    }
}

/// What a receiver allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReceiveLimits {
    pub(super) max_tensor_bytes: u64,
    pub(super) max_time: Duration,
    /// A sender must deliver the header, and then each chunk, within this.
    pub(super) max_stall: Duration,
}

/// A tensor that came in whole and true.
pub(super) struct Received {
    pub(super) header: TensorHeader,
    pub(super) body: Bytes,
    /// By when the sender wants an answer.
    pub(super) deadline: Instant,
}

/// Reads one tensor. An `Err` says what to reply; `Err(None)` if the stream broke and there is nobody to reply to.
pub(super) async fn receive(
    io: &mut (impl AsyncRead + Unpin),
    slot: &mut Slot,
    limits: &ReceiveLimits,
) -> Result<Received, Option<TensorRefusal>> {
    let arrived = Instant::now();
    let header = timeout_at(arrived + limits.max_stall, read_framed::<TensorHeader, MAX_TENSOR_HEADER_BYTES>(io));
    let header = match header.await {
        Err(_) => return Err(Some(TensorRefusal::Late)),
        Ok(Err(FrameError::Io(_))) => return Err(None),
        Ok(Err(_)) => return Err(Some(TensorRefusal::BadHeader)),
        Ok(Ok(header)) => header,
    };
    let deadline = arrived + Duration::from_millis(header.deadline_ms.into()).min(limits.max_time);
    if header.len_bytes > limits.max_tensor_bytes {
        return Err(Some(TensorRefusal::TooLong { limit_bytes: limits.max_tensor_bytes }));
    }
    if !slot.reserve(header.len_bytes) {
        return Err(Some(TensorRefusal::Busy));
    }
    let body = match timeout_at(deadline, receive_body(io, &header, limits.max_stall)).await {
        Err(_) => return Err(Some(TensorRefusal::Late)),
        Ok(body) => body?,
    };
    Ok(Received { header, body: body.into(), deadline })
}

async fn receive_body(
    io: &mut (impl AsyncRead + Unpin),
    header: &TensorHeader,
    max_stall: Duration,
) -> Result<Vec<u8>, Option<TensorRefusal>> {
    let mut whole = blake3::Hasher::new();
    let mut body = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES.min(header.len_bytes as usize)];
    let mut left = header.len_bytes;
    for index in 0.. {
        if left == 0 {
            break;
        }
        let chunk = &mut chunk[..left.min(CHUNK_BYTES as u64) as usize];
        let mut hash = [0; 32];
        let read = async {
            io.read_exact(&mut hash).await?;
            io.read_exact(chunk).await
        };
        match timeout_at(Instant::now() + max_stall, read).await {
            Err(_) => return Err(Some(TensorRefusal::Late)),
            Ok(Err(_)) => return Err(None),
            Ok(Ok(_)) => {}
        }
        if blake3::hash(chunk) != hash {
            return Err(Some(TensorRefusal::CorruptChunk { index }));
        }
        whole.update(chunk);
        body.extend_from_slice(chunk);
        left -= chunk.len() as u64;
    }
    if whole.finalize() != header.hash {
        return Err(Some(TensorRefusal::WrongHash));
    }
    Ok(body)
}

/// Answers a sender, and finishes the stream.
pub(super) async fn reply(io: &mut (impl AsyncWrite + Unpin), reply: &TensorReply) -> Result<(), FrameError> {
    write_framed::<_, MAX_TENSOR_REPLY_BYTES>(io, reply).await?;
    io.shutdown().await?;
    Ok(())
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
