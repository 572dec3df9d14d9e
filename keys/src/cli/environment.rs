//! The variables in which Bittensor's clients look for a key's password: `BT_WALLET_PASSWORD` for any coldkey, and `BT_PW_`
//! with the key file's path.
//!
//! The value of the latter is not the password but base64 of it under XOR with the variable's own name: that hides it from
//! a glance and from nobody who wants it, since the name stands beside it.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::CliError;
use crate::wallet::COLDKEY;

const PREFIX: &str = "BT_PW_";

/// Holds the password of whatever coldkey is opened, as it is.
const ANY_COLDKEY: &str = "BT_WALLET_PASSWORD";

/// The variable that holds the password of this very key file, if one is set. The clients name it after the path as it was
/// given; after the absolute one it is found too.
///
/// Paths that differ only in case, or in `/`, `.` and `_`, share a variable: whose password it holds, it does not say.
pub fn password_variable(path: &Path) -> Option<String> {
    found(path).map(|(name, _)| name)
}

/// The password that the environment holds for opening a key file, if any, and the variable's name.
pub(super) fn password_to_open(path: &Path) -> Result<Option<(String, Zeroizing<String>)>, CliError> {
    let is_coldkey = path.file_name().is_some_and(|name| name == COLDKEY);
    match env::var_os(ANY_COLDKEY).filter(|value| is_coldkey && !value.is_empty()) {
        None => password_of(path),
        Some(value) => {
            let name = ANY_COLDKEY.to_owned();
            match value.into_string() {
                Ok(password) => Ok(Some((name, Zeroizing::new(password)))),
                Err(_) => Err(CliError::Environment { name }),
            }
        }
    }
}

/// The password that the environment holds for this very key file, if any, and the variable's name.
pub(super) fn password_of(path: &Path) -> Result<Option<(String, Zeroizing<String>)>, CliError> {
    let Some((name, value)) = found(path) else { return Ok(None) };
    let Some(value) = value.into_string().ok().map(Zeroizing::new) else {
        return Err(CliError::Environment { name });
    };
    match reveal(&name, &value) {
        Some(password) => Ok(Some((name, password))),
        None => Err(CliError::Environment { name }),
    }
}

fn found(path: &Path) -> Option<(String, OsString)> {
    let names = [Some(variable(path)), std::path::absolute(path).ok().map(|path| variable(&path))];
    let set = names.into_iter().flatten().find_map(|name| env::var_os(&name).map(|value| (name, value)));
    // An empty one is none, as it is for the clients.
    set.filter(|(_, value)| !value.is_empty())
}

/// The variable's name.
fn variable(path: &Path) -> String {
    let path: String = path.to_string_lossy().chars().map(|c| if matches!(c, '/' | '.') { '_' } else { c }).collect();
    format!("{PREFIX}{}", path.to_uppercase())
}

/// The password in a variable's value.
fn reveal(name: &str, value: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(BASE64.decode(value).ok()?);
    for (byte, key) in bytes.iter_mut().zip(name.bytes().cycle()) {
        *byte ^= key;
    }
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_path_in_capitals() {
        assert_eq!(variable(Path::new("/home/w-x.y z/a-b c/coldkey")), "BT_PW__HOME_W-X_Y Z_A-B C_COLDKEY");
        assert_eq!(variable(Path::new("./rel/a/coldkey")), "BT_PW___REL_A_COLDKEY");
    }

    #[test]
    fn what_the_clients_store_is_revealed() {
        let name = "BT_PW__TMP_W-X_Y Z_A-B C_COLDKEY";
        let hide = |password: &str| {
            let hidden: Vec<_> = password.bytes().zip(name.bytes().cycle()).map(|(byte, key)| byte ^ key).collect();
            BASE64.encode(hidden)
        };
        // As bittensor_wallet 4.1.1 stores them under this name's first letters.
        assert_eq!((hide("abc").as_str(), hide("Throwa").as_str()), ("IzY8", "FjwtPyA+"));
        for password in ["abc", "pässwörd€", "", &"x".repeat(100)] {
            assert_eq!(reveal(name, &hide(password)).unwrap().as_str(), password);
        }
        assert!(reveal(name, "no base64!").is_none());
        assert!(reveal(name, "AAAA//8=").is_none());
    }
}
