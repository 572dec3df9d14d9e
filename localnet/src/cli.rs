//! The command line of `localnet`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::persona::{Cast, Persona};

/// Most neurons a localnet holds: a subnet has 256 uids, the owner's among them.
const MAX_NEURONS: u16 = 255;

/// Fewest paid epochs of a run with `--ci` that says nothing else.
pub const CI_EPOCHS: u64 = 4;

/// A Narrows subnet on this machine: chain, validators and miners, with one command.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    before_help = "Example:\n  localnet up                        3 validators, 12 miners, a live view; Ctrl-C ends it\n  localnet up --ci --json --epochs 3   no drawing, one JSON object at the end, exit 3 if an invariant fails"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs of `localnet`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring a subnet up and run it.
    Up(UpArgs),
    /// Run the chain alone: no subnet, no neurons.
    Chain(ChainArgs),
    /// Seal blocks at once on the chain of a running localnet.
    Advance {
        /// So many blocks.
        #[arg(long, value_name = "N", required_unless_present = "epochs", conflicts_with = "epochs")]
        blocks: Option<u32>,
        /// Until so many epochs of the subnet have run.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
        epochs: Option<u32>,
        /// The subnet whose epochs are counted.
        #[arg(long, value_name = "N", env = "BT_NETUID", default_value_t = 1)]
        netuid: u16,
        /// Where the chain is.
        #[command(flatten)]
        at: Endpoint,
    },
    /// Name the chain's present state, to come back to it with `revert`.
    Snapshot {
        /// Where the chain is.
        #[command(flatten)]
        at: Endpoint,
    },
    /// Take the chain back to a snapshot.
    Revert {
        /// What `snapshot` printed.
        id: u32,
        /// Where the chain is.
        #[command(flatten)]
        at: Endpoint,
    },
    /// Write the chain to a file in its folder for dumps, from which `chain --load` goes on.
    Dump {
        /// The file's name, without path and ending.
        name: String,
        /// Where the chain is.
        #[command(flatten)]
        at: Endpoint,
    },
    /// Change how blocks come on a running localnet.
    Pace {
        /// A block time (`250ms`), `interval`, `instant` (a block per transaction) or `manual` (only by `advance`).
        pace: Pace,
        /// Where the chain is.
        #[command(flatten)]
        at: Endpoint,
    },
}

/// Where the chain of a running localnet is.
#[derive(Args, Clone, Debug)]
pub struct Endpoint {
    /// Its endpoint.
    #[arg(short = 'n', long, value_name = "URL", env = "BT_NETWORK", default_value = "ws://127.0.0.1:9944")]
    pub network: String,
}

/// How a chain is run alone.
#[derive(Args, Clone, Debug)]
pub struct ChainArgs {
    /// Time between two blocks.
    #[arg(long, value_name = "TIME", default_value = "250ms", value_parser = block_time)]
    pub block_time: Duration,
    /// When blocks come: `interval`, `instant` (one per transaction) or `manual` (only by `advance`).
    #[arg(long, value_name = "HOW", default_value = "interval", value_parser = ["interval", "instant", "manual"])]
    pub sealing: String,
    /// Fixes the beacon.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// RPC port (default: 9944, or the next free one).
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Keep the chain here; a later start goes on from it (default: in memory).
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Go on from a file that `localnet dump` wrote.
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    pub load: Option<PathBuf>,
    /// Where `localnet dump` may write.
    #[arg(long, value_name = "DIR")]
    pub dumps: Option<PathBuf>,
    /// Keep the last N blocks only, so that memory, or the folder, stays flat; without, all, and `snapshot` works.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub kept_blocks: Option<u32>,
    /// More logs (RUST_LOG is understood as well).
    #[arg(short, long)]
    pub verbose: bool,
}

/// How blocks come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One per so much time.
    Every(Duration),
    /// `interval`, `instant` or `manual`.
    Sealing(&'static str),
}

