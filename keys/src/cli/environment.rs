//! The variable in which Bittensor's clients look for a key's password: `BT_PW_` and the key file's path.
//!
//! Its value is not the password but base64 of it under XOR with the variable's own name: that hides it from a glance and
//! from nobody who wants it, since the name stands beside it.

use std::env;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::CliError;

const PREFIX: &str = "BT_PW_";

/// The password that the environment holds for a key file, if any. The clients name the variable after the path as it was
/// given; after the absolute one it is found too.
pub(super) fn password_of(path: &Path) -> Result<Option<Zeroizing<String>>, CliError> {
    let names = [Some(variable(path)), std::path::absolute(path).ok().map(|path| variable(&path))];
    let found = names.into_iter().flatten().find_map(|name| env::var_os(&name).map(|value| (name, value)));
    let Some((name, value)) = found else { return Ok(None) };
    let Some(value) = value.into_string().ok().map(Zeroizing::new) else {
        return Err(CliError::Environment { name });
    };
    reveal(&name, &value).map(Some).ok_or(CliError::Environment { name })
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
