//! One region's process: listens at once, is ready when the database is.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    sync::Arc,
    thread,
    time::Duration,
};

use kernel::{Clock, RegionTag};
use platform_db::{Db, DbConfig, Directory, SchemaError, Sequencer, Statistician};
use platform_http::{HttpConfig, ServiceParts, System, Verifier};
use platform_runtime::{Shutdown, Tasks, telemetry};
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, runtime::Builder, sync::watch};
use topology::{Region, Topology};
use world::{issuer::AUDIENCE, setup};

use super::choose_tls;
use crate::{
    cli::{Peer, ServeArgs, Systems},
    database,
    failure::{FAILED, Failure, IN_USE, SCHEMA, USAGE},
};

/// CockroachDB's default `--max-offset`; PostgreSQL has one clock.
pub(super) const MAX_CLOCK_OFFSET: Duration = Duration::from_millis(500);

/// How often a database that cannot be used yet is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long `/readyz` waits for a first look at the database, so that a server is ready as soon as it can be, and not
/// only when it is asked for the second time.
const FIRST_LOOK: Duration = Duration::from_millis(500);

/// After the last request: metrics, logs, and the database's goodbyes.
const GOODBYE: Duration = Duration::from_secs(2);

pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    telemetry::init(args.log_format, &args.log)
        .map_err(|error| Failure::new(USAGE, format!("{error}; give --log one such as info")))?;
    choose_tls();
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FAILED, format!("could not start the runtime: {error}")))?;
    let ended = runtime.block_on(serve(args));
    // Whatever still runs has had its time.
    runtime.shutdown_background();
    ended
}

async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let topology = Arc::new(topology(&args)?);
    let listener = listen(&args).await?;
    let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
    shutdown
        .on_signals(&tasks)
        .map_err(|error| Failure::new(FAILED, format!("could not listen to signals: {error}")))?;
    if args.end_with_stdin {
        end_with_stdin(shutdown.clone());
    }
    let mut registry = Registry::default();
    let db = open(&args, &topology, &mut registry)?;
    let (usable, is_usable) = watch::channel(false);
    let workers = Workers {
        tasks: &tasks,
        shutdown: &shutdown,
        usable: &is_usable,
    };
    workers.start(args.systems, &db, &mut registry);
    let verifier = Verifier::new(
        args.jwks.clone(),
        args.issuer.clone(),
        AUDIENCE,
        Clock::System,
    );
    let service = platform_http::service(
        config(&args, &shutdown, &tasks),
        ServiceParts {
            verifier,
            readiness: readiness(&db, is_usable),
            registry,
            systems: compose(args.systems, &db, &topology, &args.region, &args.peers)?,
        },
    );
    tracing::info!(region = %args.region, address = %args.listen, "server.listening");
    let serving = platform_http::serve(listener, service);
    let schema = check_schema(&db, &usable);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        refused = schema => match refused {
            Ok(()) => serving.await,
            Err(refusal) => return Err(refusal),
        },
    };
    tasks.wait(GOODBYE).await;
    ended.map_err(|error| Failure::new(FAILED, format!("could not serve: {error}")))
}

/// Where background work runs.
struct Workers<'a> {
    tasks: &'a Tasks,
    shutdown: &'a Shutdown,
    usable: &'a watch::Receiver<bool>,
}

impl Workers<'_> {
    /// What the systems of this process do without being asked.
    fn start(&self, systems: Systems, db: &Db, registry: &mut Registry) {
        if matches!(systems, Systems::All | Systems::Warehouse) {
            let sweeper = warehouse::Sweeper::new(db.clone(), registry);
            self.run(|shutdown| async move { sweeper.run(shutdown.draining()).await });
        }
        if matches!(systems, Systems::All | Systems::Sales) {
            let expirer = sales::Expirer::new(db.clone(), registry);
            self.run(|shutdown| async move { expirer.run(shutdown.draining()).await });
        }
        if matches!(systems, Systems::All | Systems::Hub) {
            let sequencer = Sequencer::new(db.clone(), registry);
            self.run(|shutdown| async move { sequencer.run(shutdown.draining()).await });
        }
        let statistician = Statistician::new(db.clone());
        self.run(|shutdown| async move { statistician.run(shutdown.draining()).await });
    }

    fn run<W: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl FnOnce(Shutdown) -> W + Send + 'static,
    ) {
        let (usable, shutdown) = (self.usable.clone(), self.shutdown.clone());
        drop(self.tasks.spawn(once_usable(usable, shutdown, work)));
    }
}

