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
    /// What the nodes of a cluster may call it: a node that says another name is another region's.
    pub region_names: Vec<String>,
    /// Every region there is.
    pub regions: Vec<RegionTag>,
    /// The region that keeps key, audit and event rows of writes to what belongs to no office.
    pub primary: RegionTag,
    /// How many connections.
    pub pools: PoolSizes,
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
            .field("region_names", &self.region_names)
            .field("regions", &self.regions)
            .field("primary", &self.primary)
            .field("pools", &self.pools)
            .field("application_name", &self.application_name)
            .field("max_clock_offset", &self.max_clock_offset)
            .finish()
    }
}

/// How many connections a process has at most, for each purpose. They are opened when they are first wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSizes {
    /// For transactions, one at a time.
    pub transactions: usize,
    /// For single-statement reads, many at once: so many for what each region has, and for what all have.
    pub reads: usize,
    /// For transactions that read a past moment.
    pub past: usize,
}

impl Default for PoolSizes {
    /// What a process takes of a database that nothing is known of.
    fn default() -> Self {
        Self {
            transactions: 20,
            reads: 2,
            past: 5,
        }
    }
}

impl PoolSizes {
    /// A process's part of what the nodes of its region can work on at once, which is four connections for each of their
    /// vCPUs (CockroachDB: connection pooling): half of it for transactions, a quarter each for shared reads and for reads
    /// of the past.
    #[must_use]
    pub fn of_database(vcpus: usize, instances: usize, regions: usize) -> Self {
        let part = 4 * vcpus / instances.max(1);
        Self {
            transactions: (part / 2).max(4),
            reads: (part / 4 / (regions + 1)).max(1),
            past: (part / 4).max(2),
        }
    }

    /// How many may be at work at once.
    #[must_use]
    pub fn total(self, regions: usize) -> u32 {
        let total = self.transactions + self.past + self.reads * (regions + 1);
        u32::try_from(total).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_its_part_of_the_regions_nodes() {
        let sizes = |vcpus, instances| {
            let sizes = PoolSizes::of_database(vcpus, instances, 3);
            (sizes.transactions, sizes.reads, sizes.past)
        };
        // Three nodes of 8 vCPUs: 96 connections for the region.
        assert_eq!(sizes(24, 1), (48, 6, 24));
        assert_eq!(sizes(24, 3), (16, 2, 8));
        assert_eq!(sizes(2, 4), (4, 1, 2), "enough to work with");
        assert_eq!(PoolSizes::of_database(24, 1, 3).total(3), 96);
        assert_eq!(PoolSizes::default().total(3), 33);
    }
}
