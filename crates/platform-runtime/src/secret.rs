//! Values that no log, error or configuration dump may show.

use std::{convert::Infallible, fmt, str::FromStr};

const REDACTED: &str = "[redacted]";

/// A value that is shown only where [`Secret::expose`] is written.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides `value`.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    #[must_use]
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl FromStr for Secret<String> {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> serde::Serialize for Secret<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Secret<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Serialize)]
    struct Config {
        user: &'static str,
        password: Secret<String>,
    }

    #[test]
    fn a_secret_is_not_shown_wherever_it_sits() {
        let config = Config {
            user: "ada",
            password: "hunter2".parse().unwrap(),
        };
        let shown = format!(
            "{config:?} {config:#?} {}",
            serde_json::to_string(&config).unwrap()
        );
        assert!(shown.contains("ada") && shown.contains(REDACTED));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(config.password.expose(), "hunter2");
        assert_eq!(config.user, "ada");
    }
}
