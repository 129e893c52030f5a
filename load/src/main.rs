#![doc = include_str!("../README.md")]

mod api;
mod caches;
mod contention;
mod random;
mod reports;
mod table;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use world::setup::with_causes;

use crate::api::Regions;

/// Measures a running world.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Arguments {
    /// Where the world keeps its state.
    #[arg(long, global = true, value_name = "FOLDER", default_value = world::DEFAULT_STATE)]
    state: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Adjustments of one level and of a thousand, by 1, 8 and 64 clients over all regions.
    Contention {
        /// Seconds that each case is measured for.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
    },
    /// Reference data from memory, from the database, and while it is being changed.
    Caches {
        /// Seconds that each way of reading is measured for.
        #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
        /// How many clients read at once.
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=512))]
        clients: u16,
    },
    /// The reports of all offices and the overview of one, warm.
    Reports {
        /// How often each is asked for.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
        times: u64,
        /// Milliseconds that half of the answers may take at most.
        #[arg(long, default_value_t = 200)]
        bound_ms: u64,
    },
    /// Random business over all regions, and whether every write happened once and stock and books agree behind it.
    Random {
        /// How long.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1440))]
        minutes: u64,
        /// How many clients at once.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
        clients: u16,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Everything here is plain HTTP, but the client asks for a provider of TLS when it is made.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Whether what was measured is within its bound.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let regions = Regions::of(&arguments.state)?;
        match arguments.what {
            What::Contention { seconds } => {
                contention::measure(&regions, Duration::from_secs(seconds)).await?;
                Ok(true)
            }
            What::Caches { seconds, clients } => {
                caches::measure(&regions, Duration::from_secs(seconds), clients.into()).await?;
                Ok(true)
            }
            What::Reports { times, bound_ms } => {
                reports::measure(&regions, times, Duration::from_millis(bound_ms)).await
            }
            What::Random { minutes, clients } => {
                random::run(&regions, Duration::from_secs(minutes * 60), clients.into()).await
            }
        }
    })
}
