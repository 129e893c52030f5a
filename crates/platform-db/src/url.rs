//! What a database URL says: who and where in the driver's own options, and TLS, which the driver leaves to others.

use std::{fmt, path::PathBuf, str::FromStr as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{DbError, tls::TlsOptions};

/// Options that the driver understands itself.
const DRIVERS: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// Options that have their meaning elsewhere, each with what to do instead.
const REFUSED: [(&str, &str); 2] = [
    (
        "sslpassword",
        "a key that has a password cannot be read: write it without one (openssl pkey), readable to the service alone",
    ),
    ("sslcrldir", "name one file of revocations with sslcrl"),
];

const PREFIXES: [&str; 2] = ["postgres://", "postgresql://"];

/// What stands for itself in a part of a URL. More than needed is encoded, which changes nothing.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b',');

/// A database URL: `postgres://user:password@host:26257,other:26257/database?sslmode=verify-full&sslrootcert=ca.crt`, or
/// the same as words, `host=… port=… user=…`. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    form: Form,
    /// Decoded.
    options: Vec<(String, String)>,
}

#[derive(Clone, PartialEq, Eq)]
enum Form {
    /// As written, but for what follows the question mark.
    Url {
        prefix: &'static str,
        credentials: Option<String>,
        hosts: String,
        database: String,
    },
    Words,
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

impl DatabaseUrl {
    /// Reads a URL; opens nothing.
    ///
    /// # Errors
    /// [`DbError::Config`], which names the option that is wrong and never a value.
    pub fn parse(text: &str) -> Result<Self, DbError> {
        let text = text.trim();
        let prefix = PREFIXES.into_iter().find(|p| text.starts_with(p));
        let url = match prefix {
            Some(prefix) => Self::parse_url(prefix, &text[prefix.len()..])?,
            None if text.is_empty() || text.contains("://") => {
                return Err(wrong("it does not begin with postgres://"));
            }
            None => Self {
                form: Form::Words,
                options: words(text)?,
            },
        };
        for (name, _) in &url.options {
            check_name(name)?;
        }
        url.driver()?;
        Ok(url)
    }

