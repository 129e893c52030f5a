//! The issuer's public keys (RFC 7517): read from a file or a URL, kept while the issuer is down.

use std::{fmt, io, path::PathBuf, str::FromStr, sync::OnceLock, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// A key set is a few kilobytes; more is not one.
const BYTES_MAX: usize = 1 << 20;
/// An issuer that needs longer counts as down.
const PATIENCE: Duration = Duration::from_secs(3);
/// RSA keys below 2048 bits are refused (RFC 7518, section 3.3).
const RSA_BYTES_MIN: usize = 256;

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// A file that may be replaced while we run.
    File(PathBuf),
    /// An `http` or `https` address.
    Url(String),
}

impl FromStr for JwksSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = text.starts_with("https://") || text.starts_with("http://");
        Ok(if url {
            Self::Url(text.into())
        } else {
            Self::File(text.into())
        })
    }
}

impl fmt::Display for JwksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url) => f.write_str(url),
        }
    }
}

/// Why no keys could be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file.
    #[error("could not read the key file")]
    File(#[source] io::Error),
    /// The network, or the issuer's answer.
    #[error("could not fetch the keys")]
    Fetch(#[source] reqwest::Error),
    /// Too long, or longer than the patience.
    #[error("the issuer answers too slowly or too much")]
    Size,
    /// Not a key set.
    #[error("is not a JSON Web Key Set")]
    Json(#[source] serde_json::Error),
    /// A key set without a key for EdDSA, ES256 or RS256.
    #[error("the key set has no key for EdDSA, ES256 or RS256 signatures")]
    Empty,
}

impl JwksSource {
    pub(super) async fn read(&self) -> Result<Vec<Key>, KeysError> {
        let bytes = match self {
            Self::File(path) => tokio::fs::read(path).await.map_err(KeysError::File)?,
            Self::Url(url) => tokio::time::timeout(PATIENCE, fetch(url))
                .await
                .map_err(|_| KeysError::Size)??,
        };
        parse(&bytes)
    }
}

async fn fetch(url: &str) -> Result<Vec<u8>, KeysError> {
    let mut answer = client()?.get(url).send().await.map_err(KeysError::Fetch)?;
    answer.error_for_status_ref().map_err(KeysError::Fetch)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(KeysError::Fetch)? {
        if bytes.len() + chunk.len() > BYTES_MAX {
            return Err(KeysError::Size);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn client() -> Result<&'static reqwest::Client, KeysError> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    // An error means that another part of the process has chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .map_err(KeysError::Fetch)?;
    Ok(CLIENT.get_or_init(|| client))
}

/// One key for verifying, bound to the one algorithm that it is for.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
    /// The public part as sent, to tell whether a set has changed.
    identity: String,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (&self.kid, self.algorithm, &self.identity)
            == (&other.kid, other.algorithm, &other.identity)
    }
}

#[derive(Debug, Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// Keys of other kinds and for other uses are skipped, since issuers publish those too.
fn parse(bytes: &[u8]) -> Result<Vec<Key>, KeysError> {
    let set: Set = serde_json::from_slice(bytes).map_err(KeysError::Json)?;
    let keys: Vec<Key> = set
        .keys
        .into_iter()
        .filter_map(|jwk| serde_json::from_value(jwk).ok())
        .filter_map(usable)
        .collect();
    if keys.is_empty() {
        Err(KeysError::Empty)
    } else {
        Ok(keys)
    }
}

fn usable(jwk: Jwk) -> Option<Key> {
    let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
        && jwk
            .key_ops
            .as_ref()
            .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !signs {
        return None;
    }
    let bytes = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref()?).ok();
    let (algorithm, name, key, identity) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("OKP", Some("Ed25519")) => {
            bytes(&jwk.x).filter(|x| x.len() == 32)?;
            let x = jwk.x?;
            (
                Algorithm::EdDSA,
                "EdDSA",
                DecodingKey::from_ed_components(&x).ok()?,
                x,
            )
        }
        ("EC", Some("P-256")) => {
            bytes(&jwk.x).filter(|x| x.len() == 32)?;
            bytes(&jwk.y).filter(|y| y.len() == 32)?;
            let (x, y) = (jwk.x?, jwk.y?);
            let key = DecodingKey::from_ec_components(&x, &y).ok()?;
            (Algorithm::ES256, "ES256", key, format!("{x}.{y}"))
        }
        ("RSA", _) => {
            bytes(&jwk.n).filter(|n| n.len() >= RSA_BYTES_MIN)?;
            let (n, e) = (jwk.n?, jwk.e?);
            let key = DecodingKey::from_rsa_components(&n, &e).ok()?;
            (Algorithm::RS256, "RS256", key, format!("{n}.{e}"))
        }
        _ => return None,
    };
    // `Ed25519` is the fully specified name of RFC 9864.
    let named = jwk
        .alg
        .is_none_or(|alg| alg == name || (name == "EdDSA" && alg == "Ed25519"));
    named.then_some(Key {
        kid: jwk.kid,
        algorithm,
        key,
        identity,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwk(change: impl FnOnce(&mut serde_json::Value)) -> Result<Vec<Key>, KeysError> {
        let mut jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "alg": "EdDSA", "use": "sig",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        change(&mut jwk);
        parse(json!({"keys": [jwk]}).to_string().as_bytes())
    }

    #[test]
    fn a_key_is_bound_to_its_algorithm() {
        let keys = jwk(|_| {}).unwrap();
        assert_eq!(
            (keys[0].kid.as_deref(), keys[0].algorithm),
            (Some("a"), Algorithm::EdDSA)
        );
        assert!(
            jwk(|k| k["alg"] = json!("HS256")).is_err(),
            "alg of another kind"
        );
        assert!(jwk(|k| k["use"] = json!("enc")).is_err());
        assert!(jwk(|k| k["key_ops"] = json!(["sign"])).is_err());
        assert!(jwk(|k| k["x"] = json!("AAAA")).is_err());
        assert!(jwk(|k| *k = json!({"kty": "oct", "k": "c2VjcmV0"})).is_err());
        assert!(
            jwk(|k| *k = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})).is_err(),
            "short"
        );
    }

    #[test]
    fn what_is_not_a_key_set_says_so() {
        assert!(matches!(parse(b"{}"), Err(KeysError::Json(_))));
        assert!(matches!(parse(b"{\"keys\":[]}"), Err(KeysError::Empty)));
        assert!(matches!(
            parse(b"{\"keys\":[7,{\"kty\":\"OKP\"}]}"),
            Err(KeysError::Empty)
        ));
    }

    #[test]
    fn sources_are_told_apart_by_their_scheme() {
        assert_eq!(
            "https://x/jwks".parse(),
            Ok(JwksSource::Url("https://x/jwks".into()))
        );
        assert_eq!(
            "state/jwks.json".parse(),
            Ok(JwksSource::File("state/jwks.json".into()))
        );
    }
}
