//! A subnet's rules: hyperparameters and the rhythm of its epochs.

use std::collections::BTreeMap;

use keys::AccountId;

use crate::argument::Argument;
use crate::calls::SUBTENSOR;
use crate::error::ChainError;
use crate::snapshot::Snapshot;
use crate::types::{BlockNumber, Netuid, Rao, Uid};

/// The hyperparameters that neurons and validators act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hyperparameters {
    /// Blocks between epochs.
    pub tempo: u16,
    /// Share of stake, of 65535, that must agree on a weight.
    pub kappa: u16,
    /// Whether weights are committed before they are revealed.
    pub commit_reveal_enabled: bool,
    /// Epochs between a commit and its reveal.
    pub reveal_period_epochs: u64,
    /// Blocks between two weight settings of one validator.
    pub weights_rate_limit: u64,
    /// Fewest entries of a weight vector, or all neurons where there are fewer.
    pub min_allowed_weights: u16,
    /// Largest share, of 65535, that one neuron's weight may have.
    pub max_weights_limit: u16,
    /// Validators must state at least this version.
    pub weights_version_key: u64,
    /// Stake below which a validator counts as having none, chain-wide.
    pub stake_threshold: Rao,
    /// Blocks without weights after which a validator counts as inactive.
    pub activity_cutoff: u64,
    /// Most validators with a permit.
    pub max_validators: u16,
    /// Most neurons.
    pub max_uids: u16,
    /// Blocks for which a new neuron is not pruned.
    pub immunity_period: u16,
    /// Blocks between two changes of one neuron's axon.
    pub serving_rate_limit: u64,
    /// Whether neurons may register.
    pub registration_allowed: bool,
    /// What registering costs.
    pub burn: Rao,
}

/// When a subnet's epochs happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochSchedule {
    /// The block of the last epoch.
    pub last: BlockNumber,
    /// The first block at which the next one may run. A chain that limits epochs per block may run it some blocks later.
    pub next: BlockNumber,
    /// How many epochs there were.
    pub index: u64,
}

/// Weights that a validator has committed to and not yet revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingWeightCommit {
    /// The commit hash.
    pub hash: [u8; 32],
    /// The subnet's epoch index when it was committed.
    pub epoch: u64,
    /// The block of the commit.
    pub block: BlockNumber,
    /// The epoch index in which it must be revealed, neither before nor after, as long as the reveal period stays.
    pub reveal_epoch: u64,
}

/// A row of weights or bonds: pairs of uid and value.
type Row = Vec<(u16, u16)>;
/// A commit as it is stored: hash, epoch, block, and a number without meaning.
type CommitEntry = ([u8; 32], u64, u64, u64);

impl Snapshot {
    /// The subnets that exist, in order. The root network, netuid 0, is none.
    pub async fn subnets(&self) -> Result<Vec<Netuid>, ChainError> {
        let added: BTreeMap<u16, bool> = self.map(SUBTENSOR, "NetworksAdded", &[]).await?;
        Ok(added
            .into_iter()
            .filter(|(netuid, exists)| *exists && *netuid != 0)
            .map(|(netuid, _)| Netuid(netuid))
            .collect())
    }

    /// Whether a subnet exists.
    pub async fn subnet_exists(&self, netuid: Netuid) -> Result<bool, ChainError> {
        self.value(SUBTENSOR, "NetworksAdded", &[netuid.into()]).await
    }