    /// User and password end at the first `@`, unless a `/` or `?` that begins something else comes before it.
    fn parse_url(prefix: &'static str, rest: &str) -> Result<Self, DbError> {
        let at = rest.find('@').filter(|at| !rest[..*at].contains('/'));
        let (credentials, rest) = match at {
            Some(at) => (Some(rest[..at].to_owned()), &rest[at + 1..]),
            None => (None, rest),
        };
        let (front, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = front.split_once('/').unwrap_or((front, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let options = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        Ok(Self {
            options: options.collect::<Result<_, DbError>>()?,
            form: Form::Url {
                prefix,
                credentials,
                hosts: hosts.to_owned(),
                database: database.to_owned(),
            },
        })
    }

    /// The same place as another user, who shows no certificate of the first one's.
    #[must_use]
    pub fn with_user(mut self, user: &str, password: Option<&str>) -> Self {
        let gone = ["user", "password", "sslcert", "sslkey"];
        self.options.retain(|(name, _)| !gone.contains(&&**name));
        match &mut self.form {
            Form::Url { credentials, .. } => {
                let password = password.map(|text| format!(":{}", encoded(text)));
                *credentials = Some(encoded(user) + &password.unwrap_or_default());
            }
            Form::Words => {
                self.options.push(("user".into(), user.into()));
                let password = password.map(|text| ("password".into(), text.into()));
                self.options.extend(password);
            }
        }
        self
    }

    /// Another database at the same place.
    #[must_use]
    pub fn with_database(mut self, name: &str) -> Self {
        self.options.retain(|(option, _)| option != "dbname");
        match &mut self.form {
            Form::Url { database, .. } => *database = encoded(name),
            Form::Words => self.options.push(("dbname".into(), name.into())),
        }
        self
    }

    /// The password in it.
    #[must_use]
    pub fn password(&self) -> Option<String> {
        let driver = self.driver().ok()?;
        let password = driver.get_password()?;
        Some(String::from_utf8_lossy(password).into_owned())
    }

    /// Whether the database asks whoever comes for a password or a certificate.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        let tls = self.option("sslmode").is_some_and(|mode| mode != "disable");
        tls || self.password().is_some()
    }

    /// The URL as text, with its secrets.
    #[must_use]
    pub fn expose(&self) -> String {
        self.written(|_| true)
    }

    /// What the driver understands of it. It knows nothing of TLS.
    pub(crate) fn driver(&self) -> Result<tokio_postgres::Config, DbError> {
        let text = self.written(|name| DRIVERS.contains(&name));
        let config = tokio_postgres::Config::from_str(&text).map_err(|error| {
            // Of the cause only what names an option: never a value.
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            wrong(&cause.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(wrong("it names no host"));
        }
        Ok(config)
    }

    /// What it says of TLS.
    pub(crate) fn tls(&self) -> TlsOptions {
        let file = |name| self.option(name).map(PathBuf::from);
        TlsOptions {
            mode: self.option("sslmode").map(str::to_owned),
            roots: file("sslrootcert"),
            certificate: file("sslcert"),
            key: file("sslkey"),
            revoked: file("sslcrl"),
        }
    }

    /// Of an option that is given twice the last one counts.
    fn option(&self, wanted: &str) -> Option<&str> {
        let mut given = self.options.iter().rev();
        let (_, value) = given.find(|(name, _)| name == wanted)?;
        Some(value)
    }

    fn written(&self, wanted: impl Fn(&str) -> bool) -> String {
        let options = self.options.iter().filter(|(name, _)| wanted(name));
        match &self.form {
            Form::Url {
                prefix,
                credentials,
                hosts,
                database,
            } => {
                let credentials = credentials.as_ref().map(|text| format!("{text}@"));
                let mut text = format!(
                    "{prefix}{}{hosts}/{database}",
                    credentials.unwrap_or_default()
                );
                for (n, (name, value)) in options.enumerate() {
                    text.push(if n == 0 { '?' } else { '&' });
                    text.push_str(&format!("{}={}", encoded(name), encoded(value)));
                }
                text
            }
            Form::Words => {
                let word = |(name, value): &(String, String)| {
                    let value = value.replace('\\', "\\\\").replace('\'', "\\'");
                    format!("{name}='{value}'")
                };
                options.map(word).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// A name that looks like one is told; anything else may be a part of a password.
fn check_name(name: &str) -> Result<(), DbError> {
    if DRIVERS.contains(&name) || TlsOptions::NAMES.contains(&name) {
        return Ok(());
    }
    if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Err(wrong(&format!("{name}: {instead}")));
    }
    let is_name =
        (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    Err(if is_name {
        wrong(&format!("it has an option that is not known: {name}"))
    } else {
        wrong(
            "it has an option that is not known; is a special character of a password not encoded?",
        )
    })
}

/// `name=value name='va lue'`, with backslashes before quotes and backslashes.
fn words(text: &str) -> Result<Vec<(String, String)>, DbError> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, behind) = rest
            .split_once('=')
            .ok_or_else(|| wrong("it is neither a URL nor a list of name=value"))?;
        let (value, behind) = value(behind.trim_start())?;
        found.push((name.trim_end().to_owned(), value));
        rest = behind.trim_start();
    }
    Ok(found)
}

/// The value at the beginning of `text`, and what is behind it.
fn value(text: &str) -> Result<(String, &str), DbError> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut letters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            _ if !quoted && letter.is_whitespace() => return Ok((value, &text[at..])),
            _ => value.push(letter),
        }
    }
    if quoted {
        return Err(wrong("a quote is not closed"));
    }
    Ok((value, ""))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn decoded(text: &str) -> Result<String, DbError> {
    let text = percent_decode_str(text).decode_utf8();
    Ok(text
        .map_err(|_| wrong("what is encoded in it is no text"))?
        .into_owned())
}

fn wrong(what: &str) -> DbError {
    DbError::Config(format!(
        "the URL is not one such as postgres://user:password@host:5432/database ({what})"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_postgres::config::Host;

    use super::*;

    fn parsed(text: &str) -> DatabaseUrl {
        DatabaseUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refused(text: &str) -> String {
        match DatabaseUrl::parse(text) {
            Err(DbError::Config(message)) => message,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_the_driver_knows_of_a_cluster_and_what_rustls_is_told() {
        let text = "postgresql://app:p%40ss%2F@h1:26257,[::1]:26258,h3/db%20x?sslmode=verify-full\
                    &sslrootcert=%2Fcerts%2Fa%40b.crt&application_name=x&options=-c%20a%3Db&sslcert=c.crt&sslkey=c.key";
        for url in [parsed(text), parsed(&parsed(text).expose())] {
            let driver = url.driver().unwrap();
            let hosts = ["h1", "::1", "h3"].map(|host| Host::Tcp(host.into()));
            assert_eq!(driver.get_hosts(), hosts);
            assert_eq!(driver.get_ports(), [26257, 26258, 5432]);
            assert_eq!(driver.get_password(), Some(&b"p@ss/"[..]));
            assert_eq!(driver.get_dbname(), Some("db x"));
            assert_eq!(driver.get_options(), Some("-c a=b"));
            let tls = url.tls();
            assert_eq!(tls.mode.as_deref(), Some("verify-full"));
            assert_eq!(tls.roots, Some("/certs/a@b.crt".into()));
            assert_eq!(tls.certificate, Some("c.crt".into()));
            assert_eq!(tls.key, Some("c.key".into()));
        }
    }

    #[test]
    fn words_and_sockets_are_understood_as_well() {
        let url = parsed(
            r"host=h1,h2 port=26257 user=app password='a b\'c\\' dbname=db sslrootcert=system",
        );
        let driver = url.driver().unwrap();
        assert_eq!(driver.get_hosts().len(), 2);
        assert_eq!(driver.get_password(), Some(&br"a b'c\"[..]));
        assert_eq!(url.tls().roots, Some("system".into()));
        for socket in [
            "postgres://app@%2Fvar%2Frun/db",
            "postgres:///db?host=/var/run&user=app",
            "host=/var/run user=app dbname=db",
        ] {
            let driver = parsed(socket).driver().unwrap();
            assert_eq!(
                driver.get_hosts(),
                [Host::Unix("/var/run".into())],
                "{socket}"
            );
            assert_eq!(driver.get_user(), Some("app"));
        }
        // An @ behind the question mark ends no password.
        let file = parsed("postgres://h/db?sslrootcert=/a@b").tls().roots;
        assert_eq!(file, Some("/a@b".into()));
    }

    #[test]
    fn what_cannot_be_used_is_named_without_a_secret() {
        for (text, told) in [
            (
                "postgres://u:hunter2@h/d?pool_max_conns=5",
                "pool_max_conns",
            ),
            (
                "postgres://u:hunter2@h/d?sslpassword=hunter2",
                "sslpassword",
            ),
            ("postgres://u:hunter2@h/d?sslcrldir=/x", "sslcrl"),
            ("postgres://u:hunter2@h:nonsense/d", "port"),
            ("postgres://u:hunter2@h/d?hunter2!", "encoded"),
            ("host=h password=my hunter2!=x", "encoded"),
            ("host=h password='hunter2", "quote"),
            ("hunter2", "name=value"),
            ("https://u:hunter2@h/d", "postgres://"),
            ("postgres://u:hunter2@/d", "host"),
            ("postgres://u:hunter2@h/%ff", "utf-8"),
            ("", "postgres://"),
        ] {
            let message = refused(text);
            assert!(message.contains(told), "{text}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        assert!(!format!("{:?}", parsed("postgres://u:hunter2@h/d")).contains("hunter2"));
    }

    #[test]
    fn another_user_shows_no_certificate_of_the_first() {
        let owner = "postgres://root@h1,h2:26257/db?sslmode=verify-full&sslcert=root.crt&sslkey=root.key&sslrootcert=ca.crt";
        let app = parsed(owner).with_user("app", Some("s/e@cret"));
        assert_eq!(
            app.expose(),
            "postgres://app:s%2Fe%40cret@h1,h2:26257/db?sslmode=verify-full&sslrootcert=ca.crt"
        );
    }

    proptest! {
        /// Whatever user, password and database are, both forms carry them unchanged.
        #[test]
        fn who_and_what_survive_being_written(user in "\\PC{1,12}", password in "\\PC{1,12}", name in "\\PC{1,12}") {
            for place in ["postgres://h1,h2:26257", "host=h1,h2 port=26257"] {
                let url = parsed(place).with_user(&user, Some(&password)).with_database(&name);
                let driver = parsed(&url.expose()).driver().unwrap();
                prop_assert_eq!(driver.get_user(), Some(&*user));
                prop_assert_eq!(driver.get_password(), Some(password.as_bytes()));
                prop_assert_eq!(driver.get_dbname(), Some(&*name));
                prop_assert_eq!(driver.get_hosts().len(), 2);
            }
        }
    }
}
