//! What a process must say to open its database.

use std::{fmt, time::Duration};

use kernel::RegionTag;

/// Where the database is and what this process is to it.
#[derive(Clone)]
pub struct DbConfig {
    /// `postgres://…`, with the password. Never printed.
    pub url: String,
    /// The region of this process.
    pub region: RegionTag,
    /// Every region there is.
    pub regions: Vec<RegionTag>,
    /// The region that keeps key, audit and event rows of writes to what belongs to no office.
    pub primary: RegionTag,
    /// Connections for transactions.
    pub max_connections: usize,
    /// Connections that single-statement reads share.
    pub read_connections: usize,
    /// Shown by `pg_stat_activity`.
    pub application_name: String,
    /// How far two clocks of the deployment may differ.
    pub max_clock_offset: Duration,
}

impl fmt::Debug for DbConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbConfig")
            .field("url", &"…")
            .field("region", &self.region)
            .field("regions", &self.regions)
            .field("primary", &self.primary)
            .field("max_connections", &self.max_connections)
            .field("read_connections", &self.read_connections)
            .field("application_name", &self.application_name)
            .field("max_clock_offset", &self.max_clock_offset)
            .finish()
    }
}
