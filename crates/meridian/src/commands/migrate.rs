//! Brings a database up to date.

use world::{Progress, setup};

use super::{choose_tls, runtime};
use crate::{
    cli::MigrateArgs,
    database::{read_secret, regions, url_or_world},
    failure::Failure,
    print,
};

pub(crate) fn run(args: MigrateArgs) -> Result<(), Failure> {
    let url = url_or_world(&args.database)?;
    let topology = regions(args.database.regions.as_deref())?;
    let password = args
        .app_password_file
        .as_deref()
        .map(read_secret)
        .transpose()?;
    choose_tls();
    let password = password.as_ref().map(|password| password.expose().as_str());
    let progress = Progress::start();
    let work = setup::migrate(url.expose(), password, &topology, &progress);
    let report = runtime()?
        .block_on(work)
        .map_err(|error| Failure::of(&error))?;
    if args.json {
        let applied: Vec<_> = report
            .applied
            .iter()
            .map(
                |migration| serde_json::json!({"system": migration.system, "name": migration.name}),
            )
            .collect();
        print(&serde_json::json!({"applied": applied, "unchanged": report.unchanged}).to_string());
    } else {
        print(&format!(
            "applied {}, unchanged {}",
            report.applied.len(),
            report.unchanged
        ));
    }
    Ok(())
}
