//! The lease row: one migration job at a time, whichever machine it runs on.

use std::{convert::Infallible, time::Duration};

use rand::Rng as _;

use crate::pool::Object;

use super::MigrateError;

pub(super) const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS platform.migration_leases (
        name       TEXT        NOT NULL,
        holder     TEXT        NOT NULL,
        expires_at TIMESTAMPTZ NOT NULL,
        CONSTRAINT migration_leases_pkey PRIMARY KEY (name)
    )";

/// Takes the lease when it is free or expired, renews it when it is ours. 30 s: a job that died blocks the next
/// one no longer; one that lives renews it every 10 s.
pub(super) const TAKE: &str = "
    INSERT INTO platform.migration_leases AS l (name, holder, expires_at)
    VALUES ('migrate', $1, now() + INTERVAL '30 seconds')
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE l.expires_at < now() OR l.holder = excluded.holder
    RETURNING holder";

pub(super) const HOLDER: &str =
    "SELECT holder FROM platform.migration_leases WHERE name = 'migrate'";

pub(super) const RELEASE: &str =
    "DELETE FROM platform.migration_leases WHERE name = 'migrate' AND holder = $1";

const RENEW_EVERY: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Long enough for the longest migration of another job: on a cluster each of a hundred schema changes takes seconds.
const WAIT_MAX: Duration = Duration::from_secs(1800);

/// The lease, held.
pub(super) struct Lease<'a> {
    client: &'a Object,
    holder: String,
}

impl<'a> Lease<'a> {
    /// Waits until it is ours.
    pub(super) async fn take(
        client: &'a Object,
        progress: &dyn Fn(&str),
    ) -> Result<Self, MigrateError> {
        let holder = format!(
            "{}-{:016x}",
            std::process::id(),
            rand::rng().random::<u64>()
        );
        let lease = Self { client, holder };
        let give_up = tokio::time::Instant::now() + WAIT_MAX;
        let mut told = false;
        while !lease.renew().await? {
            let other = client.query_opt(HOLDER, &[]).await?;
            let holder = other.map_or(Ok(String::new()), |row| row.try_get(0))?;
            if tokio::time::Instant::now() > give_up {
                return Err(MigrateError::Leased { holder });
            }
            if !told {
                progress(&format!("waiting for another migration ({holder}) to end"));
                told = true;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(lease)
    }

    /// Renews it for ever; ends only when that fails.
    pub(super) async fn keep(&self) -> MigrateError {
        let failed: Result<Infallible, MigrateError> = async {
            loop {
                tokio::time::sleep(RENEW_EVERY).await;
                if !self.renew().await? {
                    return Err(MigrateError::Leased {
                        holder: "another job, after ours".into(),
                    });
                }
            }
        }
        .await;
        match failed {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    /// Gives it back.
    pub(super) async fn release(self) -> Result<(), MigrateError> {
        self.client.execute(RELEASE, &[&self.holder]).await?;
        Ok(())
    }

    async fn renew(&self) -> Result<bool, MigrateError> {
        Ok(self
            .client
            .query_opt(TAKE, &[&self.holder])
            .await?
            .is_some())
    }
}
