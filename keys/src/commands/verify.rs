//! `keys verify`

use std::process::ExitCode;

use eyre::Result;
use keys::cli::EXIT_CHECK_FAILED;
use keys::{AccountId, CryptoType, ParseSignatureError, Signature};
use serde_json::json;

use super::sign::message_bytes;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What was signed
    message: String,

    /// The message is hex
    #[arg(long)]
    hex: bool,

    /// The signature: 0x…, or with its scheme sr25519:0x…
    #[arg(long, value_parser = candidates)]
    signature: Candidates,

    /// The account that should have signed
    #[arg(long, value_name = "ADDRESS")]
    ss58: AccountId,
}

/// What a signature's text may mean. Bare hex does not say its scheme, and an account has a key of one only: both are tried.
#[derive(Clone)]
struct Candidates(Vec<Signature>);

fn candidates(text: &str) -> Result<Candidates, ParseSignatureError> {
    if text.contains(':') {
        return Ok(Candidates(vec![text.parse()?]));
    }
    let both = [CryptoType::Sr25519, CryptoType::Ed25519];
    both.into_iter().map(|scheme| Signature::from_hex(scheme, text)).collect::<Result<_, _>>().map(Candidates)
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> Result<ExitCode> {
        let message = message_bytes(&self.message, self.hex)?;
        let good = self.signature.0.iter().find(|signature| keys::verify(&self.ss58, signature, &message));
        let scheme = good.map(|signature| signature.crypto_type().to_string());
        let text = match &scheme {
            Some(scheme) => format!("valid: {} signed this message ({scheme})", self.ss58),
            None => format!("NOT valid: {} did not sign this message", self.ss58),
        };
        output.result(&json!({ "valid": good.is_some(), "ss58": self.ss58, "crypto_type": scheme }), &text)?;
        Ok(if good.is_some() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CHECK_FAILED) })
    }
}
