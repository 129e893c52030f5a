//! CockroachDB: databases that tests use one after another.
//!
//! There is no template to clone, and to migrate a database with its localities takes minutes. So each set of schemas has a
//! few databases, its slots: made when first needed, the first by migrating and the others from a backup of that, emptied
//! between tests, used again by later runs. A row in the server's own database says who has a slot: a lease, renewed while
//! the test runs, that lapses when its process dies.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

use platform_db::{
    Connection, DatabaseUrl, Migrations,
    placement::{self, Applied, Extent, Goal, Site},
};

use crate::{
    call::{tag, within},
    db::{APP_PASSWORD, REGIONS, at, connected, rows},
    emptying::{self, Seeds},
};

const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS public.meridian_test_slots (
        template   TEXT        NOT NULL,
        slot       INT8        NOT NULL,
        systems    TEXT        NOT NULL,
        ready      BOOL        NOT NULL,
        debts      TEXT        NOT NULL,
        holder     TEXT        NOT NULL,
        expires_at TIMESTAMPTZ NOT NULL,
        CONSTRAINT meridian_test_slots_pkey PRIMARY KEY (template, slot)
    )";

/// Slots of a template: the ready ones first, and of those the one that rested longest.
const LIST: &str = "
    SELECT slot, expires_at < now() AS free FROM public.meridian_test_slots
    WHERE template = $1 ORDER BY ready DESC, expires_at";

const TAKE: &str = "
    INSERT INTO public.meridian_test_slots AS s (template, slot, systems, ready, debts, holder, expires_at)
    VALUES ($1, $2, $3, false, '', $4, now() + INTERVAL '60 seconds')
    ON CONFLICT (template, slot) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE s.expires_at < now()
    RETURNING ready, debts";

const RENEW: &str = "
    UPDATE public.meridian_test_slots SET expires_at = now() + INTERVAL '60 seconds'
    WHERE template = $1 AND slot = $2 AND holder = $3";

const RELEASE: &str = "
    UPDATE public.meridian_test_slots SET expires_at = now()
    WHERE template = $1 AND slot = $2 AND holder = $3";

const MADE: &str = "
    UPDATE public.meridian_test_slots SET ready = true, debts = '' WHERE template = $1 AND slot = $2";

const OWE: &str = "
    UPDATE public.meridian_test_slots SET debts = debts || $3::TEXT WHERE template = $1 AND slot = $2";

/// Slots of the same systems in another version, which nobody has used for an hour.
const OUTDATED: &str = "
    SELECT template, slot FROM public.meridian_test_slots
    WHERE systems = $1 AND template <> $2 AND expires_at < now() - INTERVAL '1 hour'";

const FORGET: &str = "
    DELETE FROM public.meridian_test_slots
    WHERE template = $1 AND slot = $2 AND expires_at < now() - INTERVAL '1 hour'";

const RENEW_EVERY: Duration = Duration::from_secs(15);
/// Others may be making their databases.
const WAIT_MAX: Duration = Duration::from_secs(1800);
/// A test that has two databases at once must not wait for the other tests, which may wait for it.
const SPARE: usize = 2;

/// A database, had until this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    lease: Lease,
    /// Told to end, or dropped.
    ending: Option<Sender<Ending>>,
    keeper: Option<JoinHandle<()>>,
}

/// How a slot is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Emptied, for the next test to find.
    Emptied,
    /// As it is, to be looked at until the next test takes it.
    Kept,
}

#[derive(Debug, Clone)]
struct Lease {
    server: DatabaseUrl,
    template: String,
    slot: i64,
    holder: String,
}

