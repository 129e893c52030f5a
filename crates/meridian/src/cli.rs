//! The command line. Scripts and drills stand on it: names, outputs and exit codes change only by addition.

mod doctor;
mod regions;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use kernel::{RegionTag, Role};
use platform_db::PoolSizes;
use platform_http::{JwksSource, Quota, TrustedProxies};
use platform_runtime::{Secret, telemetry::Format};
use topology::Topology;
use world::{GrantedOffices, Ttl};

pub(crate) use self::doctor::DoctorArgs;
pub(crate) use self::regions::{ApplyArgs, PlanArgs, RegionsAction, RegionsArgs};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it did not work; the line on standard error says what to do
  2  the command line is wrong
  3  the database has a schema that this build does not know (serve)
  4  another process has the state folder (up) or the address (serve)";

/// One API over the systems of a company with offices around the world.
#[derive(Debug, Parser)]
#[command(name = "meridian", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring up a world on this machine: a database and one server per region.
    #[command(after_help = UP_HELP)]
    Up(UpArgs),
    /// Serve one system, or all of them, for one region.
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Bring a database up to date: schemas, the services' role, the offices of the region files.
    #[command(after_help = MIGRATE_HELP)]
    Migrate(MigrateArgs),
    /// Show where tables are to live on CockroachDB, or bring it about.
    #[command(after_help = regions::HELP)]
    Regions(RegionsArgs),
    /// Load the demo company and a generated catalogue.
    #[command(after_help = SEED_HELP)]
    Seed(SeedArgs),
    /// Examine a database, and say what to do about what is not as it should be.
    #[command(after_help = doctor::HELP)]
    Doctor(DoctorArgs),
    /// Print a token for the world in this folder.
    #[command(after_help = TOKEN_HELP)]
    Token(TokenArgs),
    /// Print the OpenAPI document of all systems.
    #[command(after_help = OPENAPI_HELP)]
    Openapi,
    /// Ask a server whether it can serve.
    #[command(after_help = HEALTHCHECK_HELP)]
    Healthcheck(HealthcheckArgs),
    /// Run what standard input says, and end it when standard input ends.
    #[command(hide = true)]
    Guard,
}

const UP_HELP: &str = "\
Standard output begins with one line per region and one for the database:
  eu1 http://127.0.0.1:8101
  us1 http://127.0.0.1:8102
  ap1 http://127.0.0.1:8103
  database postgres://…
Progress goes to standard error. SIGINT or SIGTERM ends everything.

Examples:
  meridian up
  meridian up --fresh
  meridian up --quota 'q=600;w=60'
  meridian up --state /tmp/other --port 9101 --database-port 9433
  meridian up --database-url postgres://postgres:secret@127.0.0.1:5432/meridian
  meridian up --database-url 'postgres://root@db1:26257,db2:26257/meridian?sslmode=disable'
  meridian up --engine cockroach

Exit codes: 0 ended by a signal, 1 did not come up (nothing is left running), 2 wrong command line,
4 another `up` runs on the same state.";

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Where the world keeps its state.
    #[arg(long, value_name = "FOLDER", default_value = world::DEFAULT_STATE, env = "MERIDIAN_STATE")]
    pub(crate) state: PathBuf,
    /// Forget the state and begin anew. A database given by --database-url is never wiped.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// The first region's port; the others follow. A taken port is replaced by a free one.
    #[arg(long, value_name = "PORT", default_value_t = world::up::PORT)]
    pub(crate) port: u16,
    /// The embedded database's port, the first one of a cluster [default: 5433 or 26257, or a free one].
    #[arg(long, value_name = "PORT")]
    pub(crate) database_port: Option<u16>,
    /// Use this PostgreSQL or CockroachDB instead of an embedded one, as a role that may create roles and the database,
    /// if that is not there.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<Secret<String>>,
    /// Which embedded database: one PostgreSQL server, or a CockroachDB cluster of two nodes a region, for which a
    /// `cockroach` must be on the PATH.
    #[arg(long, value_enum, default_value_t = EmbeddedEngine::Postgres, conflicts_with = "database_url")]
    pub(crate) engine: EmbeddedEngine,
    /// Folder of region files [default: regions, if it is there, else those of the build].
    #[arg(long, value_name = "FOLDER", env = "MERIDIAN_REGIONS")]
    pub(crate) regions: Option<PathBuf>,
    /// Requests per principal and region, in a window of seconds [default: as good as unlimited].
    #[arg(long, value_name = "q=N;w=SECONDS")]
    pub(crate) quota: Option<Quota>,
    /// What the servers log to files of the state folder, such as info or warn,platform_db=debug.
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "warn",
        env = "MERIDIAN_LOG"
    )]
    pub(crate) log: String,
    /// Folder of PostgreSQL's programs [default: looked for, else downloaded].
    #[arg(long, value_name = "FOLDER", env = "MERIDIAN_PG_BIN")]
    pub(crate) pg_bin: Option<PathBuf>,
    /// Where programs are looked for.
    #[arg(long, hide = true, env = "PATH")]
    pub(crate) path: Option<OsString>,
}

