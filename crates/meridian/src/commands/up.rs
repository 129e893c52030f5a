//! A world on this machine.

use std::{env, path::PathBuf};

use world::{EngineOptions, Progress, StateError, UpError, UpOptions, engine::Kind};

use super::{choose_tls, runtime};
use crate::{
    cli::{EmbeddedEngine, UpArgs},
    database::regions_here,
    failure::{FAILED, Failure, IN_USE},
};

pub(crate) fn run(args: UpArgs) -> Result<(), Failure> {
    let options = options(args)?;
    choose_tls();
    runtime()?
        .block_on(world::up(options, Progress::start()))
        .map_err(|error| {
            let held = matches!(error, UpError::State(StateError::Held { .. }));
            Failure::new(if held { IN_USE } else { FAILED }, error.to_string())
        })
}

fn options(args: UpArgs) -> Result<UpOptions, Failure> {
    let exe = env::current_exe()
        .map_err(|error| Failure::new(FAILED, format!("could not find this program: {error}")))?;
    // A name without a slash was found on the PATH; any other names the binary from here, links unresolved.
    let typed = env::args_os().next().map(PathBuf::from);
    let typed = typed
        .filter(|typed| typed.components().count() > 1)
        .unwrap_or_else(|| exe.clone());
    let regions = match args.regions {
        Some(folder) => Some(absolute(folder)?),
        None => regions_here(),
    };
    Ok(UpOptions {
        state: args.state,
        fresh: args.fresh,
        regions,
        database_url: args.database_url,
        engine: EngineOptions {
            kind: match args.engine {
                EmbeddedEngine::Postgres => Kind::Postgres,
                EmbeddedEngine::Cockroach => Kind::Cockroach,
            },
            named: args.pg_bin,
            path: args.path,
            port: args.database_port,
        },
        port: args.port,
        quota: args
            .quota
            .map_or_else(|| world::up::QUOTA.to_owned(), |quota| quota.to_string()),
        log: args.log,
        exe,
        typed,
    })
}

fn absolute(folder: PathBuf) -> Result<PathBuf, Failure> {
    folder.canonicalize().map_err(|error| {
        Failure::new(
            FAILED,
            format!(
                "could not use {}: {error}; name a folder of region files",
                folder.display()
            ),
        )
    })
}
