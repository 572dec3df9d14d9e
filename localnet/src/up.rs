//! `localnet up`: from nothing to the summary, in front of a user.

use std::time::Duration;

use eyre::Result;

use crate::cli::{CI_EPOCHS, Goal, UpArgs};
use crate::report::Report;
use crate::subnet::Subnet;
use crate::tally::Tally;
use crate::training::window_blocks;
use crate::view::{Header, View};

/// Time between two drawings of the live view.
const FRAME: Duration = Duration::from_millis(200);

/// What does not come within this many tempos more than it needs is not coming: the run ends and the invariants say why.
const PATIENCE_TEMPOS: u64 = 3;

/// Blocks before the first window, and until its audits are closed.
const LEAD_BLOCKS: u64 = 160;

/// Epochs that pay after a conviction before a run ends by itself.
const EPOCHS_AFTER_CONVICTION: u64 = 2;

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What it came to.
    pub report: Report,
    /// Whether it was cut short before what was asked for.
    pub interrupted: bool,
}

/// What draws or logs while the subnet runs.
enum Screen {
    Live(Box<View>),
    Plain,
}

/// Runs a localnet until its goal is reached, or until the user ends it.
pub async fn up(args: &UpArgs, live: bool) -> Result<Outcome> {
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "Ctrl-C cannot be heard");
            std::future::pending().await
        }
    };
    let mut subnet = Subnet::start(args, interrupted, |step| {
        tracing::info!("{step}");
        if !args.json {
            crate::say(&format!("… {step}"));
        }
    })
    .await?;
    if !args.json {
        crate::say(&subnet.banner().await?.to_string());
    }
    let screen = if live {
        let header = Header {
            rpc_url: subnet.rpc_url(),
            netuid: subnet.netuid().0,
            seed: args.seed,
            tempo: args.tempo,
            stages: args.stages,
        };
        Screen::Live(Box::new(View::open(header)?))
    } else {
        Screen::Plain
    };
    let ended = follow(args, &mut subnet, screen).await;
    // Who ends a run waits for its summary, not for another training; who lets it end gets both.
    let is_compared = matches!(ended, Ok(false));
    if is_compared && !args.json {
        crate::say("… stopping, and training the same in one process for comparison");
    }
    let report = subnet.finish(is_compared).await?;
    Ok(Outcome { interrupted: ended? && args.goal().is_some(), report })
}

/// Counts what happens until the goal is reached or out of reach (`false`), or the user ends the run (`true`).
async fn follow(args: &UpArgs, subnet: &mut Subnet, mut screen: Screen) -> Result<bool> {
    let mut frame = tokio::time::interval(FRAME);
    frame.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let ended = crate::interrupt::ended(matches!(screen, Screen::Live(_)));
    tokio::pin!(ended);
    let mut first = None;
    loop {
        let before = subnet.tally().epochs;
        let is_block = tokio::select! {
            is_block = subnet.next() => is_block?,
            _ = frame.tick() => {
                if let Screen::Live(view) = &mut screen {
                    view.draw(subnet.tally())?;
                }
                continue;
            },
            ended = &mut ended => {
                ended?;
                return Ok(true);
            }
        };
        let tally = subnet.tally();
        if matches!(screen, Screen::Plain) && tally.epochs > before && !args.json {
            crate::say(&progress(tally, args.stages));
        }
        let (true, Some(goal)) = (is_block, args.goal()) else { continue };
        if is_reached(goal, tally, args.stages) {
            return Ok(false);
        }
        let patience = patience_blocks(goal, args);
        if tally.block.saturating_sub(*first.get_or_insert(tally.block)) > patience {
            tracing::warn!(blocks = patience, "what the run was to reach did not come in time");
            return Ok(false);
        }
    }
}

fn is_reached(goal: Goal, tally: &Tally, stages: u16) -> bool {
    match goal {
        Goal::Windows(windows) => tally.last_common_state(stages).is_some_and(|(window, _)| window >= windows),
        Goal::Epochs(epochs) => tally.paid_epochs >= epochs,
        Goal::Verdicts => {
            let is_over = tally.adversaries().all(|n| n.convicted.is_some() && n.epochs_after > 0);
            let is_paid =
                tally.adversaries().next().is_none() || tally.paid_since_conviction >= EPOCHS_AFTER_CONVICTION;
            tally.paid_epochs >= CI_EPOCHS && is_over && is_paid
        }
    }
}

fn patience_blocks(goal: Goal, args: &UpArgs) -> u64 {
    let tempo = u64::from(args.tempo);
    let needed = match goal {
        Goal::Windows(windows) => u64::from(windows) * window_blocks(),
        Goal::Epochs(epochs) => epochs * tempo,
        Goal::Verdicts => (CI_EPOCHS + EPOCHS_AFTER_CONVICTION) * tempo,
    };
    LEAD_BLOCKS + needed + PATIENCE_TEMPOS * tempo
}

/// One line at the end of an epoch.
fn progress(tally: &Tally, stages: u16) -> String {
    let mut line = format!("block {}: epoch {} ended, {} paid miners", tally.block, tally.epochs, tally.paid_epochs);
    if let Some((window, _)) = tally.last_common_state(stages) {
        line += &format!("; {window} windows merged");
    }
    if let Some((_, nats)) = tally.held_out.iter().next_back() {
        line += &format!(", held-out loss {nats:.3}");
    }
    for convict in tally.adversaries().filter(|n| n.convicted.is_some()) {
        line += &format!("; {} ({}) is convicted", convict.name, convict.persona.word());
    }
    line
}