    /// A subnet's hyperparameters.
    pub async fn hyperparameters(&self, netuid: Netuid) -> Result<Hyperparameters, ChainError> {
        let of_subnet: &[Argument] = &[netuid.into()];
        let items = self
            .items(
                SUBTENSOR,
                &[
                    ("Tempo", of_subnet),
                    ("Kappa", of_subnet),
                    ("CommitRevealWeightsEnabled", of_subnet),
                    ("RevealPeriodEpochs", of_subnet),
                    ("WeightsSetRateLimit", of_subnet),
                    ("MinAllowedWeights", of_subnet),
                    ("MaxWeightsLimit", of_subnet),
                    ("WeightsVersionKey", of_subnet),
                    ("StakeThreshold", &[]),
                    ("ActivityCutoffFactorMilli", of_subnet),
                    ("ActivityCutoff", of_subnet),
                    ("MaxAllowedValidators", of_subnet),
                    ("MaxAllowedUids", of_subnet),
                    ("ImmunityPeriod", of_subnet),
                    ("ServingRateLimit", of_subnet),
                    ("NetworkRegistrationAllowed", of_subnet),
                    ("Burn", of_subnet),
                ],
            )
            .await?;
        let tempo: u16 = items.value("Tempo")?;
        // Newer runtimes state the cutoff in thousandths of a tempo.
        let activity_cutoff = match items.value::<u32>("ActivityCutoffFactorMilli") {
            Ok(milli) => (u64::from(milli) * u64::from(tempo) / 1000).max(1),
            Err(error) if error.is_missing() => items.value::<u64>("ActivityCutoff")?,
            Err(error) => return Err(error),
        };
        Ok(Hyperparameters {
            tempo,
            kappa: items.value("Kappa")?,
            commit_reveal_enabled: items.value("CommitRevealWeightsEnabled")?,
            reveal_period_epochs: items.value("RevealPeriodEpochs")?,
            weights_rate_limit: items.value("WeightsSetRateLimit")?,
            min_allowed_weights: items.value("MinAllowedWeights")?,
            max_weights_limit: items.value_or("MaxWeightsLimit", u16::MAX)?,
            weights_version_key: items.value("WeightsVersionKey")?,
            stake_threshold: Rao(items.value("StakeThreshold")?),
            activity_cutoff,
            max_validators: items.value("MaxAllowedValidators")?,
            max_uids: items.value("MaxAllowedUids")?,
            immunity_period: items.value("ImmunityPeriod")?,
            serving_rate_limit: items.value("ServingRateLimit")?,
            registration_allowed: items.value_or("NetworkRegistrationAllowed", true)?,
            burn: Rao(items.value("Burn")?),
        })
    }

    /// When a subnet's epochs happen.
    pub async fn epoch_schedule(&self, netuid: Netuid) -> Result<EpochSchedule, ChainError> {
        let of_subnet: &[Argument] = &[netuid.into()];
        let wanted = [
            ("Tempo", of_subnet),
            ("LastEpochBlock", of_subnet),
            ("PendingEpochAt", of_subnet),
            ("SubnetEpochIndex", of_subnet),
        ];
        let items = self.items(SUBTENSOR, &wanted).await?;
        let last: u64 = items.value("LastEpochBlock")?;
        let regular = last.saturating_add(u64::from(items.value::<u16>("Tempo")?));
        // Set where an epoch was triggered early or put off; zero where it was not.
        let next = match items.value_or("PendingEpochAt", 0_u64)? {
            0 => regular,
            pending => pending,
        };
        let index = items.value("SubnetEpochIndex")?;
        Ok(EpochSchedule { last: BlockNumber(last), next: BlockNumber(next), index })
    }

    /// The weights in force, by validator. `mechanism` is 0 for subnets that have only one.
    pub async fn weights(&self, netuid: Netuid, mechanism: u8) -> Result<BTreeMap<Uid, Vec<(Uid, u16)>>, ChainError> {
        self.rows("Weights", netuid.storage_index(mechanism)).await
    }

    /// The bonds, by validator.
    pub async fn bonds(&self, netuid: Netuid, mechanism: u8) -> Result<BTreeMap<Uid, Vec<(Uid, u16)>>, ChainError> {
        self.rows("Bonds", netuid.storage_index(mechanism)).await
    }

    async fn rows(&self, item: &str, index: u16) -> Result<BTreeMap<Uid, Vec<(Uid, u16)>>, ChainError> {
        let rows: BTreeMap<u16, Row> = self.map(SUBTENSOR, item, &[index.into()]).await?;
        let row = |row: Row| row.into_iter().map(|(uid, value)| (Uid(uid), value)).collect();
        Ok(rows.into_iter().map(|(uid, values)| (Uid(uid), row(values))).collect())
    }

    /// Commits that are not yet revealed, by validator, oldest first.
    pub async fn pending_weight_commits(
        &self,
        netuid: Netuid,
        mechanism: u8,
    ) -> Result<BTreeMap<AccountId, Vec<PendingWeightCommit>>, ChainError> {
        let index: Argument = netuid.storage_index(mechanism).into();
        let queues: BTreeMap<[u8; 32], Vec<CommitEntry>> = self.map(SUBTENSOR, "WeightCommits", &[index]).await?;
        let period: u64 = self.value(SUBTENSOR, "RevealPeriodEpochs", &[netuid.into()]).await?;
        let pending = |(hash, epoch, block, _)| PendingWeightCommit {
            hash,
            epoch,
            block: BlockNumber(block),
            reveal_epoch: epoch.saturating_add(period),
        };
        let read = |(hotkey, queue): ([u8; 32], Vec<CommitEntry>)| {
            (AccountId::from(hotkey), queue.into_iter().map(pending).collect())
        };
        Ok(queues.into_iter().map(read).collect())
    }
}
