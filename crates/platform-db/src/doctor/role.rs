//! Whether the services' role can do what it needs and nothing else (hard case 35).

use super::{Exam, Finding, exam::For, some_of};
use crate::{DbError, Migrations, engine::Engine};

/// Rights on a table, in the order in which they are asked for.
const RIGHTS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

const ROLE: &str = "
    SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb
    FROM pg_catalog.pg_roles WHERE rolname = 'meridian_app'";
const OWNED: &str = "
    SELECT n.nspname || '.' || c.relname
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner
    WHERE r.rolname = 'meridian_app'
    ORDER BY 1 LIMIT 5";
/// CockroachDB's role that may do anything.
const IS_ADMIN: &str = "SELECT pg_has_role('meridian_app', 'admin', 'MEMBER')";

/// Whether the role is there, and is nobody special.
pub(super) async fn modest(exam: &Exam) -> Result<Finding, DbError> {
    let cockroach = exam.engine() == Some(Engine::Cockroach);
    let creates = format!(
        "SELECT nspname FROM pg_catalog.pg_namespace
         WHERE nspname IN ('public', {}) AND has_schema_privilege('meridian_app', nspname, 'CREATE')",
        exam.schemas()
    );
    exam.on(For::Reading, async |line| {
        let role = line.rows(ROLE).await?;
        let Some(attributes) = role.first() else {
            return Ok(Finding::fail("there is no role meridian_app"));
        };
        let is_admin = if cockroach {
            line.text_if_told(IS_ADMIN).await?
        } else {
            None
        };
        let (owned, creates) = (line.texts(OWNED).await?, line.texts(&creates).await?);
        let is_admin = is_admin.as_deref() == Some("t");
        Ok(judge_role(attributes, is_admin, &owned, &creates))
    })
    .await
}

fn judge_role(
    attributes: &[String],
    is_admin: bool,
    owned: &[String],
    creates: &[String],
) -> Finding {
    let is = |index: usize| attributes.get(index).is_some_and(|value| value == "t");
    let mut faults: Vec<(String, String)> = Vec::new();
    let mut fault = |told: String, remedy: String| faults.push((told, remedy));
    let alter = |words: &str| format!("ALTER ROLE meridian_app WITH {words}");
    if !is(0) {
        fault("it cannot log in".into(), alter("LOGIN"));
    }
    if is_admin {
        fault(
            "it is an admin".into(),
            "REVOKE admin FROM meridian_app".into(),
        );
    } else if is(1) {
        fault("it is a superuser".into(), alter("NOSUPERUSER"));
    }
    if is(2) && !is_admin {
        fault("it creates roles".into(), alter("NOCREATEROLE"));
    }
    if is(3) && !is_admin {
        fault("it creates databases".into(), alter("NOCREATEDB"));
    }
    if !is_admin && !is(1) {
        for schema in creates {
            // PUBLIC is everybody: what it may do cannot be taken from one.
            let whom = if schema == "public" {
                "PUBLIC"
            } else {
                "meridian_app"
            };
            let revoke = format!("REVOKE CREATE ON SCHEMA {schema} FROM {whom}");
            fault(format!("it creates tables in schema {schema}"), revoke);
        }
    }
    if let Some(first) = owned.first() {
        let remedy = format!("REASSIGN OWNED BY meridian_app TO CURRENT_USER; -- it owns {first}");
        fault(format!("it owns {}", some_of(owned)), remedy);
    }
    if faults.is_empty() {
        return Finding::pass("meridian_app logs in, owns nothing and creates nothing");
    }
    let (told, remedies): (Vec<String>, Vec<String>) = faults.into_iter().unzip();
    Finding::fail(format!("meridian_app: {}", told.join(", "))).remedied_by(remedies.join("; "))
}

/// Whether it has the rights that the systems name, and no others.
pub(super) async fn rights(exam: &Exam) -> Result<Finding, DbError> {
    let wanted = wanted(&exam.patient.systems);
    let names: Vec<String> = wanted
        .iter()
        .map(|(name, _)| format!("('{name}')"))
        .collect();
    let asked =
        RIGHTS.map(|right| format!("has_table_privilege('meridian_app', t.name, '{right}')"));
    // What is not there is told by others.
    let sql = format!(
        "SELECT t.name, {} FROM (VALUES {}) AS t (name) WHERE to_regclass(t.name) IS NOT NULL",
        asked.join(", "),
        names.join(", ")
    );
    let usage = format!(
        "SELECT nspname FROM pg_catalog.pg_namespace
         WHERE nspname IN ({}) AND NOT has_schema_privilege('meridian_app', nspname, 'USAGE')",
        exam.schemas()
    );
    exam.on(For::Reading, async |line| {
        if line.rows(ROLE).await?.is_empty() {
            return Ok(Finding::unknown("there is no role meridian_app"));
        }
        let (rows, unused) = (line.rows(&sql).await?, line.texts(&usage).await?);
        Ok(judge_rights(&wanted, &rows, &unused))
    })
    .await
}

