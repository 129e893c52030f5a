//! `regions`: where tables live on CockroachDB.

use clap::{Args, Subcommand};

use super::DatabaseArgs;

pub(super) const HELP: &str = "\
The regions are those of the region files; the tables are declared by the systems. On PostgreSQL there is nothing to
place. `meridian migrate` runs the part of the plan that takes nothing away. Where nothing can be placed, say because
no node of the cluster is in one of the regions, the plan says so.

Examples:
  meridian regions plan
  meridian regions plan --sql > plan.sql
  meridian regions apply
  meridian regions apply --yes

Exit codes: 0 printed or done, 1 failed, hindered or not agreed to (what was run stays; run it again to go on), 2 wrong
command line.";

#[derive(Debug, Args)]
pub(crate) struct RegionsArgs {
    #[command(subcommand)]
    pub(crate) action: RegionsAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RegionsAction {
    /// Print the statements that would place the tables, and run none of them.
    Plan(PlanArgs),
    /// Run them, one by one; asks before those that take something away.
    Apply(ApplyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Print the plan as JSON.
    #[arg(long, conflicts_with = "sql")]
    pub(crate) json: bool,
    /// Print the plan as SQL, each statement below its reason.
    #[arg(long)]
    pub(crate) sql: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Do not ask before taking something away.
    #[arg(long)]
    pub(crate) yes: bool,
}