/// Background work that begins once the database can be used, and ends with the process.
async fn once_usable<W: Future<Output = ()>>(
    mut usable: watch::Receiver<bool>,
    shutdown: Shutdown,
    work: impl FnOnce(Shutdown) -> W,
) {
    let is_usable = tokio::select! {
        () = shutdown.draining() => false,
        seen = usable.wait_for(|usable| *usable) => seen.is_ok(),
    };
    if is_usable {
        work(shutdown).await;
    }
}

/// Region files, and that the region is one of them.
fn topology(args: &ServeArgs) -> Result<Topology, Failure> {
    let topology = match args.regions.as_deref() {
        Some(folder) => Topology::load(folder).map_err(|error| Failure::of(&error))?,
        None => Topology::embedded(),
    };
    let known = |tag: &RegionTag| topology.region(tag).is_some();
    let named = std::iter::once(&args.region).chain(args.peers.iter().map(|peer| &peer.region));
    match named.into_iter().find(|tag| !known(tag)) {
        None => Ok(topology),
        Some(tag) => {
            let tags = topology
                .tags()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            Err(Failure::new(
                USAGE,
                format!("'{tag}' is no region; the region files have {tags}"),
            ))
        }
    }
}

async fn listen(args: &ServeArgs) -> Result<TcpListener, Failure> {
    TcpListener::bind(args.listen).await.map_err(|error| {
        let code = if error.kind() == io::ErrorKind::AddrInUse {
            IN_USE
        } else {
            FAILED
        };
        Failure::new(
            code,
            format!(
                "could not listen on {}: {error}; choose another --listen",
                args.listen
            ),
        )
    })
}

fn open(args: &ServeArgs, topology: &Topology, registry: &mut Registry) -> Result<Db, Failure> {
    let url = database::url(args.database_url_file.as_deref())?.ok_or_else(|| {
        Failure::new(
            USAGE,
            "no database: set MERIDIAN_DATABASE_URL or give --database-url-file",
        )
    })?;
    let pools = args.pools.sizes(topology);
    tracing::info!(
        transactions = pools.transactions,
        reads = pools.reads,
        past = pools.past,
        lanes = topology.tags().len() + 1,
        "database.connections"
    );
    let config = DbConfig {
        url: url.expose().clone(),
        region: args.region.clone(),
        region_names: topology
            .region(&args.region)
            .map(Region::cluster_names)
            .unwrap_or_default(),
        regions: topology.tags(),
        primary: topology.primary().tag.clone(),
        pools,
        application_name: format!("meridian {}", args.region),
        max_clock_offset: MAX_CLOCK_OFFSET,
    };
    Db::open(config, Clock::System, registry).map_err(|error| Failure::with_causes(&error))
}

fn config(args: &ServeArgs, shutdown: &Shutdown, tasks: &Tasks) -> HttpConfig {
    let node = args
        .node
        .clone()
        .unwrap_or_else(|| format!("{:08x}", rand::random::<u32>()));
    let mut config = HttpConfig::new(args.region.clone(), node);
    config.quota = args.quota;
    config.trusted_proxies = args.trusted_proxies.clone();
    config.alternatives = args
        .peers
        .iter()
        .filter(|peer| peer.region != args.region)
        .map(|peer| (peer.region.clone(), peer.base_url.clone()))
        .collect();
    config.max_clock_offset = MAX_CLOCK_OFFSET;
    config.draining = shutdown.token();
    config.tasks = tasks.tracker().clone();
    config
}

