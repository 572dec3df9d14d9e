//! `keys list`

use std::process::ExitCode;

use eyre::Result;
use keys::Wallet;
use keys::cli::WalletArgs;
use serde_json::json;

use crate::output::{KeyReport, Output};

pub(crate) fn run(wallet: &WalletArgs, output: &Output) -> Result<ExitCode> {
    let path = wallet.path()?;
    let (mut wallets, mut lines) = (Vec::new(), Vec::new());
    for wallet in Wallet::list(&path)? {
        let coldkey = KeyReport::coldkey(&wallet);
        lines.push(coldkey.line());
        // One unreadable wallet must not hide the others.
        let (names, problem) = match wallet.hotkeys() {
            Ok(names) => (names, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        lines.extend(problem.iter().map(|problem| format!("  {problem}")));
        let mut hotkeys = Vec::new();
        for name in names {
            let hotkey = KeyReport::hotkey(&wallet, &name)?;
            lines.push(format!("  {}", hotkey.line()));
            hotkeys.push(hotkey);
        }
        let mut listed = json!({ "name": wallet.name(), "coldkey": coldkey, "hotkeys": hotkeys });
        if let Some(problem) = problem {
            listed["problem"] = problem.into();
        }
        wallets.push(listed);
    }
    if wallets.is_empty() {
        output.note(&format!("no wallets in {}; `keys new` makes one", path.display()));
    }
    output.result(&json!({ "wallet_path": path, "wallets": wallets }), &lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}
