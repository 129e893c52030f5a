//! Loads something to look at.

use world::{
    Progress,
    seed::{self, Generated, Seeded},
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
    let generated = Generated {
        items: args.items,
        movements: args.scale,
        seed: args.seed,
    };
    let progress = Progress::start();
    let work = seed::seed(url.expose(), &topology, generated, &progress);
    let seeded = runtime()?
        .block_on(work)
        .map_err(|error| Failure::of(&error))?;
    if args.json {
        print(&serde_json::json!(seeded).to_string());
    } else {
        print(&told(seeded));
    }
    Ok(())
}

fn told(seeded: Seeded) -> String {
    let Seeded {
        loaded,
        present,
        movements,
        entries,
        movements_per_second,
    } = seeded;
    let mut text = format!(
        "items: loaded {loaded}, already there {present}; new: {movements} movements, {entries} journal entries"
    );
    if movements_per_second > 0 {
        text += &format!(", {movements_per_second} movements/s");
    }
    text
}
