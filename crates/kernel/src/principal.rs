//! Who asks, and what they may do (`api-and-domain` section 12).

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::OfficeCode;

/// A verified caller. Identity is (issuer, subject); rights are those of the token it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// `iss` of the token.
    pub issuer: String,
    /// `sub` of the token.
    pub subject: String,
    /// `scope` of the token, less what we do not know.
    pub scopes: BTreeSet<Scope>,
    /// `offices` of the token.
    pub offices: Offices,
}

impl Principal {
    /// Whether the token carries the scope.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// A principal with every scope and office, for tests of code that takes one.
    #[must_use]
    pub fn test(subject: &str) -> Self {
        Self {
            issuer: "https://issuer.test".into(),
            subject: subject.into(),
            scopes: Scope::ALL.iter().copied().collect(),
            offices: Offices::All,
        }
    }
}

/// The offices whose data a principal may see and change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offices {
    /// `*`.
    All,
    /// These only.
    Some(BTreeSet<OfficeCode>),
}

impl Offices {
    /// Whether `office` is among them.
    #[must_use]
    pub fn allow(&self, office: &OfficeCode) -> bool {
        match self {
            Self::All => true,
            Self::Some(offices) => offices.contains(office),
        }
    }
}

macro_rules! scopes {
    ($($name:ident $text:literal,)*) => {
        /// One right of a token.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope { $(#[doc = concat!("`", $text, "`")] $name,)* }

        impl Scope {
            /// Every scope there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As written in tokens.
            #[must_use]
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => $text,)* } }
        }
    };
}

scopes! {
    OfficesRead "offices:read",
    OfficesWrite "offices:write",
    WarehouseRead "warehouse:read",
    WarehouseWrite "warehouse:write",
    SalesRead "sales:read",
    SalesWrite "sales:write",
    AccountingRead "accounting:read",
    AccountingPost "accounting:post",
    AccountingAdmin "accounting:admin",
    ReportsRead "reports:read",
    EventsRead "events:read",
    AuditRead "audit:read",
    OpsAdmin "ops:admin",
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not a scope or a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not one of {0}")]
pub struct UnknownName(String);

impl FromStr for Scope {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .iter()
            .copied()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| {
                UnknownName(
                    Self::ALL
                        .iter()
                        .map(|s| s.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                )
            })
    }
}

/// A preset of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All reads but the audit log.
    Viewer,
    /// Reads, and writes in the warehouse and in sales.
    Clerk,
    /// Reads, all of accounting, the audit log.
    Accountant,
    /// Everything but operations.
    Manager,
    /// All reads, the audit log, operations.
    Operator,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 5] = [
        Self::Viewer,
        Self::Clerk,
        Self::Accountant,
        Self::Manager,
        Self::Operator,
    ];

    /// As written on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Clerk => "clerk",
            Self::Accountant => "accountant",
            Self::Manager => "manager",
            Self::Operator => "operator",
        }
    }

    /// The scopes that the role has.
    #[must_use]
    pub fn scopes(self) -> BTreeSet<Scope> {
        use Scope as S;
        let reads = [
            S::OfficesRead,
            S::WarehouseRead,
            S::SalesRead,
            S::AccountingRead,
            S::ReportsRead,
            S::EventsRead,
        ];
        let more: &[Scope] = match self {
            Self::Viewer => &[],
            Self::Clerk => &[S::WarehouseWrite, S::SalesWrite],
            Self::Accountant => &[S::AccountingPost, S::AccountingAdmin, S::AuditRead],
            Self::Manager => {
                return S::ALL
                    .iter()
                    .copied()
                    .filter(|scope| *scope != S::OpsAdmin)
                    .collect();
            }
            Self::Operator => &[S::AuditRead, S::OpsAdmin],
        };
        reads.iter().chain(more).copied().collect()
    }
}

impl FromStr for Role {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownName(Self::ALL.map(Self::as_str).join(", ")))
    }
}
