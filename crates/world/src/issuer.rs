//! The development issuer: an Ed25519 key in the state folder, its public half as a JWKS file for the
//! servers, and tokens for the role presets.

use std::{fmt, io, path::PathBuf, str::FromStr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, spki::der::pem::LineEnding},
};
use kernel::{Clock, OfficeCode, Role, Scope};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{files, state::Folder};

/// `iss` of every token that a laptop world mints. It names no host: no one should trust it elsewhere.
pub const ISSUER: &str = "urn:meridian:development";

/// `aud` of every token.
pub const AUDIENCE: &str = "meridian";

/// The longest life of a token (`api-and-domain` section 12), also the default.
pub const TTL_MAX: Duration = Duration::from_secs(3600);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// `up` never ran here.
    #[error("no world in {}: run `meridian up` in this folder first, or name its state with --state", .0.display())]
    NoWorld(PathBuf),
    /// The key file is not what was written.
    #[error("{} is not an Ed25519 key in PEM: run `meridian up --fresh` to make a new one", .0.display())]
    BadKey(PathBuf),
    /// The key file could not be read or written.
    #[error("could not use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The signature could not be made.
    #[error("could not sign the token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// Signs tokens for one world.
pub struct Issuer {
    key: SigningKey,
    kid: String,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// The issuer of the world whose state lies in `folder`.
    ///
    /// # Errors
    /// [`IssuerError::NoWorld`] where `up` never ran.
    pub fn load(folder: &Folder) -> Result<Self, IssuerError> {
        let path = folder.issuer_key();
        let pem = match std::fs::read_to_string(&path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(IssuerError::NoWorld(folder.path().to_owned()));
            }
            Err(source) => return Err(IssuerError::Io { path, source }),
        };
        let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| IssuerError::BadKey(path))?;
        Ok(Self::new(key))
    }

    /// The issuer of the world in `folder`; its key and its JWKS file are made if need be.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn load_or_create(folder: &Folder) -> Result<Self, IssuerError> {
        let issuer = match Self::load(folder) {
            Err(IssuerError::NoWorld(_)) => {
                let issuer = Self::new(SigningKey::from_bytes(&rand::random()));
                let path = folder.issuer_key();
                let pem = issuer
                    .key
                    .to_pkcs8_pem(LineEnding::LF)
                    .map_err(|_| IssuerError::BadKey(path.clone()))?;
                files::write_private(&path, pem.as_bytes())
                    .map_err(|source| IssuerError::Io { path, source })?;
                issuer
            }
            other => other?,
        };
        let path = folder.jwks();
        files::write_private(&path, issuer.jwks().to_string().as_bytes())
            .map_err(|source| IssuerError::Io { path, source })?;
        Ok(issuer)
    }

    fn new(key: SigningKey) -> Self {
        // RFC 7638: SHA-256 over the required members in alphabetical order, RFC 8037 for this key type.
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        let digest = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Self {
            kid: URL_SAFE_NO_PAD.encode(digest),
            key,
        }
    }

    /// The public half, as the servers read it (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes());
        json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": "EdDSA",
        }]})
    }

    /// A signed token for `grant`, from now on.
    ///
    /// # Errors
    /// [`IssuerError::Sign`].
    pub fn mint(&self, grant: &Grant, clock: &Clock) -> Result<String, IssuerError> {
        let issued_at = clock.now().as_millis().div_euclid(1000);
        let expires_at = issued_at.saturating_add_unsigned(grant.ttl.0.as_secs());
        let scopes: Vec<_> = grant.role.scopes().into_iter().map(Scope::as_str).collect();
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": grant.subject(),
            "scope": scopes.join(" "),
            "offices": grant.offices.claim(),
            "iat": issued_at,
            "exp": expires_at,
        });
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        let der = self
            .key
            .to_pkcs8_der()
            .map_err(|_| jsonwebtoken::errors::ErrorKind::InvalidKeyFormat)
            .map_err(jsonwebtoken::errors::Error::from)?;
        let key = jsonwebtoken::EncodingKey::from_ed_der(der.as_bytes());
        Ok(jsonwebtoken::encode(&header, &claims, &key)?)
    }
}

/// What a token is to allow, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The preset of scopes.
    pub role: Role,
    /// The offices.
    pub offices: GrantedOffices,
    /// `sub`; `dev:<role>` without one.
    pub subject: Option<String>,
    /// The token's life.
    pub ttl: Ttl,
}

impl Grant {
    /// `sub` of the token.
    #[must_use]
    pub fn subject(&self) -> String {
        self.subject
            .clone()
            .unwrap_or_else(|| format!("dev:{}", self.role.as_str()))
    }
}

/// A text of the command line that cannot be read; the message says what would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadArgument(String);

/// `*`, or office codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantedOffices {
    /// `*`
    All,
    /// These, at least one, as written.
    Some(Vec<OfficeCode>),
}

impl GrantedOffices {
    fn claim(&self) -> serde_json::Value {
        match self {
            Self::All => json!("*"),
            Self::Some(codes) => json!(codes),
        }
    }
}

impl FromStr for GrantedOffices {
    type Err = BadArgument;

    fn from_str(text: &str) -> Result<Self, BadArgument> {
        if text == "*" {
            return Ok(Self::All);
        }
        text.split(',')
            .map(|code| {
                code.parse().map_err(|error| {
                    BadArgument(format!(
                        "'{code}' {error}; give '*' or a list such as ber,nyc"
                    ))
                })
            })
            .collect::<Result<_, _>>()
            .map(Self::Some)
    }
}

