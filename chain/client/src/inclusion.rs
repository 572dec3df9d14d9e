//! What became of an extrinsic: where it was included, and whether its call took effect.

use std::time::Duration;

use tokio::time::sleep;

use crate::client::Client;
use crate::error::{ChainError, Rejection};
use crate::events::Event;
use crate::submit::{Signed, Submitted};
use crate::types::BlockHash;
use keys::AccountId;

/// Pause between two looks at the chain while an extrinsic's fate is open.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How an extrinsic ended.
pub(crate) enum Fate {
    /// It is in this finalized block.
    Included(BlockHash),
    /// It is in no finalized block and can be in no later one, so signing the call anew cannot make it happen twice.
    NeverIncluded(&'static str),
}

impl Client {
    /// Find out an extrinsic's fate from finalized blocks alone, submitting the same bytes again meanwhile.
    ///
    /// This is the way back from every doubt: a lost connection, a node that restarted with an empty pool, an extrinsic
    /// dropped from the pool. It ends because the extrinsic is mortal.
    pub(crate) async fn find_fate(&self, account: AccountId, signed: &Signed) -> Result<Fate, ChainError> {
        let mut scanned = signed.born;
        loop {
            let head = self.finalized_head().await?;
            while scanned < head.number.min(signed.last_valid) {
                let number = scanned.next();
                let block = self.block_hash(number).await?;
                if self.body(block).await?.contains(&signed.bytes) {
                    return Ok(Fate::Included(block));
                }
                scanned = number;
            }
            if head.number >= signed.last_valid {
                return Ok(Fate::NeverIncluded("its time ran out"));
            }
            // Checked at the very block up to which we looked: its nonce was used there, and not by it.
            if scanned == head.number && self.at(head.hash).await?.nonce(account).await? > signed.nonce {
                return Ok(Fate::NeverIncluded("its nonce was used by another extrinsic"));
            }
            if let Err(refused) = self.resubmit(signed).await? {
                tracing::debug!(?refused, "the pool does not take the extrinsic again");
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Submit the same bytes again, which cannot include them twice. The inner error is the pool's refusal.
    async fn resubmit(&self, signed: &Signed) -> Result<Result<(), Rejection>, ChainError> {
        let bytes = &signed.bytes;
        let sent = self
            .connection()
            .read("an extrinsic", |link| async move { link.methods.author_submit_extrinsic(bytes).await });
        match sent.await {
            Ok(_) => Ok(Ok(())),
            Err(ChainError::Rpc { code, message, .. }) if code != 0 => Ok(Err(rejection(code, &message))),
            Err(error) => Err(error),
        }
    }

    /// The block, index and events of an included extrinsic.
    pub(crate) async fn conclude(&self, signed: &Signed, block: BlockHash) -> Result<Submitted, ChainError> {
        let snapshot = self.at(block).await?;
        let (body, events) = tokio::try_join!(self.body(block), snapshot.events())?;
        let index = body.iter().position(|extrinsic| *extrinsic == signed.bytes);
        let index = index.and_then(|index| u32::try_from(index).ok());
        let Some(index) = index else {
            return Err(ChainError::decode(
                format!("block {block}"),
                "it does not hold the extrinsic that it is said to hold",
            ));
        };
        let events: Vec<Event> =
            events.into_iter().filter(|record| record.extrinsic == Some(index)).map(|record| record.event).collect();
        Ok(Submitted { block, number: snapshot.number(), extrinsic_index: index, events })
    }
}

/// Why the pool refused, from Substrate's numbered errors and the words that only the details hold.
pub(crate) fn rejection(code: i32, message: &str) -> Rejection {
    /// The pool's refusal number for rate limits on Bittensor's chain.
    const RATE_LIMIT: u8 = 6;
    match code {
        1012 => Rejection::Banned,
        1013 => Rejection::AlreadyKnown,
        1014 => Rejection::NonceTaken,
        1016 => Rejection::PoolFull,
        1010 if message.contains("outdated") => Rejection::Stale,
        1010 if message.contains("pay some fees") => Rejection::CannotPayFee,
        1010 if message.contains("bad signature") || message.contains("ancient birth block") => Rejection::BadProof,
        1010 => {
            let number = message.split("Custom error: ").nth(1);
            let number = number.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
            match number {
                Some(RATE_LIMIT) => Rejection::RateLimited,
                Some(number) => Rejection::Custom(number),
                None => Rejection::Other,
            }
        }
        _ => Rejection::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pools_refusals_are_told_apart() {
        let cases = [
            (1010, "Invalid Transaction: Transaction is outdated", Rejection::Stale),
            (
                1010,
                "Invalid Transaction: Inability to pay some fees (e.g. account balance too low)",
                Rejection::CannotPayFee,
            ),
            (1010, "Invalid Transaction: Transaction has a bad signature", Rejection::BadProof),
            (1010, "Invalid Transaction: Custom error: 6", Rejection::RateLimited),
            (1010, "Invalid Transaction: Custom error: 11", Rejection::Custom(11)),
            (1010, "Invalid Transaction: Custom error: 300", Rejection::Other),
            (1013, "Transaction Already Imported", Rejection::AlreadyKnown),
            (1014, "Priority is too low: (10 vs 10)", Rejection::NonceTaken),
            (-32601, "Method not found", Rejection::Other),
        ];
        for (code, message, expected) in cases {
            assert_eq!(rejection(code, message), expected, "{code} {message}");
        }
    }
}
