//! `doctor`: what is not as it should be with a database.

use clap::{Args, builder::PossibleValuesParser};
use kernel::RegionTag;
use platform_db::doctor::CHECKS;

use super::{DatabaseArgs, PoolArgs};

pub(super) const HELP: &str = "\
Nothing is changed. What cannot be asked (no right to, no answer in time) is unknown, and fails only with --strict; ask
as the database's owner to learn most. What to do stands below what fails.

Examples:
  meridian doctor
  meridian doctor --json
  meridian doctor --check schema --check rights
  MERIDIAN_DATABASE_URL=postgres://root@eu1-a,eu1-b:26257/meridian meridian doctor --region eu1 --strict \\
    --instances 4 --connections 20 --database-vcpus 24

Exit codes: 0 nothing failed, 1 something failed or could not be examined, 2 wrong command line.";

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// The region whose servers connect by this URL [default: the primary one].
    #[arg(long, value_name = "TAG", env = "MERIDIAN_REGION")]
    pub(crate) region: Option<RegionTag>,
    #[command(flatten)]
    pub(crate) pools: PoolArgs,
    /// Make this check only; may be repeated [default: all].
    #[arg(long = "check", value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    pub(crate) checks: Vec<String>,
    /// Fail also when something is unknown.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print what was found as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(CHECKS.iter().map(|check| check.name))
}