/// A token's life: 1 s to 1 h, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl(Duration);

impl Default for Ttl {
    fn default() -> Self {
        Self(TTL_MAX)
    }
}

impl FromStr for Ttl {
    type Err = BadArgument;

    /// `60s`, `10m`, `1h`.
    fn from_str(text: &str) -> Result<Self, BadArgument> {
        let unreadable =
            || BadArgument("must be a number and s, m or h, such as 60s, 10m or 1h".into());
        let unit = text.chars().next_back().ok_or_else(unreadable)?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return Err(unreadable()),
        };
        let digits = &text[..text.len() - unit.len_utf8()];
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(unreadable());
        }
        // Too many digits for a number are too long a time as well.
        let seconds = digits
            .parse::<u64>()
            .unwrap_or(u64::MAX)
            .saturating_mul(factor);
        match seconds {
            0 => Err(BadArgument("must be at least 1s".into())),
            seconds if seconds > TTL_MAX.as_secs() => Err(BadArgument(
                "must be at most 1h, the longest life of a token".into(),
            )),
            seconds => Ok(Self(Duration::from_secs(seconds))),
        }
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs())
    }
}

impl Ttl {
    /// The life in seconds.
    #[must_use]
    pub fn as_secs(self) -> u64 {
        self.0.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        (dir, folder)
    }

    fn claims_of(issuer: &Issuer, token: &str) -> serde_json::Value {
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(issuer.jwks()).unwrap();
        let header = jsonwebtoken::decode_header(token).unwrap();
        let jwk = set
            .find(&header.kid.unwrap())
            .expect("the JWKS has the token's key");
        let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        jsonwebtoken::decode(token, &key, &validation)
            .unwrap()
            .claims
    }

    #[test]
    fn a_token_verifies_against_the_jwks_and_says_what_was_asked() {
        let (_dir, folder) = folder();
        let issuer = Issuer::load_or_create(&folder).unwrap();
        let grant = Grant {
            role: Role::Clerk,
            offices: "ber,nyc".parse().unwrap(),
            subject: None,
            ttl: "60s".parse().unwrap(),
        };
        let claims = claims_of(&issuer, &issuer.mint(&grant, &Clock::System).unwrap());
        assert_eq!(claims["sub"], "dev:clerk");
        assert_eq!(claims["offices"], json!(["ber", "nyc"]));
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            60
        );
        let scopes: Vec<_> = claims["scope"].as_str().unwrap().split(' ').collect();
        assert!(scopes.contains(&"warehouse:write") && !scopes.contains(&"accounting:post"));
    }

    #[test]
    fn a_name_and_all_offices_are_told_as_they_are() {
        let (_dir, folder) = folder();
        let issuer = Issuer::load_or_create(&folder).unwrap();
        let grant = Grant {
            role: Role::Operator,
            offices: "*".parse().unwrap(),
            subject: Some("night shift".into()),
            ttl: Ttl::default(),
        };
        let claims = claims_of(&issuer, &issuer.mint(&grant, &Clock::System).unwrap());
        assert_eq!(claims["sub"], "night shift");
        assert_eq!(claims["offices"], "*");
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            3600
        );
    }

    #[test]
    fn the_key_stays_and_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_dir, folder) = folder();
        let first = Issuer::load_or_create(&folder).unwrap();
        let second = Issuer::load_or_create(&folder).unwrap();
        assert_eq!(first.kid, second.kid);
        for file in [folder.issuer_key(), folder.jwks()] {
            assert_eq!(
                std::fs::metadata(file).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn without_a_world_the_message_names_the_remedy() {
        let (_dir, folder) = folder();
        let message = Issuer::load(&folder).unwrap_err().to_string();
        assert!(message.contains("run `meridian up`"), "{message}");
    }

    #[test]
    fn a_token_of_the_past_has_the_past_in_it() {
        let (_dir, folder) = folder();
        let issuer = Issuer::load_or_create(&folder).unwrap();
        let clock = Clock::fixed(Timestamp::from_millis(1_000_999));
        let grant = Grant {
            role: Role::Viewer,
            offices: GrantedOffices::All,
            subject: None,
            ttl: "1s".parse().unwrap(),
        };
        let token = issuer.mint(&grant, &clock).unwrap();
        let body = URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).unwrap())
            .unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&json!(1000), &json!(1001))
        );
    }

    #[test]
    fn lives_run_from_a_second_to_an_hour() {
        for (good, seconds) in [
            ("1s", 1),
            ("60s", 60),
            ("10m", 600),
            ("1h", 3600),
            ("60m", 3600),
        ] {
            assert_eq!(good.parse::<Ttl>().unwrap().as_secs(), seconds, "{good}");
        }
        for bad in [
            "",
            "s",
            "0s",
            "60",
            "-1s",
            "1.5h",
            "2h",
            "61m",
            "3601s",
            "1d",
            "1h ",
            "９s",
            "99999999999999999999h",
        ] {
            assert!(bad.parse::<Ttl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn offices_are_a_star_or_codes() {
        for bad in ["", "ber,", "BER", "ber,*", "ber nyc"] {
            assert!(bad.parse::<GrantedOffices>().is_err(), "{bad}");
        }
    }
}
