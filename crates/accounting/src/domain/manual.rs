//! Entries that people post, and what they may not say.

use std::collections::BTreeSet;

use kernel::{
    AccountCode, AmountMinor, CurrencyCode, Date, FieldError, Invalid, Month, OfficeCode,
};

/// Postings that one entry may have.
pub(crate) const POSTINGS_MAX: usize = 500;

/// Accounts that only stock and transfers move, so that they equal the value of what lies there (invariant I2).
const CONTROLLED: [&str; 2] = ["1300", "1350"];

/// An entry as a person posts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManualEntry {
    pub(crate) office: OfficeCode,
    pub(crate) currency: CurrencyCode,
    pub(crate) description: String,
    /// `None`: today.
    pub(crate) effective_date: Option<Date>,
    pub(crate) postings: Vec<ManualPosting>,
}

/// A posting as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManualPosting {
    pub(crate) debit: AccountCode,
    pub(crate) credit: AccountCode,
    /// 1 or more.
    pub(crate) amount: AmountMinor,
    pub(crate) memo: Option<String>,
}

/// Which rule a manual entry breaks, with every place where it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("an account does not exist")]
    AccountUnknown(Invalid),
    #[error("the currency is not the office's")]
    CurrencyMismatch(Invalid),
    #[error("a posting names one account twice")]
    SameAccount(Invalid),
    #[error("an account is moved by other systems only")]
    ControlledAccount(Invalid),
}

impl ManualEntry {
    /// The month that the entry falls into, if it says so.
    pub(crate) fn month(&self) -> Option<Month> {
        self.effective_date.map(Date::month)
    }

    /// Every account that the entry names.
    pub(crate) fn accounts(&self) -> BTreeSet<AccountCode> {
        self.postings
            .iter()
            .flat_map(|posting| [posting.debit.clone(), posting.credit.clone()])
            .collect()
    }

    /// Checks the entry against the chart and the currency of its office. Of several rules, the first in the order
    /// of [`Broken`] is named.
    pub(crate) fn check(
        &self,
        currency: &CurrencyCode,
        chart: &BTreeSet<AccountCode>,
    ) -> Result<(), Broken> {
        let mut unknown = Invalid::default();
        for (index, posting) in self.postings.iter().enumerate() {
            for (side, account) in [("debit", &posting.debit), ("credit", &posting.credit)] {
                if !chart.contains(account) {
                    let detail = format!("names the account {account}, which does not exist");
                    unknown
                        .errors
                        .push(fault(index, side, "account_unknown", detail));
                }
            }
        }
        if !unknown.errors.is_empty() {
            return Err(Broken::AccountUnknown(unknown));
        }
        if self.currency != *currency {
            let detail = format!("must be {currency}, the currency of the office");
            let invalid = Invalid::one("/currency", "currency_mismatch", detail);
            return Err(Broken::CurrencyMismatch(invalid));
        }
        let pairs = self.postings.iter().enumerate();
        let pairs =
            pairs.map(|(index, posting)| (index, Some(&posting.debit), Some(&posting.credit)));
        let faults = faults(pairs);
        let of = |code: &str| Invalid {
            errors: faults
                .iter()
                .filter(|fault| fault.code == code)
                .cloned()
                .collect(),
        };
        let (same, controlled) = (of("same_account"), of("controlled_account"));
        if !same.errors.is_empty() {
            return Err(Broken::SameAccount(same));
        }
        if !controlled.errors.is_empty() {
            return Err(Broken::ControlledAccount(controlled));
        }
        Ok(())
    }
}

/// What is wrong with the accounts of postings whatever the chart says: index, debit and credit of each, as far as
/// they could be read.
pub(crate) fn faults<'a>(
    postings: impl Iterator<Item = (usize, Option<&'a AccountCode>, Option<&'a AccountCode>)>,
) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for (index, debit, credit) in postings {
        if debit.is_some() && debit == credit {
            let detail = "must be another account than the one debited".to_owned();
            faults.push(fault(index, "credit", "same_account", detail));
        }
        for (side, account) in [("debit", debit), ("credit", credit)] {
            let Some(account) = account else { continue };
            if CONTROLLED.contains(&account.as_str()) {
                let detail = format!("must not be {account}, which only stock and transfers move");
                faults.push(fault(index, side, "controlled_account", detail));
            }
        }
    }
    faults
}

fn fault(index: usize, member: &str, code: &'static str, detail: String) -> FieldError {
    FieldError {
        pointer: format!("/postings/{index}/{member}"),
        code,
        detail,
    }
}
