//! `keys sign`

use std::process::ExitCode;

use eyre::Result;
use keys::cli::{PasswordArgs, WalletArgs};
use serde_json::json;

use crate::Usage;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to sign: this text's UTF-8 bytes
    message: String,

    /// The message is hex, sign the bytes it spells
    #[arg(long)]
    hex: bool,

    /// Sign with the hotkey instead of the coldkey
    #[arg(long)]
    use_hotkey: bool,

    #[command(flatten)]
    password: PasswordArgs,
}

/// The bytes that a message on the command line stands for.
pub(super) fn message_bytes(message: &str, is_hex: bool) -> Result<Vec<u8>, Usage> {
    if !is_hex {
        return Ok(message.as_bytes().to_vec());
    }
    hex::decode(message.strip_prefix("0x").unwrap_or(message))
        .map_err(|error| Usage(format!("the message `{message}` is not hex: {error}")))
}

impl Args {
    pub(crate) fn run(&self, wallet: &WalletArgs, output: &Output) -> Result<ExitCode> {
        let message = message_bytes(&self.message, self.hex)?;
        let key =
            if self.use_hotkey { wallet.hotkey_pair(&self.password)? } else { wallet.coldkey_pair(&self.password)? };
        let signature = key.sign(&message).to_hex();
        let value = json!({
            "ss58": key.account_id(),
            "crypto_type": key.crypto_type().to_string(),
            "signature": signature,
        });
        output.result(&value, &signature)?;
        Ok(ExitCode::SUCCESS)
    }
}
