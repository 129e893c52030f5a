//! Codes of the accounts that rules post to: every database has them from its first migration on.

use kernel::AccountCode;

macro_rules! chart {
    ($($(#[$doc:meta])* $name:ident $code:literal;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name() -> AccountCode {
                account($code)
            }
        )*

        /// Every code of this module.
        #[cfg(test)]
        const CODES: &[&str] = &[$($code),*];
    };
}

chart! {
    /// 1000 Bank.
    bank "1000";
    /// 1100 Receivables.
    receivables "1100";
    /// 1300 Inventory: moved by stock only.
    inventory "1300";
    /// 1350 In transit: moved by transfers only.
    in_transit "1350";
    /// 1390 Due from offices.
    due_from_offices "1390";
    /// 2050 Goods received, not invoiced.
    goods_received "2050";
    /// 2100 Sales tax.
    sales_tax "2100";
    /// 2200 Customer deposits.
    customer_deposits "2200";
    /// 2390 Due to offices.
    due_to_offices "2390";
    /// 3100 Opening balances.
    opening_balances "3100";
    /// 4000 Revenue.
    revenue "4000";
    /// 4900 Returns.
    returns "4900";
    /// 5000 Cost of goods sold.
    cost_of_goods "5000";
    /// 5900 Stock adjustments.
    stock_adjustments "5900";
}

#[expect(
    clippy::expect_used,
    reason = "a test parses every code that is passed here"
)]
fn account(code: &'static str) -> AccountCode {
    code.parse().expect("a code of the chart")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_a_code_and_the_first_migration_has_it() {
        let chart = include_str!("../../migrations/V0003__load_chart.sql");
        let loaded: BTreeSet<&str> = chart
            .lines()
            .filter_map(|line| line.trim().strip_prefix("('")?.get(..4))
            .collect();
        assert_eq!(CODES.iter().copied().collect::<BTreeSet<_>>(), loaded);
        for code in CODES {
            assert_eq!(account(code).as_str(), *code);
        }
    }
}
