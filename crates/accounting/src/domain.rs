//! Entries, accounts, months, balances: rules, pure.

pub(crate) mod entry;
pub(crate) mod period;
