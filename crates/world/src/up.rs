//! One command, a whole world: database, regions, a small company, and somebody who looks after them.

use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};

use futures_util::future::{join_all, try_join_all};
use kernel::RegionTag;
use platform_db::DatabaseUrl;
use platform_runtime::{Secret, Shutdown};
use tokio::signal::unix::{Signal, SignalKind, signal};
use topology::{Topology, TopologyErrors};

use crate::{
    banner::{self, Banner},
    engine::{self, Cockroach, Engine, EngineError, EngineOptions, Kind},
    issuer::{Issuer, IssuerError},
    ports::{self, NoFreePort, Wish},
    process::{Running, SpawnError, wait_for_all},
    progress::Progress,
    region::{self, Keeper, RegionError, Settings},
    seed::{self, SeedError},
    setup::{self, SetupError},
    state::{Hold, StateError, WorldFile},
};

/// What a user may ask of a world.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// The state folder.
    pub state: PathBuf,
    /// Begin anew.
    pub fresh: bool,
    /// The folder of region files; without it those of the build.
    pub regions: Option<PathBuf>,
    /// A database that is already there, instead of an embedded one.
    pub database_url: Option<Secret<String>>,
    /// The embedded database.
    pub engine: EngineOptions,
    /// The first region's port; the others follow it.
    pub port: u16,
    /// The rate limit per principal and region, such as `q=600;w=60`.
    pub quota: String,
    /// What the servers log.
    pub log: String,
    /// This binary.
    pub exe: PathBuf,
    /// This binary as the user would type it.
    pub typed: PathBuf,
}

/// The first region's port.
pub const PORT: u16 = 8101;

/// So high that only a test of the limiter meets it, which lowers it.
pub const QUOTA: &str = "q=1000000;w=1";

