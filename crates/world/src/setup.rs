//! Bringing a database up to date: schemas, the services' role, the offices of `regions/offices.yaml`.

use std::time::Duration;

use kernel::Clock;
use platform_db::{
    DatabaseUrl, Db, DbConfig, MigrateError, MigrateReport, Migrations, PoolSizes,
    placement::{self, Applied, Extent, Goal, Plan, Site},
};
use prometheus_client::registry::Registry;
use topology::Topology;

use crate::progress::Progress;

/// Why a database is not fit to serve.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A migration.
    #[error("{}", with_causes(.0))]
    Migrate(#[from] MigrateError),
    /// The database cannot be opened.
    #[error("{}", with_causes(.0))]
    Db(#[from] platform_db::DbError),
    /// The offices.
    #[error("{}", with_causes(.0))]
    Offices(#[from] hub::LoadError),
}

/// Every schema that a server of this build uses, in the order in which they are migrated.
#[must_use]
pub fn systems() -> [&'static Migrations; 4] {
    [
        platform_db::migrations(),
        accounting::migrations(),
        warehouse::migrations(),
        sales::migrations(),
    ]
}

/// Every statement that these systems send.
#[must_use]
pub fn statements() -> Vec<&'static str> {
    [
        platform_db::statements(),
        accounting::statements(),
        warehouse::statements(),
        sales::statements(),
    ]
    .concat()
}

/// The role that services connect as; `migrate` makes it, with the least rights.
const APP_ROLE: &str = "meridian_app";

/// The services' URL: the owner's, with their own role. Without a password the server trusts whoever connects.
///
/// # Errors
/// [`SetupError::Db`].
pub fn app_url(owner_url: &str, password: Option<&str>) -> Result<String, SetupError> {
    let owner = DatabaseUrl::parse(owner_url)?;
    Ok(owner.with_user(APP_ROLE, password).expose())
}

/// Makes the database that the URL names, if it is not there. Whether it was made.
///
/// # Errors
/// [`SetupError`].
pub async fn create_database(owner_url: &str) -> Result<bool, SetupError> {
    Ok(platform_db::create_database(owner_url).await?)
}

/// Applies what is missing, gives the services' role its rights and this password, places the tables as far as that
/// takes nothing away, loads the offices that the topology names and the database does not have.
///
/// # Errors
/// [`SetupError`].
pub async fn migrate(
    owner_url: &str,
    app_password: Option<&str>,
    topology: &Topology,
    progress: &Progress,
) -> Result<MigrateReport, SetupError> {
    let tell = |line: &str| progress.step(line);
    let report = platform_db::migrate(owner_url, &systems(), app_password, tell).await?;
    // A new region's rows are refused until the tables know it, and its offices come next.
    place(owner_url, topology, Extent::Grow, progress).await?;
    let db = open(owner_url, topology)?;
    let opened = hub::load_offices(&db, topology).await?;
    if opened > 0 {
        progress.step(&format!("loaded {opened} offices"));
    }
    let indexed = hub::index_missing(&db).await?;
    if indexed > 0 {
        progress.step(&format!("made {indexed} resources findable"));
    }
    Ok(report)
}

/// The regions of the topology, with the names that a cluster may have for them.
#[must_use]
pub fn sites(topology: &Topology) -> Vec<Site> {
    let regions = topology.regions().iter();
    regions
        .map(|region| Site {
            tag: region.tag.clone(),
            names: region.cluster_names(),
        })
        .collect()
}

/// The statements that would place the tables in the regions of the topology. None on PostgreSQL, where there is
/// nothing to place.
///
/// # Errors
/// [`SetupError`].
pub async fn placement(owner_url: &str, topology: &Topology) -> Result<Option<Plan>, SetupError> {
    let goal = Goal::new(&systems(), sites(topology), Extent::Whole);
    let found = placement::read(owner_url, &goal).await?;
    Ok(found.map(|found| placement::plan(&found, &goal)))
}

/// Runs them, and tells why no table is placed where none is.
///
/// # Errors
/// [`SetupError`].
pub async fn place(
    owner_url: &str,
    topology: &Topology,
    extent: Extent,
    progress: &Progress,
) -> Result<Applied, SetupError> {
    let goal = Goal::new(&systems(), sites(topology), extent);
    let tell = |line: &str| progress.step(line);
    let applied = placement::apply(owner_url, &goal, tell).await?;
    if let Some(hindrance) = &applied.hindrance {
        tracing::warn!(%hindrance, "placement.hindered");
        progress.step(&format!("warning: {hindrance}"));
    }
    Ok(applied)
}

/// A handle for the work of one subcommand, in the primary region.
pub(crate) fn open(url: &str, topology: &Topology) -> Result<Db, platform_db::DbError> {
    let primary = topology.primary().tag.clone();
    let config = DbConfig {
        url: url.to_owned(),
        region: primary.clone(),
        region_names: topology.primary().cluster_names(),
        regions: topology.tags(),
        primary,
        pools: PoolSizes {
            transactions: 4,
            reads: 1,
            past: 1,
        },
        application_name: "meridian".into(),
        max_clock_offset: Duration::from_millis(500),
    };
    Db::open(config, Clock::System, &mut Registry::default())
}

/// An error and what caused it, on one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |line, cause| {
        let cause = cause.to_string();
        if line.contains(&cause) {
            line
        } else {
            format!("{line}: {cause}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_a_role_of_their_own_at_the_same_place() {
        let owner = "postgres://meridian:a%40b@127.0.0.1:5433/meridian?sslmode=require";
        assert_eq!(
            app_url(owner, Some("secret")).unwrap(),
            "postgres://meridian_app:secret@127.0.0.1:5433/meridian?sslmode=require"
        );
        assert_eq!(
            app_url("postgresql://root@localhost:26257/defaultdb", None).unwrap(),
            "postgresql://meridian_app@localhost:26257/defaultdb"
        );
    }

    #[test]
    fn what_is_no_database_url_is_told_so_without_showing_it() {
        for bad in [
            "",
            "localhost:5432",
            "mysql://a:hunter2@b/c",
            "postgres:hunter2",
        ] {
            let message = app_url(bad, None).unwrap_err().to_string();
            assert!(
                message.contains("postgres://user:password@host"),
                "{message}"
            );
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