impl std::str::FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = ["interval", "instant", "manual"].into_iter().find(|word| *word == text);
        match word {
            Some(word) => Ok(Self::Sealing(word)),
            None => block_time(text).map(Self::Every).map_err(|e| format!("{e}, or interval, instant or manual")),
        }
    }
}

/// What ends a run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// So many windows are merged.
    Windows(u32),
    /// So many epochs have paid.
    Epochs(u64),
    /// [`CI_EPOCHS`] have paid, every adversary is convicted, and since then two epochs have paid, one of them by weights
    /// that all were revealed after the conviction.
    Verdicts,
}

/// How a localnet is brought up.
#[derive(Args, Clone, Debug)]
pub struct UpArgs {
    /// Miners to register.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub miners: u16,
    /// Validators to register.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    pub validators: u16,
    /// Stages the model is cut into; each needs a miner.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub stages: u16,
    /// Miners that cheat, drawn by the seed: `lazy` computes nothing, `partial` half, `rounded` with weights of 10 bits;
    /// or do not, and have `foreign` arithmetic; `none` for honest miners only.
    #[arg(long, value_name = "PERSONA:N", default_value = "lazy:1,partial:1")]
    pub adversary: Cast,
    /// Judge work within the roundings of other arithmetic instead of bit for bit.
    #[arg(long)]
    pub tolerance: bool,
    /// Text to train on: a file or a folder (default: the Rust source of this program's own dependencies).
    #[arg(long, value_name = "PATH")]
    pub corpus: Option<PathBuf>,
    /// A Hugging Face tokenizer.json (BPE) whose tokens the model reads (default: bytes).
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// Time between two blocks.
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = block_time)]
    pub block_time: Duration,
    /// Blocks in an epoch.
    #[arg(long, value_name = "BLOCKS", default_value_t = 120, value_parser = clap::value_parser!(u16).range(20..=7200))]
    pub tempo: u16,
    /// End after this many paid epochs (default: run until Ctrl-C; with --ci at least 4, and 2 after the last conviction).
    #[arg(long, value_name = "N", conflicts_with = "windows", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub epochs: Option<u64>,
    /// End after this many windows instead.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub windows: Option<u32>,
    /// Fixes every key, the beacon and all draws.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// RPC port (default: 9944, or the next free one).
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Keep the chain, wallets and neurons' state here; a later start goes on from it (default: nothing is kept).
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// No drawing; check the invariants at the end and exit 3 if one does not hold.
    #[arg(long)]
    pub ci: bool,
    /// Print the result as one JSON object on stdout; logs go to stderr.
    #[arg(long)]
    pub json: bool,
    /// More logs (RUST_LOG is understood as well).
    #[arg(short, long)]
    pub verbose: bool,
}

impl UpArgs {
    /// What ends the run by itself.
    pub fn goal(&self) -> Option<Goal> {
        match (self.windows, self.epochs) {
            (Some(windows), _) => Some(Goal::Windows(windows)),
            (None, Some(epochs)) => Some(Goal::Epochs(epochs)),
            (None, None) => self.ci.then_some(Goal::Verdicts),
        }
    }

    /// Paid epochs after which the run will probably end.
    pub fn epochs_expected(&self) -> Option<u64> {
        match self.goal()? {
            Goal::Windows(_) => None,
            Goal::Epochs(epochs) => Some(epochs),
            Goal::Verdicts => Some(CI_EPOCHS),
        }
    }

