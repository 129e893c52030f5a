//! What accounting needs to run.

use kernel::{AccountCode, Order};
use platform_db::{Cached, Db, Directory};

use crate::{
    domain::account::Account,
    ops::read_accounts::{ACCOUNTS, CHART},
};

/// Accounting's state: cheap to clone, no globals.
#[derive(Debug, Clone)]
pub struct App {
    /// The one database.
    pub db: Db,
    /// Home regions of the offices.
    pub directory: Directory,
    /// Accounts, for those who look at one.
    pub(crate) accounts: Cached<AccountCode, Option<Account>>,
    /// First pages of the whole chart.
    pub(crate) chart: Cached<(u16, Order), Vec<Account>>,
}

impl App {
    /// Accounting over this database.
    #[must_use]
    pub fn new(db: Db, directory: Directory) -> Self {
        Self {
            accounts: Cached::new(&db, &ACCOUNTS),
            chart: Cached::new(&db, &CHART),
            db,
            directory,
        }
    }
}
