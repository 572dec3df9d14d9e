//! `-w`, `-H` and `--wallet-path`, as `btcli` has them.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::secrets::tell;
use super::{CliError, PasswordArgs};
use crate::{AccountId, Exposed, Keypair, Wallet, WalletError};

const DEFAULT_NAME: &str = "default";
/// Under the home directory.
const DEFAULT_PATH: &str = "~/.bittensor/wallets";

/// Largest configuration file that is read.
const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// Which wallet and which hotkey. Flatten it into a command line, at the top: subcommands then take the flags too.
///
/// A flag beats its environment variable, that beats the configuration file, that beats the default.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct WalletArgs {
    /// Coldkey wallet name [default: default]
    #[arg(short = 'w', long, env = "BT_WALLET", global = true, value_name = "NAME", hide_env_values = true)]
    pub wallet: Option<String>,

    /// Hotkey name in the wallet [default: default]
    #[arg(short = 'H', long, env = "BT_WALLET_HOTKEY", global = true, value_name = "NAME", hide_env_values = true)]
    pub wallet_hotkey: Option<String>,

    /// Wallet directory [default: ~/.bittensor/wallets]
    #[arg(long, env = "BT_WALLET_PATH", global = true, value_name = "DIR", hide_env_values = true)]
    pub wallet_path: Option<PathBuf>,
}

/// The wallet's part of the configuration file that all binaries share. Keys of other parts are left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct WalletConfig {
    /// As `--wallet`.
    pub wallet: Option<String>,
    /// As `--wallet-hotkey`.
    pub wallet_hotkey: Option<String>,
    /// As `--wallet-path`.
    pub wallet_path: Option<PathBuf>,
}

impl WalletConfig {
    /// Reads a TOML file.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let refused = |reason: String| CliError::Config { path: path.to_owned(), reason };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|error| refused(error.to_string()))?;
        file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
        if text.len() as u64 > MAX_CONFIG_BYTES {
            return Err(refused(format!("it has more than {MAX_CONFIG_BYTES} bytes")));
        }
        // The parser's own messages quote the line, which is a secret where a key file was named by mistake.
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            refused(format!("line {line} is no line of a configuration, such as `wallet = 'alice'`"))
        })
    }
}

impl WalletArgs {
    /// Takes from the configuration what neither flags nor environment said.
    pub fn or_config(mut self, config: WalletConfig) -> Self {
        self.wallet = self.wallet.or(config.wallet);
        self.wallet_hotkey = self.wallet_hotkey.or(config.wallet_hotkey);
        self.wallet_path = self.wallet_path.or(config.wallet_path);
        self
    }

    /// The wallet directory, with a leading `~` replaced by the home directory.
    pub fn path(&self) -> Result<PathBuf, CliError> {
        self.path_from(std::env::var_os("HOME").map(PathBuf::from))
    }

    fn path_from(&self, home: Option<PathBuf>) -> Result<PathBuf, CliError> {
        let path = self.wallet_path.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
        match path.strip_prefix("~") {
            Err(_) => Ok(path.to_owned()),
            Ok(rest) => {
                let home = home.filter(|home| !home.as_os_str().is_empty()).ok_or(CliError::NoHome)?;
                Ok(home.join(rest))
            }
        }
    }

    /// The wallet's name.
    pub fn wallet_name(&self) -> &str {
        self.wallet.as_deref().unwrap_or(DEFAULT_NAME)
    }

    /// The hotkey's name.
    pub fn hotkey_name(&self) -> &str {
        self.wallet_hotkey.as_deref().unwrap_or(DEFAULT_NAME)
    }

    /// The wallet, not read yet.
    pub fn open(&self) -> Result<Wallet, CliError> {
        Ok(Wallet::new(self.path()?, self.wallet_name())?)
    }

