//! `keys list`

use std::process::ExitCode;

use eyre::Result;
use keys::Wallet;
use keys::cli::WalletArgs;
use serde_json::json;

use crate::output::{KeyReport, Output};

pub(crate) fn run(wallet: &WalletArgs, output: &Output) -> Result<ExitCode> {
    let path = wallet.path()?;
    let (mut wallets, mut branches) = (Vec::new(), Vec::new());
    for wallet in Wallet::list(&path)? {
        let coldkey = KeyReport::coldkey(&wallet);
        let mut branch = Branch { line: coldkey.line(), leaves: coldkey.hints().to_vec() };
        // One unreadable wallet must not hide the others.
        let (names, problem) = match wallet.hotkeys() {
            Ok(names) => (names, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        branch.leaves.extend(problem.clone());
        let mut hotkeys = Vec::new();
        for name in names {
            let hotkey = KeyReport::hotkey(&wallet, &name)?;
            branch.leaves.push(hotkey.line());
            hotkeys.push(hotkey);
        }
        branches.push(branch);
        let mut listed = json!({ "name": wallet.name(), "coldkey": coldkey, "hotkeys": hotkeys });
        if let Some(problem) = problem {
            listed["problem"] = problem.into();
        }
        wallets.push(listed);
    }
    if wallets.is_empty() {
        output.note(&format!("no wallets in {}; `keys new` makes one", path.display()));
    }
    output.result(&json!({ "wallet_path": path, "wallets": wallets }), &tree(&branches))?;
    Ok(ExitCode::SUCCESS)
}

/// A wallet in the tree.
struct Branch {
    line: String,
    leaves: Vec<String>,
}

/// The tree that people know from `btcli wallet list`; nothing for no wallets.
fn tree(branches: &[Branch]) -> String {
    let mut lines = Vec::new();
    for (index, branch) in branches.iter().enumerate() {
        let (arm, trunk) = if index + 1 == branches.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
        lines.push(format!("{arm}{}", branch.line));
        for (index, leaf) in branch.leaves.iter().enumerate() {
            let arm = if index + 1 == branch.leaves.len() { "└── " } else { "├── " };
            lines.push(format!("{trunk}{arm}{leaf}"));
        }
    }
    if !lines.is_empty() {
        lines.insert(0, "Wallets".to_owned());
    }
    lines.join("\n")
}
