//! Follows the chain and says what happened there, as localnet events.

use chain::{Block, Client, EpochSchedule, Event as ChainEvent, Netuid};
use eyre::Result;
use neuron::message::names::Hash;
use tokio::sync::mpsc;

use crate::events::{Event, Place};

/// Blocks that may wait to be counted.
const MAX_WAITING_BLOCKS: usize = 64;

/// Follows a subnet from the next block on, in a task of its own: what interrupts its reader must not make it begin a block
/// anew. Gives what each block did; ends after the first error, or when nobody reads any more.
pub async fn follow(client: Client, netuid: Netuid) -> Result<mpsc::Receiver<Result<Vec<Event>>>> {
    let mut blocks = client.blocks().await?;
    let mut watch = ChainWatch { client, netuid, schedule: None };
    let (events, read) = mpsc::channel(MAX_WAITING_BLOCKS);
    tokio::spawn(async move {
        loop {
            let done = match blocks.next().await {
                Ok(block) => watch.on_block(&block).await,
                Err(error) => Err(error.into()),
            };
            let failed = done.is_err();
            if events.send(done).await.is_err() || failed {
                return;
            }
        }
    });
    Ok(read)
}

/// Reads finalized blocks of one subnet.
struct ChainWatch {
    client: Client,
    netuid: Netuid,
    schedule: Option<EpochSchedule>,
}

impl ChainWatch {
    /// What a block did. Blocks are to be given in order, without gaps.
    async fn on_block(&mut self, block: &Block) -> Result<Vec<Event>> {
        let snapshot = self.client.at(block.hash).await?;
        let number = block.number.0;
        // It changes when an epoch ends, and no block before the announced one ends it.
        let before = self.schedule.filter(|schedule| number < schedule.next.0);
        let schedule = match before {
            Some(schedule) => schedule,
            None => snapshot.epoch_schedule(self.netuid).await?,
        };
        let mut events = vec![Event::Block { number, epoch: schedule.index, epoch_end: schedule.next.0 }];
        // The counter moves in the block that runs the epoch; what was paid is in that block's state. The epoch runs before
        // the block's extrinsics: weights that are revealed in it come too late.
        let ended = self.schedule.is_some_and(|before| schedule.index > before.index);
        self.schedule = Some(schedule);
        if ended {
            let metagraph = snapshot.metagraph(self.netuid).await?;
            let standing = metagraph.neurons.into_iter().map(|n| Place {
                uid: n.uid.0,
                hotkey: n.hotkey,
                serving: n.axon.is_some(),
                validator_permit: n.validator_permit,
                stake_rao: n.alpha_stake.0,
                incentive: n.incentive,
                dividends: n.dividends,
                emission_rao: n.emission.0,
            });
            events.push(Event::Epoch { block: number, standing: standing.collect() });
        }
        for record in snapshot.events().await? {
            events.extend(self.of_chain(number, record.event));
        }
        Ok(events)
    }

    fn of_chain(&self, block: u64, event: ChainEvent) -> Option<Event> {
        let ours = self.netuid.storage_index(0);
        match event {
            ChainEvent::WeightsCommitted { hotkey, index, hash } if index == ours => {
                Some(Event::WeightsCommitted { block, hotkey, hash: Hash(hash) })
            }
            ChainEvent::WeightsRevealed { hotkey, index, hash } if index == ours => {
                Some(Event::WeightsRevealed { block, hotkey, hash: Hash(hash) })
            }
            _ => None,
        }
    }
}
