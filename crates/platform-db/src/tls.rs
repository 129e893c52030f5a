//! TLS to the database, by rustls. Where there is TLS, there is full verification: chain, host name, time.

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    client::WebPkiServerVerifier,
    crypto::ring,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use tokio_postgres::config::SslNegotiation;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::DbError;

/// What a database URL says of TLS.
#[derive(Debug)]
pub(crate) struct TlsOptions {
    pub(crate) mode: Option<String>,
    /// Certificates of those who may vouch for the server, or `system`.
    pub(crate) roots: Option<PathBuf>,
    /// Our own certificate, and those between it and its root.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) revoked: Option<PathBuf>,
}

impl TlsOptions {
    pub(crate) const NAMES: [&str; 5] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl"];

    /// Whether there is TLS. Modes that would verify less than all verify all the same; those that would do without, where
    /// the server (or who is in between) says so, are not pretended to.
    fn is_wanted(&self) -> Result<bool, DbError> {
        let files = [&self.roots, &self.certificate, &self.key, &self.revoked];
        match self.mode.as_deref() {
            None => Ok(files.iter().any(|file| file.is_some())),
            Some("disable") => Ok(false),
            Some("require" | "verify-ca" | "verify-full") => Ok(true),
            Some("allow" | "prefer") if self.roots.is_some() => Ok(true),
            Some("allow" | "prefer") => Err(wrong(
                "sslmode=allow and prefer verify nobody without sslrootcert: say disable, or verify-full",
            )),
            Some(_) => Err(wrong(
                "sslmode is none of disable, allow, prefer, require, verify-ca, verify-full",
            )),
        }
    }

    /// Reads the files; `None` is a plain connection.
    pub(crate) fn connector(
        &self,
        negotiation: SslNegotiation,
    ) -> Result<Option<MakeRustlsConnect>, DbError> {
        if !self.is_wanted()? {
            return Ok(None);
        }
        let provider = Arc::new(ring::default_provider());
        let mut verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(self.roots()?),
            Arc::clone(&provider),
        );
        if let Some(file) = &self.revoked {
            verifier = verifier.with_crls(read::<CertificateRevocationListDer<'static>>(
                "sslcrl", file,
            )?);
        }
        let verifier = verifier
            .build()
            .map_err(|error| wrong(&format!("what sslrootcert and sslcrl name: {error}")))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&error.to_string()))?
            .with_webpki_verifier(verifier);
        let mut config = match (&self.certificate, &self.key) {
            (None, None) => config.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = read::<CertificateDer<'static>>("sslcert", certificate)?;
                config
                    .with_client_auth_cert(chain, read_key(key)?)
                    .map_err(|error| unfit(key, certificate, &error))?
            }
            (Some(_), None) => return Err(wrong("sslcert is given without sslkey")),
            (None, Some(_)) => return Err(wrong("sslkey is given without sslcert")),
        };
        if negotiation == SslNegotiation::Direct {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(Some(MakeRustlsConnect::new(config)))
    }

    fn roots(&self) -> Result<RootCertStore, DbError> {
        let mut roots = RootCertStore::empty();
        match &self.roots {
            Some(file) if file != Path::new("system") => {
                for root in read::<CertificateDer<'static>>("sslrootcert", file)? {
                    roots.add(root).map_err(|error| {
                        wrong(&format!(
                            "sslrootcert: {} has no certificate that can be read: {error}",
                            file.display()
                        ))
                    })?;
                }
            }
            Some(_) | None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(wrong(
                        "this system has no root certificates: name a file with sslrootcert",
                    ));
                }
            }
        }
        Ok(roots)
    }
}

/// All that a PEM file has of a kind, at least one.
fn read<T: PemObject>(option: &str, file: &Path) -> Result<Vec<T>, DbError> {
    let told = |error: pem::Error| unreadable(option, file, &error);
    let found: Vec<T> = T::pem_file_iter(file)
        .map_err(told)?
        .collect::<Result<_, _>>()
        .map_err(told)?;
    if found.is_empty() {
        return Err(unreadable(option, file, &pem::Error::NoItemsFound));
    }
    Ok(found)
}

/// PKCS#8, PKCS#1 or SEC1. What the file says is never told, not even of an error.
fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, DbError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unreadable("sslkey", file, &error))
}

fn unreadable(option: &str, file: &Path, error: &pem::Error) -> DbError {
    let why = if let pem::Error::Io(error) = error {
        format!("cannot be read: {error}")
    } else if option == "sslkey" {
        "has no key in PEM that can be read (PKCS#8, PKCS#1 or SEC1, without a password)".into()
    } else {
        "is no PEM file of what it should hold".into()
    };
    wrong(&format!("{option}: {} {why}", file.display()))
}

fn unfit(key: &Path, certificate: &Path, error: &rustls::Error) -> DbError {
    let (key, certificate) = (key.display(), certificate.display());
    if matches!(error, rustls::Error::InconsistentKeys(_)) {
        wrong(&format!(
            "the key in {key} does not fit the certificate in {certificate}"
        ))
    } else {
        wrong(&format!("sslcert {certificate} with sslkey {key}: {error}"))
    }
}

fn wrong(what: &str) -> DbError {
    DbError::Config(format!("TLS to the database: {what}"))
}

/// What went wrong between rustls and the server, if it was that.
pub(crate) fn reason(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(reason_of(tls));
        }
        // An I/O error shows what it wraps itself, not as its source.
        cause = match error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn reason_of(error: &rustls::Error) -> String {
    if let rustls::Error::InvalidCertificate(why) = error {
        return format!("its certificate {}", distrust(why));
    }
    if let rustls::Error::InvalidCertRevocationList(why) = error {
        return format!(
            "its certificate is from an authority of which sslcrl has no list that fits ({why:?})"
        );
    }
    if let rustls::Error::AlertReceived(alert) = error {
        return format!("it does not take our TLS or our certificate: {alert:?}");
    }
    format!("TLS failed: {error}")
}

fn distrust(why: &CertificateError) -> String {
    use CertificateError as Why;
    // Authorities of two clusters often bear one name; then it is the signature that does not fit.
    let known = if matches!(why, Why::UnknownIssuer | Why::BadSignature) {
        "is from an authority that sslrootcert does not name"
    } else if matches!(
        why,
        Why::NotValidForName | Why::NotValidForNameContext { .. }
    ) {
        "is for another host name"
    } else if matches!(why, Why::Expired | Why::ExpiredContext { .. }) {
        "has expired"
    } else if matches!(why, Why::NotValidYet | Why::NotValidYetContext { .. }) {
        "is not valid yet"
    } else if matches!(why, Why::Revoked) {
        "was revoked"
    } else if matches!(why, Why::UnknownRevocationStatus) {
        "is from an authority of which sslcrl has no list that fits"
    } else {
        return format!("cannot be trusted: {why:?}");
    };
    known.into()
}
