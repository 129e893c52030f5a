//! The role that services connect as, and what it may do: nothing that is not named (hard case 35).

use std::collections::{BTreeMap, BTreeSet};

use super::Step;
use crate::Migrations;

/// Services connect as it.
pub(crate) const ROLE: &str = "meridian_app";

/// Rights that can be given on a table.
pub(super) const RIGHTS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// Bounds that hold for every session of the role, also one that does not set them itself as ours do (hard case 3).
const DEFAULTS: [(&str, &str); 2] = [
    ("idle_in_transaction_session_timeout", "5s"),
    ("statement_timeout", "10s"),
];

/// What the services' role holds, or is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// Settings of its sessions.
    pub defaults: BTreeMap<String, String>,
    /// Schemas whose tables it may name.
    pub schemas: BTreeSet<String>,
    /// `schema.table` → what it may do there.
    pub tables: BTreeMap<String, BTreeSet<String>>,
    /// Whether it may make tables in schema `public`, as everybody may on CockroachDB, and on PostgreSQL before 15.
    pub creates: bool,
}

/// One change of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RightsChange {
    Create,
    Default(String, String),
    /// The schemas.
    Use(Vec<String>),
    /// Rights on tables.
    Grant(BTreeSet<String>, Vec<String>),
    Revoke(BTreeSet<String>, Vec<String>),
    /// Nobody but the owner makes tables in schema `public`.
    Close,
}

impl Rights {
    /// What the systems name, and reading their histories, which a server looks at when it starts.
    pub(super) fn declared(systems: &[&'static Migrations]) -> Self {
        let mut tables = BTreeMap::new();
        for system in systems {
            tables.insert(system.history(), BTreeSet::from(["SELECT".to_owned()]));
            for (table, rights) in system.grants {
                let rights = rights.split(',').map(|right| right.trim().to_owned());
                tables.insert(format!("{}.{table}", system.system), rights.collect());
            }
        }
        Self {
            defaults: DEFAULTS
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            schemas: systems
                .iter()
                .map(|system| system.system.to_owned())
                .collect(),
            tables,
            creates: false,
        }
    }

    /// The next thing to change. What is given comes before what is taken away, so that no moment in between has fewer
    /// rights than both: services go on while this runs.
    pub(super) fn next(&self, now: &super::Catalogue) -> Option<RightsChange> {
        let Some(held) = &now.role else {
            return Some(RightsChange::Create);
        };
        let mut defaults = self.defaults.iter();
        if let Some((name, value)) =
            defaults.find(|(name, value)| held.defaults.get(*name) != Some(value))
        {
            return Some(RightsChange::Default(name.clone(), value.clone()));
        }
        let is_present = |schema: &&String| {
            let mut tables = now.present.iter();
            tables.any(|table| table.split('.').next() == Some(schema.as_str()))
        };
        let unused: Vec<String> = self
            .schemas
            .iter()
            .filter(|schema| !held.schemas.contains(*schema))
            .filter(is_present)
            .cloned()
            .collect();
        if !unused.is_empty() {
            return Some(RightsChange::Use(unused));
        }
        let none = BTreeSet::new();
        let tables: Vec<_> = self
            .tables
            .iter()
            .filter(|(table, _)| now.present.contains(*table))
            .map(|(table, wanted)| (table, wanted, held.tables.get(table).unwrap_or(&none)))
            .collect();
        let missing = tables
            .iter()
            .map(|(table, wanted, held)| (*table, *wanted - *held));
        let surplus = tables
            .iter()
            .map(|(table, wanted, held)| (*table, *held - *wanted));
        alike(missing)
            .map(|(rights, tables)| RightsChange::Grant(rights, tables))
            .or_else(|| alike(surplus).map(|(rights, tables)| RightsChange::Revoke(rights, tables)))
            .or_else(|| held.creates.then_some(RightsChange::Close))
    }
}

/// The first set of rights that is not empty, and every table with the same: one statement does for all of them.
fn alike<'a>(
    tables: impl Iterator<Item = (&'a String, BTreeSet<String>)> + Clone,
) -> Option<(BTreeSet<String>, Vec<String>)> {
    let (_, first) = tables.clone().find(|(_, rights)| !rights.is_empty())?;
    let same = tables.filter(|(_, rights)| *rights == first);
    let same = same.map(|(table, _)| table.clone()).collect();
    Some((first, same))
}

impl RightsChange {
    pub(super) fn step(&self) -> Step {
        let (statement, reason) = match self {
            Self::Create => (
                format!("CREATE ROLE {ROLE} WITH LOGIN"),
                "services connect as it".to_owned(),
            ),
            Self::Default(name, value) => (
                format!("ALTER ROLE {ROLE} SET {name} = '{value}'"),
                "a bound that also holds for sessions that set none".to_owned(),
            ),
            Self::Use(schemas) => (
                format!("GRANT USAGE ON SCHEMA {} TO {ROLE}", schemas.join(", ")),
                "services may name what is in them".to_owned(),
            ),
            Self::Grant(rights, tables) => (
                format!(
                    "GRANT {} ON TABLE {} TO {ROLE}",
                    list(rights),
                    tables.join(", ")
                ),
                "what services need, and no more".to_owned(),
            ),
            Self::Revoke(rights, tables) => (
                format!(
                    "REVOKE {} ON TABLE {} FROM {ROLE}",
                    list(rights),
                    tables.join(", ")
                ),
                "what services do not need".to_owned(),
            ),
            Self::Close => (
                format!("REVOKE CREATE ON SCHEMA public FROM PUBLIC, {ROLE}"),
                "nobody but the owner makes tables, in public neither".to_owned(),
            ),
        };
        Step {
            statement,
            reason,
            destructive: false,
            optional: matches!(self, Self::Default(..) | Self::Close),
        }
    }

