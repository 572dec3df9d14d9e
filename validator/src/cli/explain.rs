//! `validator explain UID`: every factor of a miner's weight, from the ledger of this validator.

use std::path::PathBuf;

use chain::Uid;
use eyre::{Result, bail};
use keys::cli::PasswordArgs;
use neuron::cli::{CommonArgs, state_of};
use neuron::message::names::BlockNumber;
use serde::Serialize;

use crate::ledger::Ledger;
use crate::machine::identity::Identity;
use crate::machine::score::{Explanation, WindowRow};

/// Whom, and from which ledger.
#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// The miner's uid.
    pub uid: u16,
    /// State directory of the validator, which may be running [default: ~/.local/share/narrows/NETUID-HOTKEY]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

#[derive(Serialize)]
struct Explained {
    uid: u16,
    hotkey: keys::AccountId,
    registered_at_block: u64,
    windows: Vec<Row>,
    work: u64,
    ramp_per_mille: u64,
    hardware_per_mille: u64,
    convicted_in_window: Option<u32>,
    evidence: Vec<String>,
    score: u64,
}

#[derive(Serialize)]
struct Row {
    window: u32,
    stage: u16,
    standing: String,
    leaves: u32,
    passes: u32,
    recomputed: u32,
    cost_per_pass: u64,
    void: Option<String>,
    work: u64,
}

impl From<&WindowRow> for Row {
    fn from(row: &WindowRow) -> Self {
        Self {
            window: row.window.0,
            stage: row.stage.0,
            standing: format!("{:?}", row.standing),
            leaves: row.leaves,
            passes: row.passes,
            recomputed: row.confirmed,
            cost_per_pass: row.flops_per_pass,
            void: row.void.map(|reason| format!("{reason:?}")),
            work: row.work,
        }
    }
}

impl From<&Explanation> for Explained {
    fn from(e: &Explanation) -> Self {
        let conviction = e.conviction.as_ref();
        Self {
            uid: e.identity.uid.0,
            hotkey: e.identity.hotkey,
            registered_at_block: e.identity.registered_at.0,
            windows: e.windows.iter().map(Row::from).collect(),
            work: e.work,
            ramp_per_mille: e.ramp_per_mille,
            hardware_per_mille: e.hardware_per_mille,
            convicted_in_window: conviction.map(|verdict| verdict.window.0),
            evidence: conviction.iter().flat_map(|verdict| &verdict.evidence).map(ToString::to_string).collect(),
            score: e.score,
        }
    }
}

/// Shows why a miner has the weight that it has.
pub(super) async fn explain(common: &CommonArgs, args: &ExplainArgs) -> Result<()> {
    let client = common.connect_briefly().await?;
    let snapshot = client.latest().await?;
    let netuid = common.subnet(&snapshot).await?;
    let state = match &args.state {
        Some(state) => state.clone(),
        None => state_of(netuid, &common.wallet.hotkey_id(&PasswordArgs::default())?)?,
    };
    let Some(ledger) = Ledger::read(&state)? else {
        bail!(
            "there is no ledger in {}: a validator writes it when its first window closes; name its directory with --state",
            state.display()
        );
    };
    let metagraph = snapshot.metagraph(netuid).await?;
    let Some(neuron) = metagraph.neuron(Uid(args.uid)) else {
        bail!("subnet {netuid} has no uid {}: it has {} neurons, counted from 0", args.uid, metagraph.n());
    };
    let miner = Identity {
        hotkey: neuron.hotkey,
        uid: neuron::message::names::Uid(neuron.uid.0),
        registered_at: BlockNumber(neuron.block_at_registration.0),
    };
    let explanation = ledger.explain(BlockNumber(snapshot.number().0), miner);
    common.output().result(&Explained::from(&explanation), &explanation.to_string())
}
