//! Honest and hostile ends of a tensor stream, over a pipe in memory.

use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::net::budget::{Budget, BudgetLimits};
use crate::net::peer::PeerName;

/// Smaller than a tensor, so that the two ends must take turns as over a network.
const PIPE_BYTES: usize = 16 * 1024;
const LIMITS: ReceiveLimits = ReceiveLimits {
    max_tensor_bytes: 1024 * 1024,
    max_time: Duration::from_secs(60),
    max_stall: Duration::from_secs(30),
};

fn slot() -> Slot {
    let budget = Budget::new(BudgetLimits { peer_bytes: 700_000, total_bytes: 700_000, peer_tensors: 1 });
    budget.slot(PeerName::from_seed(&[1; 32]).0).unwrap()
}

fn header_of(body: &[u8]) -> TensorHeader {
    TensorHeader {
        codec: 1,
        len_bytes: body.len() as u64,
        hash: *blake3::hash(body).as_bytes(),
        deadline_ms: 60_000,
        meta: vec![9],
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Receives from `stream` and answers: with an `Ack` if the tensor is true.
async fn serve(mut stream: DuplexStream) -> Result<Received, Option<TensorRefusal>> {
    let received = receive(&mut stream, &mut slot(), &LIMITS).await;
    let answer = match &received {
        Ok(_) => TensorReply::Ack { receipt: vec![1, 2, 3] },
        Err(Some(refusal)) => TensorReply::Refuse(*refusal),
        Err(None) => return received,
    };
    reply(&mut stream, &answer).await.unwrap();
    received
}

#[tokio::test]
async fn tensors_arrive_whole_whatever_their_length() {
    for len in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES + 17] {
        let body: Bytes = (0..len).map(|i| (i % 251) as u8).collect();
        let (here, there) = duplex(PIPE_BYTES);
        let header = header_of(&body);
        let (sent, received) = tokio::join!(send(here, &header, &body, soon()), serve(there));
        assert_eq!(sent.unwrap(), [1, 2, 3]);
        let received = received.unwrap_or_else(|refusal| panic!("{len} bytes: {refusal:?}"));
        assert_eq!((received.header, received.body), (header, body));
    }
}

#[tokio::test]
async fn what_is_announced_too_long_is_refused_before_it_is_sent() {
    let body = Bytes::from_static(b"tiny");
    let header = TensorHeader { len_bytes: u64::MAX, ..header_of(&body) };
    let (here, there) = duplex(PIPE_BYTES);
    let (sent, received) = tokio::join!(send(here, &header, &body, soon()), serve(there));
    let refusal = TensorRefusal::TooLong { limit_bytes: LIMITS.max_tensor_bytes };
    assert_eq!(received.err(), Some(Some(refusal)));
    assert!(matches!(sent, Err(FrameError::Refused(r)) if r == refusal));
}

#[tokio::test]
async fn a_sender_in_full_flow_hears_the_refusal() {
    // Far more than the pipe holds, and over the slot's budget: the writes would block for ever.
    let body = Bytes::from(vec![0; 800_000]);
    let (here, there) = duplex(PIPE_BYTES);
    let header = header_of(&body);
    let (sent, received) = tokio::join!(send(here, &header, &body, soon()), serve(there));
    assert_eq!(received.err(), Some(Some(TensorRefusal::Busy)));
    assert!(matches!(sent, Err(FrameError::Refused(TensorRefusal::Busy))));
}

#[tokio::test]
async fn a_header_over_its_limit_is_not_read() {
    let (mut here, there) = duplex(PIPE_BYTES);
    here.write_u32_le(u32::MAX).await.unwrap();
    assert_eq!(serve(there).await.err(), Some(Some(TensorRefusal::BadHeader)));
}

#[tokio::test]
async fn a_corrupt_chunk_ends_the_transfer_where_it_is() {
    let body = vec![7; 3 * CHUNK_BYTES];
    let (mut here, there) = duplex(PIPE_BYTES);
    let hostile = async {
        write_framed::<_, MAX_TENSOR_HEADER_BYTES>(&mut here, &header_of(&body)).await.unwrap();
        for (index, chunk) in body.chunks(CHUNK_BYTES).take(2).enumerate() {
            let mut chunk = chunk.to_vec();
            here.write_all(blake3::hash(&chunk).as_bytes()).await.unwrap();
            if index == 1 {
                chunk[100] ^= 1;
            }
            here.write_all(&chunk).await.unwrap();
        }
        read_framed::<TensorReply, MAX_TENSOR_REPLY_BYTES>(&mut here).await.unwrap()
    };
    let (answer, received) = tokio::join!(hostile, serve(there));
    assert_eq!(received.err(), Some(Some(TensorRefusal::CorruptChunk { index: 1 })));
    assert_eq!(answer, TensorReply::Refuse(TensorRefusal::CorruptChunk { index: 1 }));
}

#[tokio::test]
async fn true_chunks_of_another_tensor_are_refused() {
    let body = Bytes::from(vec![7; 1000]);
    let header = TensorHeader { hash: [0; 32], ..header_of(&body) };
    let (here, there) = duplex(PIPE_BYTES);
    let (sent, _) = tokio::join!(send(here, &header, &body, soon()), serve(there));
    assert!(matches!(sent, Err(FrameError::Refused(TensorRefusal::WrongHash))));
}

#[tokio::test]
async fn silence_ends_both_ends() {
    // A sender that stops after its header.
    let (mut here, mut there) = duplex(PIPE_BYTES);
    write_framed::<_, MAX_TENSOR_HEADER_BYTES>(&mut here, &header_of(&[1; 100])).await.unwrap();
    let impatient = ReceiveLimits { max_stall: Duration::from_millis(1), ..LIMITS };
    assert_eq!(receive(&mut there, &mut slot(), &impatient).await.err(), Some(Some(TensorRefusal::Late)));
    // A receiver that never reads.
    let (here, _there) = duplex(PIPE_BYTES);
    let body = Bytes::from(vec![0; 100_000]);
    let sent = send(here, &header_of(&body), &body, Instant::now() + Duration::from_millis(1)).await;
    assert!(matches!(sent, Err(FrameError::Late)));
}

#[tokio::test]
async fn a_sender_that_leaves_is_not_answered() {
    let (mut here, there) = duplex(PIPE_BYTES);
    write_framed::<_, MAX_TENSOR_HEADER_BYTES>(&mut here, &header_of(&[1; 100])).await.unwrap();
    drop(here);
    assert_eq!(serve(there).await.err(), Some(None));
}

#[test]
fn golden() {
    assert_eq!(
        wire::golden_hash(&header_of(b"body")).unwrap(),
        "fc3fb7622725e194299b6acc6f0ec33a75b12fc0f3b2eed70a647dc7eb16807c"
    );
    let replies = vec![
        TensorReply::Ack { receipt: vec![1] },
        TensorReply::Refuse(TensorRefusal::BadHeader),
        TensorReply::Refuse(TensorRefusal::TooLong { limit_bytes: 1 }),
        TensorReply::Refuse(TensorRefusal::Busy),
        TensorReply::Refuse(TensorRefusal::CorruptChunk { index: 2 }),
        TensorReply::Refuse(TensorRefusal::WrongHash),
        TensorReply::Refuse(TensorRefusal::Late),
        TensorReply::Refuse(TensorRefusal::Unwanted(3)),
        TensorReply::Refuse(TensorRefusal::Undecided),
    ];
    assert_eq!(
        wire::golden_hash(&replies).unwrap(),
        "883779ec4ae8279d8ce09b528a13cac66e056b71309512e34c41db58024a4318"
    );
}
