//! Which database it is, and what it was made for.

use super::{Exam, Finding, Outcome, exam::For};
use crate::{DbError, engine::Engine};

const POSTGRES_OLDEST: u32 = 15;
/// Statements are kept valid on the release with long-term support, and are checked against the newest one's grammar.
const COCKROACH_OLDEST: (u32, u32) = (25, 4);
const COCKROACH_NEWEST: (u32, u32) = (26, 2);

const ENCODING: &str = "SHOW server_encoding";
/// Whether texts are sorted by their bytes, as CockroachDB does.
const BY_BYTES: &str = "SELECT 'B' < 'a'";

/// Whether it is a release that this build knows.
pub(super) async fn version(exam: &Exam) -> Result<Finding, DbError> {
    let versions = exam
        .hosts
        .iter()
        .filter_map(|host| host.answer.as_ref().ok());
    // Several hosts may be in the middle of an upgrade: the worst of them counts.
    let findings = versions.map(|answer| judge_version(&answer.version));
    let worst = findings.max_by_key(|finding| match finding.outcome {
        Outcome::Pass => 0,
        Outcome::Unknown => 1,
        Outcome::Fail => 2,
    });
    Ok(worst.unwrap_or_else(|| Finding::unknown("no host of the URL answers")))
}

fn judge_version(version: &str) -> Finding {
    let found = version.split(" (").next().unwrap_or(version).to_owned();
    let number = |text: &str| {
        text.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    };
    match Engine::from_version(version) {
        Engine::Postgres => {
            let major = version.split(' ').nth(1).map(number);
            match major.and_then(|major| major.parse::<u32>().ok()) {
                Some(major) if major >= POSTGRES_OLDEST => Finding::pass(found),
                Some(_) => Finding::fail(found),
                None => Finding::unknown(found),
            }
        }
        Engine::Cockroach => {
            let release = version.split(' ').find_map(|word| word.strip_prefix('v'));
            let mut parts = release.unwrap_or_default().split('.').map(number);
            let mut next = || parts.next()?.parse::<u32>().ok();
            match next().zip(next()) {
                Some(release) if release < COCKROACH_OLDEST => Finding::fail(found),
                Some(release) if release <= COCKROACH_NEWEST => Finding::pass(found),
                Some(_) => Finding::unknown(format!(
                    "{found} is newer than what this build was checked against"
                )),
                None => Finding::unknown(found),
            }
        }
    }
}

/// Whether any text can be stored, and in which order texts come.
pub(super) async fn encoding(exam: &Exam) -> Result<Finding, DbError> {
    exam.on(For::Reading, async |line| {
        let (encoding, by_bytes) = (line.text(ENCODING).await?, line.text(BY_BYTES).await?);
        Ok(judge_encoding(&encoding, by_bytes == "t"))
    })
    .await
}

fn judge_encoding(encoding: &str, by_bytes: bool) -> Finding {
    // PostgreSQL says UTF8; CockroachDB has said both.
    if !encoding.replace('-', "").eq_ignore_ascii_case("utf8") {
        Finding::fail(format!("texts are stored as {encoding}"))
    } else if by_bytes {
        Finding::pass(format!("{encoding}, sorted by bytes"))
    } else {
        Finding::unknown(format!(
            "{encoding}, sorted by the rules of a language: lists by a name come in another order than on CockroachDB"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_told_apart() {
        for (version, outcome) in [
            (
                "PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu",
                Outcome::Pass,
            ),
            ("PostgreSQL 18beta1 on x86_64", Outcome::Pass),
            ("PostgreSQL 14.2 on x86_64", Outcome::Fail),
            (
                "CockroachDB CCL v26.2.0 (x86_64-pc-linux-gnu, built 2026/04/27)",
                Outcome::Pass,
            ),
            (
                "CockroachDB CCL v26.1.0-alpha.2 (x86_64-pc-linux-gnu)",
                Outcome::Pass,
            ),
            ("CockroachDB CCL v25.4.10 (x86_64)", Outcome::Pass),
            ("CockroachDB CCL v25.2.1 (x86_64)", Outcome::Fail),
            ("CockroachDB CCL v26.3.1 (x86_64)", Outcome::Unknown),
            ("CockroachDB CCL master", Outcome::Unknown),
            ("something else", Outcome::Unknown),
        ] {
            assert_eq!(judge_version(version).outcome, outcome, "{version}");
        }
        assert_eq!(
            judge_version("PostgreSQL 15.14 (Debian) on x").found,
            "PostgreSQL 15.14"
        );
    }

    #[test]
    fn only_utf8_holds_every_text() {
        assert_eq!(judge_encoding("UTF8", true).outcome, Outcome::Pass);
        assert_eq!(judge_encoding("utf-8", true).outcome, Outcome::Pass);
        assert_eq!(judge_encoding("SQL_ASCII", true).outcome, Outcome::Fail);
        assert_eq!(judge_encoding("UTF8", false).outcome, Outcome::Unknown);
    }
}
