//! What the binaries `neuron` and `validator` share on their command lines.
//!
//! ```no_run
//! # use clap::Parser;
//! #[derive(Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     common: neuron::cli::CommonArgs,
//! }
//! # async fn f() -> eyre::Result<()> {
//! let args = Args::parse();
//! let common = args.common.with_config()?;
//! common.start_logging();
//! let client = common.connect().await?;
//! # Ok(())
//! # }
//! ```

mod common;
mod exit;
mod output;
mod register;
mod run_flags;
mod serve;
mod size;
mod swap_hotkey;

pub use common::CommonArgs;
pub use exit::{CheckFailed, EXIT_INTERRUPTED, Interrupted, Usage, exit_status, finish, interrupted};
pub use output::Output;
pub use register::{RegisterArgs, register};
pub use run_flags::RunFlags;
pub use serve::{ServeArgs, state_of};
pub use size::Size;
pub use swap_hotkey::{SwapHotkeyArgs, swap_hotkey};
