//! Whether a session keeps what it was told, and whether somebody has told the services' sessions something else.

use super::{Exam, Finding, exam::For, some_of};
use crate::{
    DbError,
    engine::{Engine, Purpose},
};

const BEGIN: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE";

/// What a session must say after it was told, and what is asked for it. Times are in milliseconds.
const KEPT: &[(&str, &str)] = &[
    ("SHOW default_transaction_read_only", "on"),
    ("SHOW idle_in_transaction_session_timeout", "5000"),
    ("SHOW statement_timeout", "10000"),
];
/// The same inside a transaction of a write.
const KEPT_INSIDE: &[(&str, &str)] = &[
    ("SHOW transaction_isolation", "serializable"),
    ("SHOW transaction_read_only", "off"),
];

/// Whether settings stick. A pooler between that hands each transaction another session loses them.
pub(super) async fn keeps(exam: &Exam) -> Result<Finding, DbError> {
    let engine = exam.engine().unwrap_or(Engine::Postgres);
    exam.on(For::Reading, async |line| {
        line.run(engine.settings(Purpose::Transactions)).await?;
        let mut lost = Vec::new();
        for (show, wanted) in KEPT {
            lost.extend(differs(show, wanted, &line.text(show).await?));
        }
        line.run(BEGIN).await?;
        for (show, wanted) in KEPT_INSIDE {
            lost.extend(differs(show, wanted, &line.text(show).await?));
        }
        line.run("ROLLBACK").await?;
        Ok(judge_kept(&lost))
    })
    .await
}

/// What a setting is instead of what it was set to.
fn differs(show: &str, wanted: &str, found: &str) -> Option<String> {
    let name = show.trim_start_matches("SHOW ");
    let is_so = found == wanted || milliseconds(found).is_some_and(|ms| ms.to_string() == wanted);
    (!is_so).then(|| format!("{name} is {found} and not {wanted}"))
}

/// PostgreSQL says `5s`, CockroachDB `5000`.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn judge_kept(lost: &[String]) -> Finding {
    if lost.is_empty() {
        Finding::pass("a session keeps its settings; writes are serializable")
    } else {
        Finding::fail(some_of(lost))
    }
}

/// Settings that role or database give to the services' sessions.
const GIVEN: &str = "
    SELECT coalesce(r.rolname::TEXT, ''), coalesce(d.datname::TEXT, ''), unnest(s.setconfig)
    FROM pg_catalog.pg_db_role_setting AS s
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
    LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
    WHERE (s.setrole = 0 OR r.rolname = 'meridian_app')
      AND (s.setdatabase = 0 OR d.datname = current_database())";

/// Settings that Meridian does not make itself, and that break its sessions or what they read.
const HARMFUL: &[(&str, &str)] = &[
    ("lock_timeout", "whoever waits for a hot row fails"),
    ("transaction_timeout", "imports and exports are cut off"),
    (
        "idle_session_timeout",
        "connections that wait for work are closed",
    ),
    (
        "idle_in_session_timeout",
        "connections that wait for work are closed",
    ),
    (
        "default_transaction_use_follower_reads",
        "strong reads show the past",
    ),
    ("enforce_home_region", "reads of other regions fail"),
    ("session_replication_role", "foreign keys are not checked"),
];

/// Whether role or database have settings that harm.
pub(super) async fn given(exam: &Exam) -> Result<Finding, DbError> {
    let rows = exam
        .on(For::Reading, async |line| line.rows(GIVEN).await)
        .await?;
    Ok(judge_given(&rows))
}

fn judge_given(rows: &[Vec<String>]) -> Finding {
    let (mut told, mut remedies) = (Vec::new(), Vec::new());
    for row in rows {
        let [role, database, setting] = row.as_slice() else {
            continue;
        };
        let Some((name, value)) = setting.split_once('=') else {
            continue;
        };
        let off = ["", "0", "off", "false", "origin", "0s", "0ms"].contains(&value);
        let Some((_, harm)) = HARMFUL.iter().find(|(harmful, _)| !off && name == *harmful) else {
            continue;
        };
        told.push(format!("{name} = {value}: {harm}"));
        let role = if role.is_empty() { "ALL" } else { role };
        let place = if database.is_empty() {
            String::new()
        } else {
            format!(" IN DATABASE \"{database}\"")
        };
        remedies.push(format!("ALTER ROLE {role}{place} RESET {name}"));
    }
    if told.is_empty() {
        Finding::pass("role and database give nothing that harms")
    } else {
        Finding::fail(some_of(&told)).remedied_by(remedies.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn both_engines_are_understood() {
        for (found, kept) in [
            ("5s", true),
            ("5000", true),
            ("5000ms", true),
            ("0", false),
            ("5min", false),
            ("on", false),
        ] {
            let lost = differs("SHOW idle_in_transaction_session_timeout", "5000", found);
            assert_eq!(lost.is_none(), kept, "{found}: {lost:?}");
        }
        let lost = differs(
            "SHOW transaction_isolation",
            "serializable",
            "read committed",
        );
        let found = judge_kept(&[lost.unwrap()]);
        assert_eq!(found.outcome, Outcome::Fail);
        assert_eq!(
            found.found,
            "transaction_isolation is read committed and not serializable"
        );
    }

    #[test]
    fn what_harms_is_reset_where_it_was_set() {
        let row = |role: &str, database: &str, setting: &str| {
            vec![role.to_owned(), database.to_owned(), setting.to_owned()]
        };
        let harmless = [
            row("", "", "work_mem=64MB"),
            row("meridian_app", "", "lock_timeout=0"),
        ];
        assert_eq!(judge_given(&harmless).outcome, Outcome::Pass);
        let found = judge_given(&[
            row("meridian_app", "shop", "lock_timeout=1s"),
            row("", "shop", "transaction_timeout=5s"),
        ]);
        assert_eq!(found.outcome, Outcome::Fail);
        assert_eq!(
            found.remedy.as_deref(),
            Some(
                "ALTER ROLE meridian_app IN DATABASE \"shop\" RESET lock_timeout; \
                 ALTER ROLE ALL IN DATABASE \"shop\" RESET transaction_timeout"
            )
        );
    }
}
