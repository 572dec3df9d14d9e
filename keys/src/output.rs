//! Results go to stdout, as lines or as one JSON object; notes and errors go to stderr.

use std::io::{self, Write};
use std::path::PathBuf;

use eyre::Report;
use keys::keyfile::PublicKey;
use keys::{AccountId, Mnemonic, Wallet, WalletError};
use serde::Serialize;

/// How results are shown.
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Output {
    /// Prints a result: `value` with `--json`, else `text`.
    pub(crate) fn result(&self, value: &impl Serialize, text: &str) -> eyre::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            writeln!(stdout, "{}", serde_json::to_string(value)?)?;
        } else if !text.is_empty() {
            writeln!(stdout, "{text}")?;
        }
        Ok(stdout.flush()?)
    }

    /// Tells a person something that is no part of the result.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    pub(crate) fn error(&self, report: &Report) {
        let causes: Vec<_> = report.chain().map(ToString::to_string).collect();
        let _ = writeln!(io::stderr(), "error: {}", causes.join(": "));
    }
}

/// What is said about one key.
#[derive(Serialize)]
pub(crate) struct KeyReport {
    role: &'static str,
    name: String,
    ss58: Option<AccountId>,
    public_key: Option<String>,
    crypto_type: Option<String>,
    storage: Option<&'static str>,
    path: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mnemonic: Option<String>,
}

impl KeyReport {
    pub(crate) fn coldkey(wallet: &Wallet) -> Self {
        let report = Self::new("coldkey", wallet.name(), wallet.coldkey_path());
        report.about(wallet.coldkeypub(), wallet.coldkey_is_encrypted(), || wallet.coldkey(None).map(drop))
    }

    pub(crate) fn hotkey(wallet: &Wallet, name: &str) -> Result<Self, WalletError> {
        let report = Self::new("hotkey", name, wallet.hotkey_path(name)?);
        Ok(report
            .about(wallet.hotkeypub(name), wallet.hotkey_is_encrypted(name), || wallet.hotkey(name, None).map(drop)))
    }

    fn new(role: &'static str, name: &str, path: PathBuf) -> Self {
        Self {
            role,
            name: name.to_owned(),
            ss58: None,
            public_key: None,
            crypto_type: None,
            storage: None,
            path,
            problem: None,
            mnemonic: None,
        }
    }

    fn about(
        mut self,
        public: Result<PublicKey, WalletError>,
        encrypted: Result<bool, WalletError>,
        load: impl FnOnce() -> Result<(), WalletError>,
    ) -> Self {
        match public {
            Ok(public) => {
                self.ss58 = Some(public.account_id);
                self.public_key = Some(format!("0x{}", hex::encode(public.account_id.as_bytes())));
                self.crypto_type = Some(public.crypto_type.to_string());
            }
            Err(error) => self.problem = Some(error.to_string()),
        }
        match encrypted {
            Ok(true) => self.storage = Some("encrypted"),
            Ok(false) => {
                self.storage = Some("plain");
                // An address is shown to be paid to: that it is this key's is worth the loading.
                self.problem = self.problem.or(load().err().map(|error| error.to_string()));
            }
            Err(WalletError::Missing { .. }) => self.storage = Some("elsewhere"),
            Err(error) => self.problem = self.problem.or(Some(error.to_string())),
        }
        self
    }

    pub(crate) fn with_mnemonic(mut self, mnemonic: &Mnemonic) -> Self {
        self.mnemonic = Some(mnemonic.phrase().to_owned());
        self
    }

    pub(crate) fn has_problem(&self) -> bool {
        self.problem.is_some()
    }

    /// One line: name, address, storage.
    pub(crate) fn line(&self) -> String {
        let ss58 = self.ss58.map_or_else(|| "-".to_owned(), |account| account.to_string());
        let storage = self.storage.unwrap_or("unreadable");
        let problem = self.problem.as_ref().map_or_else(String::new, |problem| format!("  ({problem})"));
        format!("{:<16} {ss58:<48}  {storage}{problem}", self.name)
    }

    /// All of it, one line a field.
    pub(crate) fn block(&self) -> String {
        let mut lines = vec![format!("{} {}", self.role, self.name)];
        let ss58 = self.ss58.map(|account| account.to_string());
        for (label, value) in [
            ("address", &ss58),
            ("public key", &self.public_key),
            ("scheme", &self.crypto_type),
            ("stored", &self.storage.map(str::to_owned)),
            ("file", &Some(self.path.display().to_string())),
            ("problem", &self.problem),
            ("phrase", &self.mnemonic),
        ] {
            if let Some(value) = value {
                lines.push(format!("  {label:<11} {value}"));
            }
        }
        lines.join("\n")
    }
}
