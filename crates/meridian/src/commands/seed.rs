//! Loads something to look at.

use world::{
    Progress,
    seed::{self, Catalogue},
};

use super::{choose_tls, runtime};
use crate::{
    cli::SeedArgs,
    database::{regions, url_or_world},
    failure::Failure,
    print,
};

pub(crate) fn run(args: SeedArgs) -> Result<(), Failure> {
    let url = url_or_world(&args.database)?;
    let topology = regions(args.database.regions.as_deref())?;
    choose_tls();
    let catalogue = Catalogue {
        items: args.items,
        seed: args.seed,
    };
    let progress = Progress::start();
    let work = seed::seed(url.expose(), &topology, catalogue, &progress);
    let seeded = runtime()?
        .block_on(work)
        .map_err(|error| Failure::of(&error))?;
    if args.json {
        print(&serde_json::json!({"loaded": seeded.loaded, "present": seeded.present}).to_string());
    } else {
        print(&format!(
            "loaded {}, already there {}",
            seeded.loaded, seeded.present
        ));
    }
    Ok(())
}
