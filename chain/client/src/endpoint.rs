//! Where a chain is reached: a network's name or a WebSocket URL.

use std::fmt;
use std::str::FromStr;

/// One chain endpoint, parsed from `local`, `test`, `finney` or a `ws://` or `wss://` URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    url: String,
}

/// Longest URL accepted; a longer one is a mistake, not an address.
const MAX_URL_BYTES: usize = 512;

impl Endpoint {
    /// A node on this machine, at Substrate's usual port.
    pub const LOCAL: &'static str = "ws://127.0.0.1:9944";
    /// Bittensor's public test network.
    pub const TEST: &'static str = "wss://test.finney.opentensor.ai:443";
    /// Bittensor's main network.
    pub const FINNEY: &'static str = "wss://entrypoint-finney.opentensor.ai:443";

    /// The URL that is dialled.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// A text that names no chain endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no chain endpoint ({problem}): give `local`, `test`, `finney` or a URL such as `ws://127.0.0.1:9944`"
)]
pub struct EndpointError {
    text: String,
    problem: &'static str,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let refuse = |problem| EndpointError { text: text.chars().take(80).collect(), problem };
        let url = match text {
            "local" => Self::LOCAL,
            "test" => Self::TEST,
            "finney" => Self::FINNEY,
            other => other,
        };
        if url.len() > MAX_URL_BYTES {
            return Err(refuse("it is longer than 512 bytes"));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(refuse("it is neither a known network nor a URL"));
        };
        if !matches!(scheme, "ws" | "wss") {
            return Err(refuse("only ws:// and wss:// are spoken"));
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(refuse("credentials in a URL end up in logs"));
        }
        let host = match authority.rsplit_once(':') {
            // The last colon of a bracketed IPv6 address belongs to the address, unless it follows the bracket.
            Some((host, port)) if !port.ends_with(']') => {
                if port.parse::<u16>().is_err() {
                    return Err(refuse("its port is not a number up to 65535"));
                }
                host
            }
            _ => authority,
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(refuse("it has no host"));
        }
        Ok(Self { url: url.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_urls_are_endpoints() {
        assert_eq!("local".parse::<Endpoint>().map(|e| e.to_string()), Ok(Endpoint::LOCAL.to_owned()));
        assert_eq!("finney".parse::<Endpoint>().map(|e| e.to_string()), Ok(Endpoint::FINNEY.to_owned()));
        for url in ["ws://127.0.0.1:9944", "wss://node.example", "ws://[::1]:9944", "ws://[::1]", "wss://a.b:1/rpc?x=1"]
        {
            assert_eq!(url.parse::<Endpoint>().map(|e| e.to_string()), Ok(url.to_owned()));
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_to_write_instead() {
        for text in ["", "mainnet", "http://a:1", "ws://", "ws://:9944", "ws://a:99999", "ws://a b:1", "ws://u:p@a:1"] {
            let error = text.parse::<Endpoint>().expect_err(text);
            assert!(error.to_string().contains("ws://127.0.0.1:9944"), "{error}");
        }
    }
}