/// The systems that this process serves. One whose process serves others too is not asked over the network.
pub(super) fn compose(
    systems: Systems,
    db: &Db,
    topology: &Arc<Topology>,
    region: &RegionTag,
    peers: &[Peer],
) -> Result<Vec<System>, Failure> {
    let directory = Directory::new(db.clone());
    let mut composed = Vec::new();
    if matches!(systems, Systems::All | Systems::Accounting) {
        composed.push(accounting::system(accounting::App::new(
            db.clone(),
            directory.clone(),
        )));
    }
    if matches!(systems, Systems::All | Systems::Warehouse) {
        let app = warehouse::App::new(db.clone(), directory.clone(), Arc::clone(topology));
        composed.push(warehouse::system(app));
    }
    if matches!(systems, Systems::All | Systems::Sales) {
        composed.push(sales::system(sales::App {
            db: db.clone(),
            directory: directory.clone(),
            warehouse: warehouse::App::new(db.clone(), directory.clone(), Arc::clone(topology)),
        }));
    }
    if matches!(systems, Systems::All | Systems::Hub) {
        let mut names: Vec<_> = composed
            .iter()
            .map(|system| system.name.to_owned())
            .collect();
        names.push("hub".into());
        let peers = self::peers(region, names, db, topology, peers)?;
        let app = hub::App::new(db.clone(), directory, Arc::clone(topology), peers);
        composed.push(hub::system(app));
    }
    Ok(composed)
}

fn peers(
    own: &RegionTag,
    systems: Vec<String>,
    db: &Db,
    topology: &Topology,
    named: &[Peer],
) -> Result<hub::Peers, Failure> {
    let mut urls: BTreeMap<_, _> = topology
        .regions()
        .iter()
        .map(|region| (region.tag.clone(), region.base_url.clone()))
        .collect();
    urls.extend(
        named
            .iter()
            .map(|peer| (peer.region.clone(), peer.base_url.clone())),
    );
    // Regions reach each other directly, whatever proxy this machine's programs use for the rest of the world.
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .map_err(|error| Failure::with_causes(&error))?;
    Ok(hub::Peers::new(
        own.clone(),
        systems,
        urls,
        db.clone(),
        client,
    ))
}

fn readiness(db: &Db, usable: watch::Receiver<bool>) -> platform_http::Readiness {
    let db = db.clone();
    platform_http::readiness(move || {
        let (db, mut usable) = (db.clone(), usable.clone());
        async move {
            let look = usable.wait_for(|usable| *usable);
            if !matches!(tokio::time::timeout(FIRST_LOOK, look).await, Ok(Ok(_))) {
                return Err("the database is not migrated, or was never reached".into());
            }
            db.ping().await.map_err(|error| error.to_string())
        }
    })
}

/// Ends when the database is one that this build knows; fails when it is one that it does not.
async fn check_schema(db: &Db, usable: &watch::Sender<bool>) -> Result<(), Failure> {
    let mut told = String::new();
    loop {
        let refusal = match db.check_schema(&setup::systems()).await {
            Ok(()) => {
                usable.send_replace(true);
                tracing::info!("database.usable");
                return Ok(());
            }
            Err(refusal @ SchemaError::Unknown { .. }) => {
                let remedy = "run a build as new as the one that migrated the database";
                return Err(Failure::new(SCHEMA, format!("{refusal}; {remedy}")));
            }
            Err(refusal) => setup::with_causes(&refusal),
        };
        if refusal != told {
            tracing::warn!(reason = refusal, "database.not_usable_yet");
            told = refusal;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whoever started us holds the other end, and lets go of it when it ends, however it ends.
fn end_with_stdin(shutdown: Shutdown) {
    thread::spawn(move || {
        let mut rest = [0; 64];
        while matches!(io::stdin().lock().read(&mut rest), Ok(1..)) {}
        shutdown.begin();
    });
}
