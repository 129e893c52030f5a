//! Accounts of the chart.

use kernel::{AccountCode, OfficeCode, RegionTag, Reply, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::json_text;
use crate::domain::account::{Account, AccountStatus, AccountType, Side};

/// An account of the chart. It belongs to no office: `office` and `home_region` are null, and each office has a
/// balance of its own on it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountView {
    #[schema(value_type = String, example = "1300")]
    code: AccountCode,
    #[schema(example = "Inventory")]
    name: String,
    #[serde(rename = "type")]
    #[schema(value_type = AccountTypeName)]
    kind: AccountType,
    /// The side on which it usually stands. Amounts are debit-positive whatever it says.
    #[schema(value_type = SideName)]
    normal: Side,
    #[schema(value_type = AccountStatusName)]
    status: AccountStatus,
    #[schema(value_type = Option<String>)]
    office: Option<OfficeCode>,
    #[schema(value_type = Option<String>)]
    home_region: Option<RegionTag>,
    /// Rises by one with every write that changes what is shown.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        Self {
            code: account.code.clone(),
            name: account.name.clone(),
            kind: account.kind,
            normal: account.normal,
            status: account.status,
            office: None,
            home_region: None,
            version: account.version,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

impl AccountView {
    /// Path of an account.
    pub(crate) fn path(code: &AccountCode) -> String {
        format!("/v1/accounting/accounts/{code}")
    }

    /// The answer that shows a new account.
    pub(crate) fn created(&self) -> Reply {
        Reply {
            status: 201,
            location: Some(Self::path(&self.code)),
            version: Some(self.version),
            body: Some(json_text(self)),
            effect_ids: vec![self.code.to_string()],
        }
    }
}

/// What an account holds.
#[derive(Debug, ToSchema)]
#[schema(as = AccountType, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `AccountType` in the OpenAPI document"
)]
pub(crate) enum AccountTypeName {
    Asset,
    Liability,
    Equity,
    Revenue,
    Expense,
}

/// A side of an account.
#[derive(Debug, ToSchema)]
#[schema(as = AccountSide, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `Side` in the OpenAPI document"
)]
pub(crate) enum SideName {
    Debit,
    Credit,
}

/// Whether an account takes postings.
#[derive(Debug, ToSchema)]
#[schema(as = AccountStatus, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `AccountStatus` in the OpenAPI document"
)]
pub(crate) enum AccountStatusName {
    Active,
}