impl Slot {
    /// Waits for a slot and makes or empties its database.
    pub(crate) async fn take(
        server: &DatabaseUrl,
        template: &str,
        systems: &[&'static Migrations],
    ) -> Self {
        let client = connected(server).await;
        crate::eventually("the table of slots is there", async || {
            client.batch_execute(CREATE).await.is_ok() // several make it at once
        })
        .await;
        let mut names: Vec<&str> = systems.iter().map(|system| system.system).collect();
        names.sort_unstable();
        let names = names.join(",");
        let (lease, ready, debts) = Lease::take(&client, server, template, &names).await;
        let slot = lease.kept();
        if ready {
            let owner = connected(&slot.lease.address()).await;
            emptying::empty(&owner, &debts).await;
            if !debts.is_empty() {
                slot.lease.run(&client, MADE).await;
            }
        } else {
            drop_outdated(&client, &names, template).await;
            slot.lease.make(&client, systems).await;
        }
        // Reads of a past moment must not find what the last test left there.
        let owner = connected(&slot.lease.address()).await;
        within(
            Duration::from_secs(60),
            "the past is empty too",
            async || emptying::was_empty(&owner).await,
        )
        .await;
        slot
    }

    /// The database.
    pub(crate) fn name(&self) -> String {
        self.lease.name()
    }

    /// Notes statements that must be run once the test's rows are gone, before what makes them necessary is done. Each
    /// ends with a line.
    pub(crate) async fn owe(&self, debts: &str) {
        let client = connected(&self.lease.server).await;
        let Lease { template, slot, .. } = &self.lease;
        let noted = client.execute(OWE, &[template, slot, &debts]).await;
        noted.unwrap_or_else(|error| panic!("{error:?}"));
    }

    pub(crate) fn leave(&mut self, how: Ending) {
        if let Some(ending) = self.ending.take() {
            ending.send(how).ok(); // a keeper that is gone has said why
        }
        if let Some(keeper) = self.keeper.take() {
            keeper.join().ok();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave(Ending::Kept);
    }
}

impl Lease {
    async fn take(
        client: &Connection,
        server: &DatabaseUrl,
        template: &str,
        systems: &str,
    ) -> (Self, bool, String) {
        let holder = format!("{}-{:016x}", std::process::id(), rand::random::<u64>());
        let most = slots();
        let mut taken = None;
        within(WAIT_MAX, "a database is free", async || {
            let listed = client.query(LIST, &[&template]).await;
            let Ok(listed) = listed else { return false };
            let all: Vec<(i64, bool)> = listed.iter().map(|row| (row.get(0), row.get(1))).collect();
            let new = (0..most).filter(|n| all.iter().all(|(slot, _)| slot != n));
            let free = all.iter().filter(|(_, free)| *free).map(|(slot, _)| *slot);
            for slot in free.chain(new) {
                let row = client
                    .query_opt(TAKE, &[&template, &slot, &systems, &holder])
                    .await;
                if let Ok(Some(row)) = row {
                    taken = Some((slot, row.get::<_, bool>(0), row.get::<_, String>(1)));
                    return true;
                }
            }
            false
        })
        .await;
        let (slot, ready, debts) = taken.expect("waited for");
        let lease = Self {
            server: server.clone(),
            template: template.to_owned(),
            slot,
            holder,
        };
        (lease, ready, debts)
    }

    fn name(&self) -> String {
        name(&self.template, self.slot)
    }

    fn address(&self) -> DatabaseUrl {
        self.server.clone().with_database(&self.name())
    }

    /// The lease with a thread that renews it, since a test may keep its own busy, and that ends it.
    fn kept(self) -> Slot {
        let (ending, end) = channel();
        let lease = self.clone();
        let keeper = std::thread::spawn(move || lease.keep(&end));
        Slot {
            lease: self,
            ending: Some(ending),
            keeper: Some(keeper),
        }
    }

    fn keep(&self, end: &Receiver<Ending>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        loop {
            match end.recv_timeout(RENEW_EVERY) {
                Err(RecvTimeoutError::Timeout) => {
                    runtime
                        .block_on(async { self.run(&connected(&self.server).await, RENEW).await });
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(how) => {
                    return runtime.block_on(async {
                        if how == Ending::Emptied {
                            emptying::empty(&connected(&self.address()).await, "").await;
                        }
                        self.run(&connected(&self.server).await, RELEASE).await;
                    });
                }
            }
        }
    }

    async fn run(&self, client: &Connection, sql: &str) {
        let done = if sql == MADE {
            client.execute(sql, &[&self.template, &self.slot]).await
        } else {
            let Self {
                template,
                slot,
                holder,
                ..
            } = self;
            client.execute(sql, &[template, slot, holder]).await
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    async fn make(&self, client: &Connection, systems: &[&'static Migrations]) {
        let name = self.name();
        let drop = format!("DROP DATABASE IF EXISTS {name} CASCADE");
        must(client, &drop).await;
        let is_copy = self.copy(client, &drop).await;
        if !is_copy {
            eprintln!("making the database {name}, which takes minutes where it has regions");
            must(client, &format!("CREATE DATABASE {name}")).await;
        }
        // A copy lacks the rights of the services' role, and what is said of a database rather than of its tables.
        platform_db::migrate(
            &at(&self.server, &name),
            systems,
            Some(APP_PASSWORD),
            |_| {},
        )
        .await
        .unwrap_or_else(|error| panic!("the schemas can be migrated: {error:?}"));
        self.place(systems).await;
        // What tests delete is kept for hours otherwise, and read over by every scan. It is no harm where it is refused.
        let forget = format!("ALTER DATABASE {name} CONFIGURE ZONE USING gc.ttlseconds = 600");
        client.batch_execute(&forget).await.ok();
        if !is_copy {
            Seeds::keep(&connected(&self.address()).await).await;
            if let Err(error) = client.batch_execute(&backup(&name)).await {
                eprintln!("the other databases are made by migrating too: {error:?}");
            }
        }
        self.run(client, MADE).await;
    }

    /// Makes the database from the backup of another slot, if there is one.
    async fn copy(&self, client: &Connection, drop: &str) -> bool {
        let name = self.name();
        for source in (0..slots()).map(|slot| self::name(&self.template, slot)) {
            if client.batch_execute(&restore(&source, &name)).await.is_ok() {
                eprintln!("made the database {name} from the backup of {source}");
                return true;
            }
        }
        must(client, drop).await; // what a restore left that failed half-way
        false
    }

    /// As `meridian migrate` does, where the cluster has the regions of tests.
    async fn place(&self, systems: &[&'static Migrations]) {
        let others = systems.iter().copied();
        let all: Vec<_> = std::iter::once(platform_db::migrations())
            .chain(others.filter(|system| system.system != "platform"))
            .collect();
        let site = |name: &str| Site {
            tag: tag(name),
            names: vec![name.to_owned()],
        };
        let goal = Goal::new(&all, REGIONS.map(site).into(), Extent::Grow);
        match placement::apply(&self.address().expose(), &goal, |_| {}).await {
            Ok(Applied {
                hindrance: Some(why),
                ..
            }) => eprintln!("{}: {why}", self.name()),
            Ok(done) => eprintln!("{}: placed by {} statements", self.name(), done.statements),
            Err(error) => panic!("the tables can be placed: {error:?}"),
        }
    }
}

fn name(template: &str, slot: i64) -> String {
    format!("{template}_{slot}")
}

/// How many slots a template has at most.
fn slots() -> i64 {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    i64::try_from(threads + SPARE).expect("a small number")
}

/// To the store of files that a cluster has of its own.
fn backup(database: &str) -> String {
    format!("BACKUP DATABASE {database} INTO 'userfile:///{database}'")
}

fn restore(source: &str, database: &str) -> String {
    format!(
        "RESTORE DATABASE {source} FROM LATEST IN 'userfile:///{source}' WITH new_db_name = '{database}'"
    )
}

async fn must(client: &Connection, sql: &str) {
    let done = client.batch_execute(sql).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

async fn drop_outdated(client: &Connection, systems: &str, template: &str) {
    let outdated = rows(client, OUTDATED, &[&systems, &template]).await;
    for row in outdated {
        let (template, slot): (String, i64) = (row.get(0), row.get(1));
        // Where another process is faster, there is nothing left to do.
        let drop = format!("DROP DATABASE IF EXISTS {} CASCADE", name(&template, slot));
        if client.batch_execute(&drop).await.is_ok() {
            client.execute(FORGET, &[&template, &slot]).await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TestDb, record};

    /// What only CockroachDB understands, for the check against its grammar.
    #[test]
    fn backups_are_written_down_for_the_grammar() {
        let (backup, restore) = (backup("test_1_0"), restore("test_1_0", "test_1_1"));
        record(&backup);
        record(&restore);
        let place = |sql: &str| sql.split('\'').nth(1).map(str::to_owned);
        assert_eq!(place(&backup), place(&restore));
    }

    /// The rows are the same on both engines; the databases behind them are not made here.
    #[tokio::test]
    async fn a_slot_is_one_holders_until_it_is_given_back_or_lapses() {
        let test = TestDb::new(&[]).await;
        let server = DatabaseUrl::parse(test.owner_url()).expect("a URL");
        let client = connected(&server).await;
        client.batch_execute(CREATE).await.expect("a table");
        let take = async || Lease::take(&client, &server, "test_1", "platform").await;
        let ((one, ready, _), (other, _, _)) = (take().await, take().await);
        assert!(!ready, "nobody has made it");
        assert_ne!(one.name(), other.name());
        one.run(&client, MADE).await;
        one.run(&client, RELEASE).await;
        let (again, ready, debts) = take().await;
        assert_eq!(
            (again.name(), ready, debts),
            (one.name(), true, String::new())
        );
        // Its process died.
        let lapse =
            "UPDATE public.meridian_test_slots SET expires_at = now() - INTERVAL '1 minute'";
        client.batch_execute(lapse).await.expect("an update");
        let heir = take().await.0;
        assert_eq!(heir.name(), again.name(), "those that are ready come first");
        // Whoever lost it cannot give back what is another's.
        again.run(&client, RELEASE).await;
        assert_ne!(take().await.0.name(), heir.name());
    }

    #[tokio::test]
    async fn slots_of_an_older_version_are_found_once_nobody_has_used_them() {
        let test = TestDb::new(&[]).await;
        let server = DatabaseUrl::parse(test.owner_url()).expect("a URL");
        let client = connected(&server).await;
        client.batch_execute(CREATE).await.expect("a table");
        Lease::take(&client, &server, "test_1", "platform").await;
        let found = async || {
            rows(&client, OUTDATED, &[&"platform", &"test_2"])
                .await
                .len()
        };
        assert_eq!(found().await, 0, "it is in use");
        let lapse = "UPDATE public.meridian_test_slots SET expires_at = now() - INTERVAL '2 hours'";
        client.batch_execute(lapse).await.expect("an update");
        assert_eq!(found().await, 1);
        let forgotten = client.execute(FORGET, &[&"test_1", &0_i64]).await;
        assert_eq!(forgotten.expect("a delete"), 1);
    }
}
