//! Every check, in the order in which they are told.

use std::time::Duration;

use super::{
    Check, On, clock, data, hosts, licence, nodes, objects, past, plans, pools, regions, retries,
    role, schema, server, session, statistics, types, upkeep,
};

/// A question that is one statement or a few.
const SHORT: Duration = Duration::from_secs(5);
/// A question to every table, or about every statement.
const LONG: Duration = Duration::from_secs(60);
/// A write's attempts end within its deadline of ten seconds.
const WRITE: Duration = Duration::from_secs(15);

macro_rules! checks {
    ($($name:literal, $on:ident, $bound:ident, $ask:path, $asks:literal, $remedy:literal;)*) => {
        /// Every check. What a check's row says is also in `docs/operations.md`.
        pub const CHECKS: &[Check] = &[$(Check {
            name: $name,
            asks: $asks,
            remedy: $remedy,
            on: On::$on,
            bound: $bound,
            ask: |exam| Box::pin($ask(exam)),
        },)*];
    };
}

checks! {
    "version", Both, SHORT, server::version,
        "is it a release that this build was made for",
        "upgrade: PostgreSQL 15 or later, CockroachDB v25.4 or later";
    "hosts", Both, SHORT, hosts::answer,
        "does every host of the URL answer",
        "start it, or take it out of the URL";
    "encryption", Both, SHORT, hosts::encryption,
        "is what goes to other machines encrypted, and are they who they say",
        "sslmode=verify-full and sslrootcert=… in the URL";
    "encoding", Both, SHORT, server::encoding,
        "can every text be stored, and are texts sorted by their bytes",
        "move to a new one: `CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`";
    "clock", Both, SHORT, clock::offset,
        "are the clocks of this machine and of the hosts near enough to one another",
        "chrony or the cloud's time service on every machine, one kind of source for all";
    "schema", Both, SHORT, schema::versions,
        "is every system's schema that of this build",
        "`meridian migrate`";
    "objects", Both, SHORT, objects::present,
        "is every table, constraint and index there, and valid",
        "run the statement of the migration that made it";
    "migration", Both, SHORT, schema::lease,
        "does nobody migrate, and did nobody stop half-way",
        "`meridian migrate`: it goes on from there";
    "role", Both, SHORT, role::modest,
        "is there the services' role, and is it nobody special",
        "`meridian migrate`";
    "rights", Both, SHORT, role::rights,
        "has the role the rights that it needs, and no others",
        "`meridian migrate`";
    "settings", Both, SHORT, session::given,
        "do role and database give sessions nothing that harms",
        "`ALTER ROLE … RESET …`";
    "session", Both, SHORT, session::keeps,
        "does a session keep what it is told, and are writes serializable",
        "connect to the database itself, or through a pooler that gives each client a session of its own";
    "types", Both, SHORT, types::round_trip,
        "does a value of each type come back as it was sent",
        "use a release of the version check; tell us of the type";
    "conflicts", Both, WRITE, retries::end,
        "does a write that meets a conflict each time end as contention, after a bounded number of attempts",
        "tell us what was found: a conflict is not told as one";
    "offices", Both, SHORT, data::homes,
        "is there an office, and is every office homed in a region",
        "`meridian migrate`";
    "currencies", Both, SHORT, data::currencies,
        "is every currency there, with its decimals",
        "`meridian migrate`";
    "statistics", Both, LONG, statistics::fresh,
        "are the planner's row counts near the truth",
        "`ANALYZE` each table that is named";
    "plans", Both, LONG, plans::indexed,
        "does every statement find its rows by an index, on CockroachDB in our region",
        "`ANALYZE` the table; then see the checks objects and localities";
    "pools", Both, SHORT, pools::fit,
        "can the database carry every connection that the services may open",
        "fewer --connections per server, fewer servers, or a larger database";
    "events", Both, SHORT, upkeep::numbering,
        "do events get their numbers at once",
        "run `meridian serve hub` (or all) in some region, and see its log for the sequencer";
    "expiry", Both, SHORT, upkeep::expiry,
        "are key rows deleted that are past their time",
        "run `meridian serve hub` (or all) in some region; on CockroachDB also `meridian regions apply`";
    "gateway", Cockroach, SHORT, hosts::gateway,
        "is the host that is tried first in our region",
        "name the hosts of our own region first in the URL, or give --region";
    "cluster-regions", Cockroach, SHORT, regions::of_cluster,
        "has the cluster nodes in every region",
        "start nodes with --locality=region=…, or correct the region files";
    "database-regions", Cockroach, SHORT, regions::of_database,
        "has the database the regions of the region files, and the same primary one",
        "`meridian regions apply`";
    "survival", Cockroach, SHORT, regions::survival,
        "does the database outlive the loss of a region",
        "`meridian regions apply`, or `ALTER DATABASE … SURVIVE REGION FAILURE`";
    "localities", Cockroach, LONG, regions::localities,
        "does every table live where it is declared to",
        "`meridian regions apply`";
    "zones", Cockroach, SHORT, regions::zones,
        "is the loss of a zone outlived",
        "start nodes with --locality=region=…,zone=… in three zones of each region, or `ALTER DATABASE … SURVIVE REGION FAILURE`";
    "nodes", Cockroach, SHORT, nodes::alive,
        "do enough nodes live, and is none on its way out",
        "start the node again, or decommission it";
    "max-offset", Cockroach, SHORT, nodes::max_offset,
        "do the nodes bear no larger difference of clocks than the services count with, and all the same",
        "start every node with the same --max-offset, 500ms or less (250ms makes writes to global tables faster)";
    "uniqueness", Cockroach, LONG, plans::uniqueness,
        "does no insert look for a twin in other regions",
        "`meridian regions apply`; the region must be the first column of the key";
    "foreign-keys", Cockroach, LONG, plans::foreign_keys,
        "is every parent looked for in one region",
        "`ANALYZE` the parent's table, then `meridian regions apply`; the region must be part of the foreign key";
    "follower-reads", Cockroach, SHORT, past::follower_reads,
        "are reads of the past answered in our region",
        "`SET CLUSTER SETTING kv.closed_timestamp.follower_reads.enabled = true`; `ALTER DATABASE … PLACEMENT DEFAULT`";
    "bounded-reads", Cockroach, SHORT, past::bounded_staleness,
        "can a row be read with a bound on its age",
        "use a release of the version check";
    "commit-time", Cockroach, SHORT, past::commit_timestamp,
        "can the time of a commit be had",
        "use a release of the version check";
    "licence", Cockroach, SHORT, licence::state,
        "has the cluster a licence key that does not end soon, and does the server say nothing about it",
        "`SET CLUSTER SETTING cluster.organization = '…'`; `SET CLUSTER SETTING enterprise.license = '…'`";
}
