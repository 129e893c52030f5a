//! What can go wrong below an operation, and what an operation may say for itself.
//!
//! A [`DbError`] keeps its SQLSTATE until the runner has seen it: nobody turns it into another error on the way.

use std::{error::Error, sync::Arc};

use kernel::{Common, Invalid};

type Source = Arc<dyn Error + Send + Sync>;

/// A statement, a connection or a row did not give what was wanted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// The database answered a statement with an error.
    #[error("the database answered {code}")]
    Sql {
        /// SQLSTATE.
        code: String,
        /// The constraint that was broken, if one was.
        constraint: Option<String>,
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// The connection broke; what was under way on it has an unknown end.
    #[error("the connection to the database was lost")]
    Lost {
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// No connection could be had.
    #[error("could not connect to the database")]
    Connect {
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// The database lets nobody in who says what we say: the user, the password, the certificate or the database's name
    /// is wrong. Trying again, or elsewhere, would not help.
    #[error("the database refuses who or what we ask for")]
    Denied {
        /// What it said.
        #[source]
        source: Source,
    },
    /// No answer by the deadline.
    #[error("the database did not answer in time")]
    Timeout,
    /// A column is missing, or of another type.
    #[error("could not read column {column}")]
    Decode {
        /// Name of the column.
        column: String,
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// A statement that always gives a row gave none.
    #[error("a row was expected")]
    NoRow,
    /// A statement that does not say where its moment goes was to read one row at a past one.
    #[error("the statement does not read one row at a past moment")]
    NotOneRow,
    /// A parameter has another type than the statement wants, or the driver met something it does not know.
    #[error("the database driver failed")]
    Driver {
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// The configuration cannot be used.
    #[error("database configuration: {0}")]
    Config(String),
}

impl DbError {
    /// SQLSTATE, if the database answered with one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        let Self::Sql { code, .. } = self else {
            return None;
        };
        Some(code)
    }

    /// What the database said, if it answered.
    pub(crate) fn message(&self) -> Option<&str> {
        let Self::Sql { source, .. } = self else {
            return None;
        };
        let error = source.downcast_ref::<tokio_postgres::Error>()?;
        Some(error.as_db_error()?.message())
    }

    /// Name of the constraint that was broken, if one was.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        let Self::Sql { constraint, .. } = self else {
            return None;
        };
        constraint.as_deref()
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            return Self::Sql {
                code: db.code().code().to_owned(),
                constraint: db.constraint().map(str::to_owned),
                source: Arc::new(error),
            };
        }
        let broken = error.is_closed()
            || error
                .source()
                .is_some_and(|source| source.is::<std::io::Error>());
        if broken {
            Self::Lost {
                source: Arc::new(error),
            }
        } else {
            Self::Driver {
                source: Arc::new(error),
            }
        }
    }
}

/// The refusals of one operation: an enum whose fields carry the facts.
///
/// Not implemented by anything of this crate but [`Never`], so that `?` lifts both refusals and database errors.
pub trait Refusal: Error + Send + Sync + Sized + 'static {
    /// What it means that the constraint `name` was broken (SQLSTATE 23505, 23503, 23514), if it can happen.
    ///
    /// Asked only when the row in the way is certainly not that of a twin of the same write.
    fn from_constraint(_name: &str) -> Option<Self> {
        None
    }
}

/// The refusals of an operation that has none.
pub type Never = std::convert::Infallible;

impl Refusal for Never {}

/// How the closure of a write ends without a reply.
#[derive(Debug)]
pub enum TxError<E> {
    /// The operation's own rules say no.
    Refused(E),
    /// One of the shared rules says no.
    Common(Common),
    /// The database says no.
    Db(DbError),
}

impl<E: Refusal> From<E> for TxError<E> {
    fn from(refusal: E) -> Self {
        Self::Refused(refusal)
    }
}

impl<E> From<DbError> for TxError<E> {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl<E> From<Common> for TxError<E> {
    fn from(common: Common) -> Self {
        Self::Common(common)
    }
}

impl<E> From<Invalid> for TxError<E> {
    fn from(invalid: Invalid) -> Self {
        Self::Common(Common::Invalid(invalid))
    }
}

/// Why the schema is not one that this program may serve.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer program migrated it.
    #[error("schema {system} has version {found}; this program knows versions up to {known}")]
    Unknown {
        /// The system whose schema it is.
        system: &'static str,
        /// Version found in the database.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// It was not migrated yet.
    #[error(
        "schema {system} has version {found}; this program needs {known}: run `meridian migrate`"
    )]
    Behind {
        /// The system whose schema it is.
        system: &'static str,
        /// Version found in the database, 0 when there is none.
        found: i64,
        /// Version needed.
        known: i64,
    },
    /// It could not be read.
    #[error("could not read the schema versions")]
    Db(#[from] DbError),
}
