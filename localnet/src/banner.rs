//! What a developer works from: endpoints, accounts and their keys' addresses, printed at the start.

use std::fmt::{self, Display};
use std::path::PathBuf;

use chain::{AccountId, Rao, Uid};

use crate::accounts::Role;
use crate::persona::Persona;

/// One line of the accounts table.
#[derive(Clone, Debug)]
pub struct AccountLine {
    /// The account's and its wallet's name.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// How a miner does it.
    pub persona: Persona,
    /// Its uid, if it is registered.
    pub uid: Option<Uid>,
    /// The coldkey's address.
    pub coldkey: AccountId,
    /// The hotkey's address.
    pub hotkey: AccountId,
    /// What the coldkey may spend.
    pub balance: Rao,
    /// The neuron's libp2p identity, if it runs.
    pub peer: Option<String>,
}

/// Everything printed at the start.
#[derive(Clone, Debug)]
pub struct Banner {
    /// The chain's RPC address.
    pub rpc_url: String,
    /// The subnet.
    pub netuid: u16,
    /// The localnet's seed.
    pub seed: u64,
    /// Where the wallets lie.
    pub wallets: PathBuf,
    /// Everybody.
    pub accounts: Vec<AccountLine>,
}

impl Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rpc      {}", self.rpc_url)?;
        writeln!(f, "netuid   {}", self.netuid)?;
        writeln!(f, "seed     {}", self.seed)?;
        writeln!(f, "wallets  {}", self.wallets.display())?;
        writeln!(f)?;
        writeln!(
            f,
            "{:>4}  {:<13} {:<10} {:<8} {:<48}  {:>14}  peer",
            "uid", "name", "role", "persona", "hotkey (coldkey for root and owner)", "balance"
        )?;
        for a in &self.accounts {
            let uid = a.uid.map_or_else(|| "-".to_owned(), |uid| uid.0.to_string());
            let address = if matches!(a.role, Role::Root | Role::Owner) { a.coldkey } else { a.hotkey };
            let balance = format!("{:.3} τ", a.balance.0 as f64 / Rao::PER_TAO as f64);
            let peer = a.peer.as_deref().unwrap_or("-");
            let persona = if a.role == Role::Miner { a.persona.word() } else { "-" };
            let role = a.role.word();
            writeln!(f, "{uid:>4}  {:<13} {role:<10} {persona:<8} {address:<48}  {balance:>14}  {peer}", a.name)?;
        }
        writeln!(f)?;
        writeln!(f, "THESE KEYS ARE PUBLIC: they follow from the seed. Never send anything of value to them.")
    }
}