    /// Loads the hotkey, asking for a password only if it is encrypted. Says so on stderr when others can get at it.
    pub fn hotkey_pair(&self, password: &PasswordArgs) -> Result<Keypair, CliError> {
        let (wallet, name) = (self.open()?, self.hotkey_name());
        wallet.exposed_hotkey(name)?.iter().for_each(warn);
        if !wallet.hotkey_is_encrypted(name)? {
            return Ok(wallet.hotkey(name, None)?);
        }
        let password =
            password.existing(&format!("hotkey `{name}` of wallet `{}`", wallet.name()), &wallet.hotkey_path(name)?)?;
        wallet.hotkey(name, Some(&password)).map_err(|error| password.explain(error))
    }

    /// The hotkey's address, for which no password is needed unless its public half is missing.
    pub fn hotkey_id(&self, password: &PasswordArgs) -> Result<AccountId, CliError> {
        match self.open()?.hotkeypub(self.hotkey_name()) {
            Err(WalletError::Missing { .. }) => Ok(self.hotkey_pair(password)?.account_id()),
            public => Ok(public?.account_id),
        }
    }

    /// Loads the coldkey, asking for a password only if it is encrypted. Says so on stderr when others can get at it.
    pub fn coldkey_pair(&self, password: &PasswordArgs) -> Result<Keypair, CliError> {
        let wallet = self.open()?;
        wallet.exposed_coldkey().iter().for_each(warn);
        if !wallet.coldkey_is_encrypted()? {
            return Ok(wallet.coldkey(None)?);
        }
        let password =
            password.existing(&format!("the coldkey of wallet `{}`", wallet.name()), &wallet.coldkey_path())?;
        wallet.coldkey(Some(&password)).map_err(|error| password.explain(error))
    }
}

/// Bittensor's own wallets have folders that others can look into: worth a word in `keys show`, not at every start.
fn warn(exposed: &Exposed) {
    if exposed.is_serious() {
        tell(&format!("warning: {exposed}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyfile::StoredKey;
    use crate::{CryptoType, Existing, Protection};

    #[test]
    fn a_tilde_is_the_home_directory_and_only_in_front() {
        let at = |path: &str| WalletArgs { wallet_path: Some(path.into()), ..WalletArgs::default() };
        let home = || Some(PathBuf::from("/home/x"));
        let default = WalletArgs::default();
        assert_eq!(default.path_from(home()).unwrap(), Path::new("/home/x/.bittensor/wallets"));
        assert_eq!(at("~/w").path_from(home()).unwrap(), Path::new("/home/x/w"));
        assert_eq!(at("/a/~/w").path_from(home()).unwrap(), Path::new("/a/~/w"));
        assert_eq!(at("w").path_from(None).unwrap(), Path::new("w"));
        assert!(matches!(default.path_from(None), Err(CliError::NoHome)));
        assert!(matches!(default.path_from(Some(PathBuf::new())), Err(CliError::NoHome)));
    }

    #[test]
    fn the_configuration_fills_only_what_was_not_said() {
        let said = WalletArgs { wallet: Some("said".into()), ..WalletArgs::default() };
        let config: WalletConfig = toml::from_str("wallet='a'\nwallet_hotkey='b'\nnetwork='local'").unwrap();
        let args = said.or_config(config);
        assert_eq!((args.wallet_name(), args.hotkey_name()), ("said", "b"));
    }

    #[test]
    fn an_address_takes_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let args = WalletArgs { wallet_path: Some(folder.path().to_owned()), ..WalletArgs::default() };
        let key = StoredKey::from_seed([7; 32], CryptoType::Sr25519);
        let wallet = args.open().unwrap();
        wallet.create_hotkey("default", &key, Protection::Plain, Existing::Keep).unwrap();
        let address = wallet.hotkeypub("default").unwrap().account_id;
        // What nobody has the password of.
        std::fs::write(wallet.hotkey_path("default").unwrap(), [b"$NACL".as_slice(), &[1; 200]].concat()).unwrap();
        assert_eq!(args.hotkey_id(&PasswordArgs::default()).unwrap(), address);
        let nobody = WalletArgs { wallet: Some("nobody".into()), ..args };
        assert!(matches!(
            nobody.hotkey_id(&PasswordArgs::default()),
            Err(CliError::Wallet(WalletError::Missing { .. }))
        ));
    }
}