/// Every table with the rights that services need on it.
fn wanted(systems: &[&'static Migrations]) -> Vec<(String, Vec<&'static str>)> {
    let tables = systems.iter().flat_map(|system| {
        let history = (system.history(), vec!["SELECT"]);
        let tables = system.grants.iter().map(|(table, rights)| {
            let rights = rights.split(',').map(str::trim).collect();
            (format!("{}.{table}", system.system), rights)
        });
        std::iter::once(history).chain(tables)
    });
    tables.collect()
}

fn judge_rights(
    wanted: &[(String, Vec<&str>)],
    rows: &[Vec<String>],
    unused: &[String],
) -> Finding {
    let (mut missing, mut surplus, mut revokes) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let Some((table, has)) = row.split_first() else {
            continue;
        };
        let Some((_, rights)) = wanted.iter().find(|(name, _)| name == table) else {
            continue;
        };
        for (right, has) in RIGHTS.iter().zip(has) {
            match (rights.contains(right), has == "t") {
                (true, false) => missing.push(format!("it has no {right} on {table}")),
                (false, true) => {
                    surplus.push(format!("it has {right} on {table}"));
                    revokes.push(format!("REVOKE {right} ON TABLE {table} FROM meridian_app"));
                }
                (true, true) | (false, false) => {}
            }
        }
    }
    missing.extend(
        unused
            .iter()
            .map(|schema| format!("it has no USAGE on schema {schema}")),
    );
    if missing.is_empty() && surplus.is_empty() {
        return Finding::pass(format!("as needed on {} tables, and no more", rows.len()));
    }
    let told = missing.iter().chain(&surplus).cloned().collect::<Vec<_>>();
    let finding = Finding::fail(format!("meridian_app: {}", some_of(&told)));
    if missing.is_empty() {
        // `migrate` revokes too; who gave the right must take it back where that was another than the owner.
        finding.remedied_by(format!("`meridian migrate`, or {}", some_of(&revokes)))
    } else {
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn a_role_is_nobody_special() {
        let modest = texts(&["t", "f", "f", "f"]);
        assert_eq!(judge_role(&modest, false, &[], &[]).outcome, Outcome::Pass);
        let remedy = |attributes: &[&str], admin, owned: &[&str], creates: &[&str]| {
            let found = judge_role(&texts(attributes), admin, &texts(owned), &texts(creates));
            assert_eq!(found.outcome, Outcome::Fail, "{found:?}");
            found.remedy.unwrap()
        };
        assert_eq!(
            remedy(&["f", "t", "t", "f"], false, &[], &["public"]),
            "ALTER ROLE meridian_app WITH LOGIN; ALTER ROLE meridian_app WITH NOSUPERUSER; \
             ALTER ROLE meridian_app WITH NOCREATEROLE"
        );
        assert_eq!(
            remedy(&["t", "t", "t", "t"], true, &[], &[]),
            "REVOKE admin FROM meridian_app"
        );
        assert_eq!(
            remedy(&["t", "f", "f", "f"], false, &[], &["public"]),
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        );
        assert!(
            remedy(&["t", "f", "f", "f"], false, &["shop.orders"], &[]).contains("REASSIGN OWNED")
        );
    }

    #[test]
    fn rights_are_as_named() {
        let wanted = [("shop.orders".to_owned(), vec!["SELECT", "INSERT"])];
        let judged = |rights: [&str; 4]| {
            let row = std::iter::once("shop.orders")
                .chain(rights)
                .map(str::to_owned)
                .collect();
            judge_rights(&wanted, &[row], &[])
        };
        assert_eq!(judged(["t", "t", "f", "f"]).outcome, Outcome::Pass);
        let missing = judged(["t", "f", "f", "t"]);
        assert_eq!((missing.outcome, missing.remedy), (Outcome::Fail, None));
        assert_eq!(
            missing.found,
            "meridian_app: it has no INSERT on shop.orders, it has DELETE on shop.orders"
        );
        let surplus = judged(["t", "t", "t", "f"]);
        assert!(
            surplus
                .remedy
                .unwrap()
                .contains("REVOKE UPDATE ON TABLE shop.orders FROM meridian_app")
        );
        assert_eq!(
            judge_rights(&wanted, &[], &["shop".into()]).outcome,
            Outcome::Fail
        );
    }
}