/// Why a world does not come up.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// Region files.
    #[error(transparent)]
    Topology(#[from] TopologyErrors),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The issuer.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The embedded database.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Migrations and offices.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The demo company.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// No port for a region.
    #[error(transparent)]
    Port(#[from] NoFreePort),
    /// A region.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// A child.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Signals cannot be listened to.
    #[error("could not listen to signals: {0}")]
    Signals(#[source] io::Error),
}

/// Regions finish requests for up to 20 s, then the guard gives the database 21 s.
const END: Duration = Duration::from_secs(45);

/// How often ports are chosen.
const TRIES_MAX: u32 = 5;

/// The guard of an `up` that was killed ends its server in about a second. Longer means that it was killed too, or that nodes
/// drain which have nobody left to drain to: then both come to the same.
const ENGINE_LEFT: Duration = Duration::from_secs(5);

/// Brings a world up and keeps it up until SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// Where it does not come up; then nothing is left running.
pub async fn up(options: UpOptions, progress: Progress) -> Result<(), UpError> {
    let mut signals = Signals::listen().map_err(UpError::Signals)?;
    let topology = match &options.regions {
        Some(folder) => Topology::load(folder)?,
        None => Topology::embedded(),
    };
    let hold = Hold::take(&options.state)?;
    let builder = Builder {
        options: &options,
        topology: &topology,
        hold: &hold,
        progress,
    };
    let built = tokio::select! {
        built = builder.build() => built,
        () = signals.next() => {
            progress.step("told to stop, before everything had started");
            end_of_all(&hold).await;
            return Ok(());
        }
    };
    let world = match built {
        Ok(world) => world,
        Err(error) => {
            end_of_all(&hold).await;
            return Err(error);
        }
    };
    hold.publish(&world.told)?;
    progress.step("ready");
    banner::print(&world.banner(&options, &topology));
    world.keep(&mut signals, progress).await;
    hold.retract();
    end_of_all(&hold).await;
    progress.step("stopped");
    Ok(())
}

/// Dropped children leave in their own time: this waits for them.
async fn end_of_all(hold: &Hold) {
    wait_for_all(hold.folder(), &hold.known_children(), END).await;
}

struct Builder<'a> {
    options: &'a UpOptions,
    topology: &'a Topology,
    hold: &'a Hold,
    progress: Progress,
}

/// The embedded database, at work.
enum Base {
    Postgres(Box<Engine>, Running),
    Cockroach(Cockroach, Vec<Running>),
}

struct World {
    engine: Option<Base>,
    settings: Settings,
    regions: Vec<(RegionTag, u16, Running)>,
    told: WorldFile,
}

/// Where the database is, for whom.
struct Urls {
    owner: String,
    app: String,
    /// As the services of each region have it.
    regions: BTreeMap<RegionTag, String>,
}

impl Builder<'_> {
    async fn build(&self) -> Result<World, UpError> {
        let (folder, progress) = (self.hold.folder(), &self.progress);
        self.end_leftovers().await?;
        if self.options.fresh {
            engine::wipe(self.hold)?;
            progress.step(&format!("wiped {}", folder.path().display()));
        }
        Issuer::load_or_create(folder)?;
        let (engine, urls) = self.database().await?;
        let password = url_password(&urls.app);
        setup::migrate(&urls.owner, password.as_deref(), self.topology, progress).await?;

        // A company to look at is loaded while the regions start.
        let demo = async { Ok::<_, UpError>(seed::demo(&urls.app, self.topology).await?) };
        let (loaded, (settings, running)) = tokio::try_join!(demo, self.regions(&urls.regions))?;
        if loaded.loaded + loaded.movements > 0 {
            progress.step(&format!(
                "loaded a demo company of {} items, {} movements of stock, {} journal entries",
                loaded.loaded, loaded.movements, loaded.entries
            ));
        }
        let all = settings.all.clone();
        let told = WorldFile {
            pid: std::process::id(),
            database: urls.owner,
            regions: all
                .iter()
                .map(|(tag, port)| (tag.to_string(), format!("http://127.0.0.1:{port}")))
                .collect(),
        };
        let regions = all
            .into_iter()
            .zip(running)
            .map(|((tag, port), running)| (tag, port, running));
        Ok(World {
            engine,
            settings,
            regions: regions.collect(),
            told,
        })
    }

    /// Every region, ready. Between our look at a port and the region's, another process can take it: then all
    /// regions get other ports, since each is told those of the others.
    async fn regions(
        &self,
        databases: &BTreeMap<RegionTag, String>,
    ) -> Result<(Settings, Vec<Running>), UpError> {
        let mut tries = 1;
        loop {
            let all: Vec<_> = self
                .topology
                .tags()
                .into_iter()
                .zip(self.ports()?)
                .collect();
            self.progress
                .step(&format!("starting {} regions", all.len()));
            let settings = self.settings(databases.clone(), all);
            match self.start(&settings).await {
                Ok(running) => return Ok((settings, running)),
                Err(UpError::Region(error)) if error.is_port_taken() && tries < TRIES_MAX => {
                    self.progress
                        .step("a port was taken by another process, choosing others");
                    let names: Vec<_> = settings
                        .all
                        .iter()
                        .map(|(tag, _)| tag.to_string())
                        .collect();
                    wait_for_all(self.hold.folder(), &names, region::END).await;
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn start(&self, settings: &Settings) -> Result<Vec<Running>, UpError> {
        let keepers = keepers(settings, &self.progress);
        let started = try_join_all(keepers.iter().map(Keeper::start)).await?;
        let ready = keepers.iter().zip(started).map(async |(keeper, started)| {
            let running = keeper.ready(started).await?;
            self.progress
                .step(&format!("region {} is ready", keeper.region));
            Ok(running)
        });
        try_join_all(ready).await
    }

    /// Children of an `up` that was killed end by themselves, and a server whose guard was killed too is ended.
    async fn end_leftovers(&self) -> Result<(), UpError> {
        let folder = self.hold.folder();
        let children = self.hold.known_children();
        let (engines, others): (Vec<_>, Vec<_>) = children
            .into_iter()
            .partition(|name| engine::is_server(name));
        let mut left = wait_for_all(folder, &engines, ENGINE_LEFT).await;
        if !left.is_empty() {
            self.progress
                .step("ending the database of an earlier world");
            engine::end_leftovers(self.hold, &left).await?;
            left = wait_for_all(folder, &engines, Duration::ZERO).await;
        }
        left.extend(wait_for_all(folder, &others, region::END).await);
        match left.into_iter().next() {
            None => Ok(()),
            Some(name) => Err(SpawnError::Lingers {
                lock: folder.child_lock(&name),
                name,
            }
            .into()),
        }
    }

    async fn database(&self) -> Result<(Option<Base>, Urls), UpError> {
        let (progress, options) = (&self.progress, &self.options.engine);
        if let Some(url) = &self.options.database_url {
            let owner = url.expose().clone();
            progress.step("using the database of --database-url, which is never wiped");
            if setup::create_database(&owner).await? {
                progress.step("made the database, which was not there");
            }
            let is_guarded = DatabaseUrl::parse(&owner).is_ok_and(|url| url.is_guarded());
            let password = is_guarded.then(|| self.hold.app_password());
            let app = setup::app_url(&owner, password.transpose()?.as_deref())?;
            return Ok((None, self.everywhere(owner, app)));
        }
        if options.kind == Kind::Cockroach {
            return self.cockroach().await;
        }
        let mut engine = Engine::prepare(self.hold, options, &self.options.exe, progress).await?;
        let running = engine.start_first().await?;
        progress.step(&format!("PostgreSQL runs on port {}", engine.port()));
        let owner = engine.owner_url();
        let app = setup::app_url(&owner, Some(engine.app_password()))?;
        let urls = self.everywhere(owner, app);
        Ok((Some(Base::Postgres(Box::new(engine), running)), urls))
    }

    /// Each region's services ask their own region's nodes first.
    async fn cockroach(&self) -> Result<(Option<Base>, Urls), UpError> {
        let tags = self.topology.tags();
        self.progress
            .step("starting CockroachDB, two nodes a region");
        let (cluster, running) = self.start_nodes(&tags).await?;
        let owner = cluster.owner_url();
        setup::create_database(&owner).await?;
        let regions = tags.into_iter().map(|tag| {
            let url = setup::app_url(&cluster.url_in(&tag), None)?;
            Ok((tag, url))
        });
        let urls = Urls {
            app: setup::app_url(&owner, None)?,
            owner,
            regions: regions.collect::<Result<_, SetupError>>()?,
        };
        Ok((Some(Base::Cockroach(cluster, running)), urls))
    }

    /// Every node, ready. Between our look at a port and a node's, another process can take it: then all get others, since
    /// each is told those of the others.
    async fn start_nodes(&self, tags: &[RegionTag]) -> Result<(Cockroach, Vec<Running>), UpError> {
        let mut tries = 1;
        loop {
            let options = &self.options.engine;
            let cluster = Cockroach::prepare(self.hold, options, tags, &self.options.exe)?;
            match cluster.start(&self.progress).await {
                Ok(running) => return Ok((cluster, running)),
                Err(error) if error.is_port_taken() && tries < TRIES_MAX => {
                    self.progress
                        .step("a port was taken by another process, choosing others");
                    end_of_all(self.hold).await;
                    tries += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One place for all regions.
    fn everywhere(&self, owner: String, app: String) -> Urls {
        let tags = self.topology.tags().into_iter();
        let regions = tags.map(|tag| (tag, app.clone())).collect();
        Urls {
            owner,
            app,
            regions,
        }
    }

    fn ports(&self) -> Result<Vec<u16>, NoFreePort> {
        let wishes: Vec<_> = (0..)
            .zip(self.topology.regions())
            .map(|(index, _)| Wish {
                default: self.options.port.saturating_add(index),
                option: "port",
            })
            .collect();
        let reserved = ports::reserve_all(&wishes, self.hold.folder().path())?;
        Ok(reserved.into_iter().map(ports::Reserved::release).collect())
    }

    fn settings(
        &self,
        databases: BTreeMap<RegionTag, String>,
        all: Vec<(RegionTag, u16)>,
    ) -> Settings {
        Settings {
            exe: self.options.exe.clone(),
            folder: self.hold.folder().clone(),
            regions: self.options.regions.clone(),
            databases,
            quota: self.options.quota.clone(),
            log: self.options.log.clone(),
            all,
        }
    }
}

fn keepers<'a>(settings: &'a Settings, progress: &'a Progress) -> Vec<Keeper<'a>> {
    let keeper = |(region, port): &(RegionTag, u16)| Keeper {
        region: region.clone(),
        port: *port,
        settings,
        progress,
    };
    settings.all.iter().map(keeper).collect()
}

impl World {
    fn banner<'a>(&'a self, options: &'a UpOptions, topology: &'a Topology) -> Banner<'a> {
        Banner {
            world: &self.told,
            topology,
            exe: &options.exe,
            state: &options.state,
        }
    }

    /// Until a signal; then the regions finish, then the database ends. A second signal does not wait.
    async fn keep(self, signals: &mut Signals, progress: Progress) {
        let (stop_regions, stop_engine) = (Shutdown::new(), Shutdown::new());
        let settings = self.settings;
        let regions = async {
            join_all(
                self.regions
                    .into_iter()
                    .map(async |(region, port, running)| {
                        let keeper = Keeper {
                            region,
                            port,
                            settings: &settings,
                            progress: &progress,
                        };
                        keeper.keep(running, stop_regions.clone()).await;
                    }),
            )
            .await;
            stop_engine.begin();
        };
        let engine = async {
            let stop = stop_engine.clone();
            match self.engine {
                Some(Base::Postgres(engine, running)) => engine.keep(running, stop, progress).await,
                Some(Base::Cockroach(engine, running)) => {
                    engine.keep(running, stop, progress).await;
                }
                None => {}
            }
        };
        let all = async {
            tokio::join!(regions, engine);
        };
        tokio::pin!(all);
        loop {
            tokio::select! {
                () = &mut all => return,
                () = signals.next() => {
                    if stop_regions.is_draining() {
                        return progress.step("told to stop again, ending everything at once");
                    }
                    progress.step("stopping: requests in flight are finished");
                    stop_regions.begin();
                }
            }
        }
    }
}

/// The signals that end a world.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

fn url_password(url: &str) -> Option<String> {
    DatabaseUrl::parse(url).ok()?.password()
}