    /// Checks what a single flag cannot: the message says which to change.
    pub fn check(&self) -> Result<(), String> {
        let neurons = self.miners + self.validators;
        if neurons > MAX_NEURONS {
            return Err(format!(
                "{} miners and {} validators make {neurons} neurons, but a subnet has room for {MAX_NEURONS}: lower --miners or --validators",
                self.miners, self.validators
            ));
        }
        if self.miners < self.stages {
            return Err(format!(
                "{} miners cannot host {} stages: raise --miners or lower --stages",
                self.miners, self.stages
            ));
        }
        if self.adversary.has(Persona::Foreign) && !self.tolerance {
            return Err("an exact run convicts `foreign` miners, though they are honest: add --tolerance".to_owned());
        }
        if self.adversary.players() > self.miners {
            return Err(format!("{} are more than {} miners: raise --miners", self.adversary, self.miners));
        }
        let (adversaries, spare) = (self.adversary.adversaries(), self.miners - self.stages);
        if adversaries > spare {
            return Err(format!(
                "{adversaries} adversaries ({}) among {} miners leave fewer honest ones than {} stages need: raise \
                 --miners, lower --stages, or give --adversary fewer (`none` for none)",
                self.adversary, self.miners, self.stages
            ));
        }
        Ok(())
    }
}

fn block_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|e| format!("{e}; write it like 250ms or 12s"))?;
    if (Duration::from_millis(20)..=Duration::from_secs(60)).contains(&time) {
        Ok(time)
    } else {
        Err("a block takes from 20ms to 60s".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_help_fits_a_screen() {
        Cli::command().debug_assert();
        let mut command = Cli::command();
        for help in [
            command.render_help().to_string(),
            command.find_subcommand_mut("up").expect("up").render_help().to_string(),
        ] {
            assert!(help.lines().count() <= 48, "{help}");
        }
    }

    #[test]
    fn a_pace_is_a_time_or_a_word() {
        assert_eq!("250ms".parse(), Ok(Pace::Every(Duration::from_millis(250))));
        assert_eq!("instant".parse(), Ok(Pace::Sealing("instant")));
        for nonsense in ["", "sometimes", "1ms", "INSTANT"] {
            assert!(nonsense.parse::<Pace>().is_err_and(|error| error.contains("manual")), "{nonsense}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_flag_to_change() {
        let up = |flags: &[&str]| {
            Cli::try_parse_from(["localnet", "up"].iter().chain(flags)).map(|cli| {
                let Command::Up(args) = cli.command else { panic!("up is up") };
                args
            })
        };
        assert!(up(&["--block-time", "1ms"]).is_err());
        assert!(up(&["--block-time", "soon"]).is_err());
        assert!(up(&["--miners", "0"]).is_err());
        assert!(up(&["--tempo", "5"]).is_err());
        assert!(up(&["--epochs", "0"]).is_err());
        let crowded = up(&["--miners", "200", "--validators", "50"]).expect("parses").check();
        assert_eq!(crowded, Ok(()));
        let few = up(&["--miners", "3"]).expect("parses").check();
        assert!(few.is_err_and(|message| message.contains("--stages")));
        assert!(up(&["--adversary", "liar:1"]).is_err());
        let cast = up(&["--miners", "5"]).expect("parses").check();
        assert!(cast.is_err_and(|message| message.contains("--adversary")));
        assert_eq!(up(&["--miners", "5", "--adversary", "none"]).expect("parses").check(), Ok(()));
        let foreign = up(&["--adversary", "foreign:2"]).expect("parses").check();
        assert!(foreign.is_err_and(|message| message.contains("--tolerance")));
        assert_eq!(up(&["--adversary", "foreign:2,rounded:1", "--tolerance"]).expect("parses").check(), Ok(()));
        assert!(up(&["--adversary", "foreign:13", "--tolerance"]).expect("parses").check().is_err());
        assert!(up(&["--epochs", "3", "--windows", "3"]).is_err());
        assert_eq!(up(&["--ci"]).expect("parses").goal(), Some(Goal::Verdicts));
        assert_eq!(up(&["--ci", "--epochs", "3"]).expect("parses").goal(), Some(Goal::Epochs(3)));
        assert_eq!(up(&["--windows", "3"]).expect("parses").goal(), Some(Goal::Windows(3)));
        assert_eq!(up(&[]).expect("parses").goal(), None);
    }
}
