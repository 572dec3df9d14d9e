//! The `validator` binary.

use std::process::ExitCode;

use clap::Parser;
use neuron::cli::finish;
use validator::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    finish(cli::main(Cli::parse()).await)
}
