//! Sums of postings. Debit-positive, in 128 bits: no number of amounts overflows them.

use std::collections::BTreeMap;

use kernel::{
    AccountCode, AmountMinor, CurrencyCode, Date, Month, OfficeCode, Timestamp, money::OutOfRange,
};

/// Which postings count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First effective date of the turnover; what is before it makes the opening balance. `None`: from the beginning.
    pub from: Option<Date>,
    /// Last effective date. `None`: whatever is recorded.
    pub to: Option<Date>,
    /// Only what had been recorded by then.
    pub as_of: Option<Timestamp>,
}

impl Span {
    pub(crate) fn first(&self) -> Date {
        self.from.unwrap_or(Date::FIRST)
    }

    pub(crate) fn last(&self) -> Date {
        self.to.unwrap_or(Date::LAST)
    }

    /// Months of which a part is outside the span: their turnover as a whole says nothing.
    pub(crate) fn partial(&self) -> Vec<Month> {
        let (first, last) = (self.first(), self.last());
        let mut months = Vec::new();
        if first != first.month().first() {
            months.push(first.month());
        }
        if last != last.month().last() {
            months.push(last.month());
        }
        months
    }
}

/// One account of one office in one currency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) office: OfficeCode,
    pub(crate) currency: CurrencyCode,
    pub(crate) account: AccountCode,
}

/// What moved on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Turnover {
    /// Debits less credits before the span.
    pub(crate) opening: i128,
    pub(crate) debit: i128,
    pub(crate) credit: i128,
}

impl Turnover {
    /// Debits less credits up to the end of the span.
    pub(crate) fn closing(self) -> i128 {
        self.opening + self.debit - self.credit
    }
}

/// Sums over a span.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Balances(pub(crate) BTreeMap<Place, Turnover>);

impl Balances {
    /// Adds debits and credits of an account.
    pub(crate) fn add(&mut self, place: Place, is_before: bool, debit: i128, credit: i128) {
        let turnover = self.0.entry(place).or_default();
        if is_before {
            turnover.opening += debit - credit;
        } else {
            turnover.debit += debit;
            turnover.credit += credit;
        }
    }

    /// What an account of one office moved, in all currencies: an office has one.
    pub(crate) fn of(&self, account: &AccountCode) -> Turnover {
        let of_account = self.0.iter().filter(|(place, _)| place.account == *account);
        of_account.fold(Turnover::default(), |sum, (_, turnover)| Turnover {
            opening: sum.opening + turnover.opening,
            debit: sum.debit + turnover.debit,
            credit: sum.credit + turnover.credit,
        })
    }
}

/// One line of a trial balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialBalanceRow {
    /// The office.
    pub office: OfficeCode,
    /// Currency of the amounts.
    pub currency: CurrencyCode,
    /// The account.
    pub account: AccountCode,
    /// Debits less credits before `from`.
    pub opening: AmountMinor,
    /// Debits of the span.
    pub debit: AmountMinor,
    /// Credits of the span.
    pub credit: AmountMinor,
    /// Opening + debit − credit.
    pub closing: AmountMinor,
}

impl Balances {
    /// The lines, by office, currency and account, less those where nothing is and nothing moved.
    pub(crate) fn rows(&self) -> Result<Vec<TrialBalanceRow>, OutOfRange> {
        let shown = self
            .0
            .iter()
            .filter(|(_, turnover)| **turnover != Turnover::default());
        shown
            .map(|(place, turnover)| {
                Ok(TrialBalanceRow {
                    office: place.office.clone(),
                    currency: place.currency.clone(),
                    account: place.account.clone(),
                    opening: AmountMinor::from_wide(turnover.opening)?,
                    debit: AmountMinor::from_wide(turnover.debit)?,
                    credit: AmountMinor::from_wide(turnover.credit)?,
                    closing: AmountMinor::from_wide(turnover.closing())?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, to: &str) -> Span {
        Span {
            from: Some(from.parse().unwrap()),
            to: Some(to.parse().unwrap()),
            as_of: None,
        }
    }

    #[test]
    fn a_month_is_partial_where_a_day_of_it_is_outside() {
        let partial = |from, to| {
            let months = span(from, to).partial();
            months.iter().map(Month::to_string).collect::<Vec<_>>()
        };
        assert!(partial("2026-01-01", "2026-02-28").is_empty());
        assert_eq!(partial("2026-01-02", "2026-02-28"), ["2026-01"]);
        assert_eq!(partial("2026-01-01", "2024-02-28"), ["2024-02"]);
        assert_eq!(partial("2026-01-31", "2026-01-31"), ["2026-01"; 1]);
        assert!(Span::default().partial().is_empty());
    }

    #[test]
    fn hard_case_26_a_sum_beyond_the_bound_is_refused_and_never_wraps() {
        let place = Place {
            office: "ber".parse().unwrap(),
            currency: "EUR".parse().unwrap(),
            account: "1000".parse().unwrap(),
        };
        let mut balances = Balances::default();
        let most = i128::from(kernel::money::AMOUNT_MAX);
        for _ in 0..4096 {
            balances.add(place.clone(), true, most, 0);
        }
        assert_eq!(balances.of(&place.account).closing(), 4096 * most);
        assert_eq!(balances.rows(), Err(OutOfRange));
        balances.add(place, true, 0, 4095 * most);
        assert_eq!(
            balances.rows().unwrap()[0].opening.get(),
            kernel::money::AMOUNT_MAX
        );
    }
}
