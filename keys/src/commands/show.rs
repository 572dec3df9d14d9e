//! `keys show`

use std::process::ExitCode;

use eyre::Result;
use keys::WalletError;
use keys::cli::{EXIT_FAILED, WalletArgs};
use serde_json::json;

use crate::output::{KeyReport, Output};

pub(crate) fn run(args: &WalletArgs, output: &Output) -> Result<ExitCode> {
    let wallet = args.open()?;
    if !wallet.directory().exists() {
        return Err(WalletError::Missing { path: wallet.directory() }.into());
    }
    let names = match &args.wallet_hotkey {
        Some(_) => vec![args.hotkey_name().to_owned()],
        None => wallet.hotkeys()?,
    };
    let coldkey = KeyReport::coldkey(&wallet);
    let hotkeys = names.iter().map(|name| KeyReport::hotkey(&wallet, name)).collect::<Result<Vec<_>, _>>()?;
    let mut text = coldkey.block().to_string();
    for hotkey in &hotkeys {
        text.push('\n');
        text.push_str(&hotkey.block());
    }
    let broken = coldkey.has_problem() || hotkeys.iter().any(KeyReport::has_problem);
    output.result(&json!({ "name": wallet.name(), "coldkey": coldkey, "hotkeys": hotkeys }), &text)?;
    Ok(if broken { ExitCode::from(EXIT_FAILED) } else { ExitCode::SUCCESS })
}