    pub(super) fn apply(self, role: &mut Option<Rights>) {
        let role = role.get_or_insert_default();
        match self {
            // What everybody may, it may: that is seen when there is somebody to ask for.
            Self::Create => role.creates = true,
            Self::Close => role.creates = false,
            Self::Default(name, value) => drop(role.defaults.insert(name, value)),
            Self::Use(schemas) => role.schemas.extend(schemas),
            Self::Grant(rights, tables) => {
                for table in tables {
                    let held = role.tables.entry(table).or_default();
                    held.extend(rights.iter().cloned());
                }
            }
            Self::Revoke(rights, tables) => {
                for table in tables {
                    let held = role.tables.entry(table).or_default();
                    held.retain(|right| !rights.contains(right));
                }
            }
        }
    }
}

/// In the usual order.
fn list(rights: &BTreeSet<String>) -> String {
    let rank = |right: &String| RIGHTS.iter().position(|known| known == right);
    let mut rights: Vec<&String> = rights.iter().collect();
    rights.sort_by_key(|right| rank(right).unwrap_or(RIGHTS.len()));
    let rights: Vec<&str> = rights.into_iter().map(String::as_str).collect();
    rights.join(", ")
}

/// How the engines print a bound: `10s`, `10000`, `10000ms`, `00:00:10`. As [`DEFAULTS`] says it, where it is the same.
pub(super) fn canonical(value: &str) -> String {
    match milliseconds(value) {
        Some(ms) if ms % 1000 == 0 => format!("{}s", ms / 1000),
        Some(ms) => format!("{ms}ms"),
        None => value.to_owned(),
    }
}

fn milliseconds(value: &str) -> Option<u64> {
    if let Some((hours, rest)) = value.split_once(':') {
        let (minutes, seconds) = rest.split_once(':')?;
        let (hours, minutes, seconds): (u64, u64, u64) = (
            hours.parse().ok()?,
            minutes.parse().ok()?,
            seconds.parse().ok()?,
        );
        return Some(((hours * 60 + minutes) * 60 + seconds) * 1000);
    }
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let factor = match value[digits.len()..].trim() {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        _ => return None,
    };
    Some(digits.parse::<u64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_the_same_however_it_is_printed() {
        for same in ["10s", "10000", "10000ms", "00:00:10", "10 s"] {
            assert_eq!(canonical(same), "10s", "{same}");
        }
        assert_eq!(canonical("1min"), "60s");
        assert_eq!(canonical("250"), "250ms");
        assert_eq!(canonical("a while"), "a while");
    }
}
