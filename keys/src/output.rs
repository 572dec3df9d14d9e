//! Results go to stdout, as lines or as one JSON object; notes and errors go to stderr.

use std::io::{self, Write};
use std::path::PathBuf;

use eyre::Report;
use keys::keyfile::PublicKey;
use keys::keyfile::encryption::Encryption;
use keys::{AccountId, Exposed, Mnemonic, Wallet, WalletError};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::commands::role::{Chosen, Role};

/// Room for a result with two phrases, so that the buffer seldom grows and leaves an unwiped copy behind.
const RESULT_CAPACITY_BYTES: usize = 16 * 1024;

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
            let mut line = Zeroizing::new(Vec::with_capacity(RESULT_CAPACITY_BYTES));
            serde_json::to_writer(&mut *line, value)?;
            line.push(b'\n');
            stdout.write_all(&line)?;
        } else if !text.is_empty() {
            writeln!(stdout, "{text}")?;
        }
        Ok(stdout.flush()?)
    }

    /// Tells a person something that is no part of the result.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// [`note`](Self::note) for what must not be missed.
    pub(crate) fn warn(&self, text: &str) {
        // Nobody is left to tell when stderr is closed.
        let _ = writeln!(io::stderr(), "{text}");
    }

    pub(crate) fn error(&self, report: &Report) {
        let mut text = String::new();
        for cause in report.chain().map(ToString::to_string) {
            // Ours say in one line what went wrong and why: their causes are in it already.
            if !text.contains(&cause) {
                text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
            }
        }
        let _ = writeln!(io::stderr(), "error: {text}");
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
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption: Option<String>,
    path: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "phrase")]
    mnemonic: Option<Mnemonic>,
}

fn phrase<S: Serializer>(mnemonic: &Option<Mnemonic>, serializer: S) -> Result<S::Ok, S::Error> {
    mnemonic.as_ref().map(Mnemonic::phrase).serialize(serializer)
}

fn is_missing<T>(result: &Result<T, WalletError>) -> bool {
    matches!(result, Err(WalletError::Missing { .. }))
}

impl KeyReport {
    pub(crate) fn of(chosen: &Chosen) -> Result<Self, WalletError> {
        match chosen.role {
            Role::Coldkey => Ok(Self::coldkey(&chosen.wallet)),
            Role::Hotkey => Self::hotkey(&chosen.wallet, chosen.hotkey()),
        }
    }

    pub(crate) fn coldkey(wallet: &Wallet) -> Self {
        let report = Self::new("coldkey", wallet.name(), wallet.coldkey_path(), wallet.exposed_coldkey());
        report.about(wallet.coldkeypub(), wallet.coldkey_encryption(), || wallet.coldkey(None).map(drop))
    }

    pub(crate) fn hotkey(wallet: &Wallet, name: &str) -> Result<Self, WalletError> {
        let report = Self::new("hotkey", name, wallet.hotkey_path(name)?, wallet.exposed_hotkey(name)?);
        Ok(report.about(wallet.hotkeypub(name), wallet.hotkey_encryption(name), || wallet.hotkey(name, None).map(drop)))
    }

    fn new(role: &'static str, name: &str, path: PathBuf, exposed: Vec<Exposed>) -> Self {
        Self {
            role,
            name: name.to_owned(),
            ss58: None,
            public_key: None,
            crypto_type: None,
            storage: None,
            encryption: None,
            path,
            problem: None,
            hints: exposed.iter().map(ToString::to_string).collect(),
            mnemonic: None,
        }
    }

    fn about(
        mut self,
        public: Result<PublicKey, WalletError>,
        encryption: Result<Option<Encryption>, WalletError>,
        load: impl FnOnce() -> Result<(), WalletError>,
    ) -> Self {
        match public {
            Ok(public) => {
                self.ss58 = Some(public.account_id);
                self.public_key = Some(format!("0x{}", hex::encode(public.account_id.as_bytes())));
                self.crypto_type = Some(public.crypto_type.to_string());
            }
            // A coldkey may be kept elsewhere altogether: a neuron needs none.
            Err(WalletError::Missing { .. }) if self.role == "coldkey" && is_missing(&encryption) => {}
            Err(error) => self.problem = Some(error.to_string()),
        }
        match encryption {
            Ok(Some(encryption)) => {
                self.storage = Some("encrypted");
                if self.ss58.is_none() {
                    self.hints.push("`keys passwd` writes the public half again".to_owned());
                }
                self.encryption = Some(encryption.to_string());
                if !encryption.is_current() {
                    self.hints.push(format!("encrypted the old way ({encryption}); `keys passwd` renews it"));
                }
            }
            Ok(None) => {
                self.storage = Some("plain");
                // An address is shown to be paid to: that it is this key's is worth the loading.
                self.problem = self.problem.or(load().err().map(|error| error.to_string()));
            }
            Err(WalletError::Missing { .. }) => self.storage = Some("elsewhere"),
            Err(error) => self.problem = self.problem.or(Some(error.to_string())),
        }
        self
    }

    pub(crate) fn with_mnemonic(mut self, mnemonic: Mnemonic) -> Self {
        self.mnemonic = Some(mnemonic);
        self
    }

    pub(crate) fn has_problem(&self) -> bool {
        self.problem.is_some()
    }

    /// What is worth a word though the key works.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// One line of the tree, as `btcli wallet list` has it, and how the key is stored.
    pub(crate) fn line(&self) -> String {
        let role = if self.role == "coldkey" { "Coldkey" } else { "Hotkey" };
        let ss58 = self.ss58.map_or_else(|| "?".to_owned(), |account| account.to_string());
        let storage = self.storage.unwrap_or("unreadable");
        let problem = self.problem.as_ref().map_or_else(String::new, |problem| format!("  ({problem})"));
        format!("{role} {}  ss58_address {ss58}  {storage}{problem}", self.name)
    }

    /// All of it, one line a field.
    pub(crate) fn block(&self) -> Zeroizing<String> {
        Self::blocks(std::slice::from_ref(self))
    }

    /// [`block`](Self::block) for several.
    pub(crate) fn blocks(reports: &[Self]) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(RESULT_CAPACITY_BYTES));
        for report in reports {
            report.push_block(&mut text);
        }
        let length = text.trim_end().len();
        text.truncate(length);
        text
    }

    fn push_block(&self, text: &mut String) {
        let mut line = |start: &str, label: &str, value: &str| {
            for part in [start, label, value, "\n"] {
                text.push_str(part);
            }
        };
        line(self.role, " ", &self.name);
        let storage = match (self.storage, &self.encryption) {
            (Some(storage), Some(encryption)) => Some(format!("{storage} ({encryption})")),
            (storage, _) => storage.map(str::to_owned),
        };
        for (label, value) in [
            ("address     ", self.ss58.map(|account| account.to_string())),
            ("public key  ", self.public_key.clone()),
            ("scheme      ", self.crypto_type.clone()),
            ("stored      ", storage),
            ("file        ", Some(self.path.display().to_string())),
            ("problem     ", self.problem.clone()),
        ] {
            if let Some(value) = value {
                line("  ", label, &value);
            }
        }
        for hint in &self.hints {
            line("  ", "hint        ", hint);
        }
        if let Some(mnemonic) = &self.mnemonic {
            line("  ", "phrase      ", mnemonic.phrase());
        }
    }
}