/// An embedded database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EmbeddedEngine {
    /// PostgreSQL.
    Postgres,
    /// CockroachDB.
    Cockroach,
}

const SERVE_HELP: &str = "\
The database's URL is a secret: it comes from MERIDIAN_DATABASE_URL or from a file, never from an argument,
which everyone on the machine could read. /readyz answers 503 until the database can be reached and is migrated.

Examples:
  MERIDIAN_DATABASE_URL=postgres://meridian_app:secret@db/meridian \\
    meridian serve all --region eu1 --listen 0.0.0.0:8080 --issuer https://id.example.com \\
      --jwks https://id.example.com/.well-known/jwks.json --peer us1=https://us1.api.example.com
  meridian serve warehouse --region us1 --jwks jwks.json --issuer https://id.example.com \\
    --database-url-file /run/secrets/database-url

Exit codes: 0 ended by a signal, 1 did not start, 2 wrong command line, 3 the database has a schema that this
build does not know, 4 the address is in use.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Systems {
    /// Every system.
    All,
    /// The chart of accounts, the journal, periods, statements.
    Accounting,
    /// Items, prices, locations, stock.
    Warehouse,
    /// Customers, orders, payments, shipments, returns.
    Sales,
    /// Offices, regions, receipts of writes: what belongs to no single system.
    Hub,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// What to serve.
    #[arg(value_enum)]
    pub(crate) systems: Systems,
    /// The region that this process serves.
    #[arg(long, value_name = "TAG", env = "MERIDIAN_REGION")]
    pub(crate) region: RegionTag,
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN, env = "MERIDIAN_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// The issuer's public keys: a file or an https URL.
    #[arg(long, value_name = "FILE|URL", env = "MERIDIAN_JWKS")]
    pub(crate) jwks: JwksSource,
    /// `iss` of the tokens to accept.
    #[arg(long, value_name = "ISSUER", env = "MERIDIAN_ISSUER", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) issuer: String,
    /// Another region and where it is reached; may be repeated [default: as in the region files].
    #[arg(
        long = "peer",
        value_name = "TAG=URL",
        env = "MERIDIAN_PEERS",
        value_delimiter = ','
    )]
    pub(crate) peers: Vec<Peer>,
    /// Folder of region files [default: those of the build].
    #[arg(long, value_name = "FOLDER", env = "MERIDIAN_REGIONS")]
    pub(crate) regions: Option<PathBuf>,
    /// Requests per principal, in a window of seconds.
    #[arg(
        long,
        value_name = "q=N;w=SECONDS",
        default_value = "q=600;w=1",
        env = "MERIDIAN_QUOTA"
    )]
    pub(crate) quota: Quota,
    /// Networks whose X-Forwarded-For and X-Geo-* are believed, such as 10.0.0.0/8.
    #[arg(
        long,
        value_name = "LIST",
        default_value = "",
        env = "MERIDIAN_TRUSTED_PROXIES"
    )]
    pub(crate) trusted_proxies: TrustedProxies,
    /// Name of this process in Served-By [default: eight random digits].
    #[arg(long, value_name = "NAME", env = "MERIDIAN_NODE", value_parser = node)]
    pub(crate) node: Option<String>,
    #[command(flatten)]
    pub(crate) pools: PoolArgs,
    /// File with the database's URL [default: MERIDIAN_DATABASE_URL].
    #[arg(long, value_name = "FILE", env = "MERIDIAN_DATABASE_URL_FILE")]
    pub(crate) database_url_file: Option<PathBuf>,
    /// What to log to standard error, such as info or warn,platform_db=debug.
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "info",
        env = "MERIDIAN_LOG"
    )]
    pub(crate) log: String,
    /// How to log: human or json.
    #[arg(long, value_name = "FORMAT", default_value_t = Format::Json, env = "MERIDIAN_LOG_FORMAT")]
    pub(crate) log_format: Format,
    /// End, as by SIGTERM, when standard input ends.
    #[arg(long, hide = true)]
    pub(crate) end_with_stdin: bool,
}

/// Where another region is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) region: RegionTag,
    /// Without a slash at the end.
    pub(crate) base_url: String,
}

impl std::str::FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (tag, url) = text
            .split_once('=')
            .ok_or("must be such as us1=https://us1.api.example.com")?;
        let region = tag.parse().map_err(|error| format!("'{tag}' {error}"))?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!("'{url}' does not begin with http:// or https://"));
        }
        Ok(Self {
            region,
            base_url: url.trim_end_matches('/').to_owned(),
        })
    }
}

/// How many connections a server has.
#[derive(Debug, Args)]
pub(crate) struct PoolArgs {
    /// Connections for transactions [default: as many as --database-vcpus gives, else 20].
    #[arg(long, value_name = "N", env = "MERIDIAN_CONNECTIONS",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) connections: Option<u16>,
    /// Connections that reads share, for what each region has and for what all have [default: likewise, else 2].
    #[arg(long, value_name = "N", env = "MERIDIAN_READ_CONNECTIONS",
        value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) read_connections: Option<u16>,
    /// Connections for reads of a past moment [default: likewise, else 5].
    #[arg(long, value_name = "N", env = "MERIDIAN_PAST_CONNECTIONS",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) past_connections: Option<u16>,
    /// vCPUs of all database nodes in this region: four connections for each, shared by all --instances.
    #[arg(long, value_name = "N", env = "MERIDIAN_DATABASE_VCPUS",
        value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) database_vcpus: Option<u16>,
    /// Processes that serve this region.
    #[arg(long, value_name = "N", default_value_t = 1, env = "MERIDIAN_INSTANCES",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) instances: u16,
}

impl PoolArgs {
    /// What was said, else what follows from the nodes of the region, else what is usual.
    pub(crate) fn sizes(&self, topology: &Topology) -> PoolSizes {
        let known = self.database_vcpus.map(|vcpus| {
            let instances = usize::from(self.instances);
            PoolSizes::of_database(vcpus.into(), instances, topology.tags().len())
        });
        let usual = known.unwrap_or_default();
        PoolSizes {
            transactions: self.connections.map_or(usual.transactions, usize::from),
            reads: self.read_connections.map_or(usual.reads, usize::from),
            past: self.past_connections.map_or(usual.past, usize::from),
        }
    }
}

const MIGRATE_HELP: &str = "\
The URL is that of a role that may create schemas and roles. It comes from MERIDIAN_DATABASE_URL, from a file, or
from the world that runs in this folder.

Examples:
  meridian migrate
  MERIDIAN_DATABASE_URL=postgres://root@db:26257/meridian meridian migrate --json
  meridian migrate --database-url-file /run/secrets/owner-url --app-password-file /run/secrets/app-password

Exit codes: 0 up to date, 1 failed (what was applied stays, and is not applied again), 2 wrong command line.";

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// File with the password for the role meridian_app [default: its password stays as it is].
    #[arg(long, value_name = "FILE", env = "MERIDIAN_APP_PASSWORD_FILE")]
    pub(crate) app_password_file: Option<PathBuf>,
    /// Print what was done as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

const SEED_HELP: &str = "\
Loading again loads what is missing: items are known by their SKU, movements by their place in the history. The same
--scale with the same --seed adds nothing; another scale adds a history of its own.

Examples:
  meridian seed
  meridian seed --items 100000 --seed 7
  meridian seed --scale 100000
  meridian seed --items 0 --json
  MERIDIAN_DATABASE_URL=postgres://root@db:26257/meridian meridian seed --items 5000

Exit codes: 0 loaded, 1 failed (the same command goes on from there), 2 wrong command line.";

#[derive(Debug, Args)]
pub(crate) struct SeedArgs {
    /// Items to generate, besides those of the demo company.
    #[arg(long, value_name = "N", default_value_t = 1000,
        value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    pub(crate) items: u64,
    /// Movements of stock to generate, with their books, over the last two years and all offices.
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    pub(crate) scale: u64,
    /// The same number gives the same items and movements.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Print what was loaded as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which database a subcommand works on.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// File with the database's URL [default: MERIDIAN_DATABASE_URL, else that of the world in this folder].
    #[arg(long, value_name = "FILE", env = "MERIDIAN_DATABASE_URL_FILE")]
    pub(crate) database_url_file: Option<PathBuf>,
    /// Where the world keeps its state.
    #[arg(long, value_name = "FOLDER", default_value = world::DEFAULT_STATE, env = "MERIDIAN_STATE")]
    pub(crate) state: PathBuf,
    /// Folder of region files [default: regions, if it is there, else those of the build].
    #[arg(long, value_name = "FOLDER", env = "MERIDIAN_REGIONS")]
    pub(crate) regions: Option<PathBuf>,
}

const TOKEN_HELP: &str = "\
Standard output is the token and a newline, nothing else.

Examples:
  meridian token --role viewer
  meridian token --role clerk --offices ber,nyc --sub ada --ttl 10m
  curl -H \"Authorization: Bearer $(meridian token --role manager)\" http://127.0.0.1:8101/v1/offices

Exit codes: 0 printed, 1 no world in this folder, 2 wrong command line.";

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// What the token allows: viewer, clerk, accountant, manager or operator.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub(crate) role: Role,
    /// Offices, such as ber,nyc, or '*' for all of them.
    #[arg(long, value_name = "LIST", default_value = "*")]
    pub(crate) offices: GrantedOffices,
    /// Who it is for [default: dev:<role>].
    #[arg(long, value_name = "NAME", value_parser = subject)]
    pub(crate) sub: Option<String>,
    /// How long it is good: 1s to 1h.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(crate) ttl: Ttl,
    /// Where the world keeps its state.
    #[arg(long, value_name = "FOLDER", default_value = world::DEFAULT_STATE, env = "MERIDIAN_STATE")]
    pub(crate) state: PathBuf,
    /// Print the token as JSON, with its subject and its life in seconds.
    #[arg(long)]
    pub(crate) json: bool,
}

const OPENAPI_HELP: &str = "\
Examples:
  meridian openapi > docs/openapi/v1.json

Exit codes: 0 printed, 2 wrong command line.";

const HEALTHCHECK_HELP: &str = "\
Examples:
  meridian healthcheck
  meridian healthcheck --url http://127.0.0.1:8101
  meridian healthcheck --url http://127.0.0.1:8101 --live --json

Exit codes: 0 it can serve, 1 it cannot or does not answer, 2 wrong command line.";

#[derive(Debug, Args)]
pub(crate) struct HealthcheckArgs {
    /// Where the server is [default: where `serve` listens, by MERIDIAN_LISTEN or 127.0.0.1:8080].
    #[arg(long, value_name = "URL", value_parser = server)]
    pub(crate) url: Option<String>,
    /// Where `serve` listens.
    #[arg(long, hide = true, default_value = LISTEN, env = "MERIDIAN_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Ask whether the process is alive (/healthz) instead of whether it can serve (/readyz).
    #[arg(long)]
    pub(crate) live: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where `serve` listens if nobody says otherwise.
const LISTEN: &str = "127.0.0.1:8080";

/// Host and port of an `http` URL. It is this machine or its network: TLS is the edge's business.
fn server(text: &str) -> Result<String, String> {
    let authority = text
        .strip_prefix("http://")
        .unwrap_or_default()
        .trim_end_matches('/');
    let port = authority
        .rsplit_once(':')
        .map(|(_, port)| port.parse::<u16>());
    if matches!(port, Some(Ok(_))) && !authority.contains(['/', '?', '#', '@']) {
        Ok(authority.to_owned())
    } else {
        Err("must be such as http://127.0.0.1:8080".into())
    }
}

fn role(text: &str) -> Result<Role, String> {
    text.parse::<Role>().map_err(|error| error.to_string())
}

fn subject(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if !(1..=200).contains(&length) || text.trim().is_empty() || text.chars().any(char::is_control)
    {
        return Err("must be 1 to 200 characters, none of them a control character".into());
    }
    Ok(text.to_owned())
}

/// A structured-field string (RFC 9651) needs no escapes then.
fn node(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 64 letters, digits, '.', '_' or '-'".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn peers_are_regions_with_addresses() {
        let peer: Peer = "us1=https://us1.api.example.com/".parse().unwrap();
        assert_eq!(
            peer,
            Peer {
                region: "us1".parse().unwrap(),
                base_url: "https://us1.api.example.com".into()
            }
        );
        for bad in [
            "",
            "us1",
            "us1=",
            "us1=us1.example.com",
            "US1=https://a",
            "=https://a",
        ] {
            assert!(bad.parse::<Peer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn servers_are_asked_by_plain_http() {
        assert_eq!(
            server("http://127.0.0.1:8101/").as_deref(),
            Ok("127.0.0.1:8101")
        );
        assert_eq!(server("http://[::1]:8101").as_deref(), Ok("[::1]:8101"));
        for bad in [
            "",
            "127.0.0.1:8101",
            "https://a:1",
            "http://a",
            "http://a:x",
            "http://a:1/readyz",
        ] {
            assert!(server(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_checked() {
        assert!(subject("ada lovelace").is_ok() && node("api-7d9f").is_ok());
        for bad in ["", " ", "a\nb", &"a".repeat(201)] {
            assert!(subject(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "a\"b", &"a".repeat(65)] {
            assert!(node(bad).is_err(), "{bad:?}");
        }
    }
}
