//! Whether a cluster of several nodes has a licence: without one, seven days after its first start at most five
//! transactions are open at once.

use super::{Exam, Finding, exam::For, one_line};
use crate::DbError;

const KEY: &str = "SHOW CLUSTER SETTING enterprise.license";
const ORGANISATION: &str = "SHOW CLUSTER SETTING cluster.organization";

/// Whether a key is set, and whether the server has said something about it.
pub(super) async fn state(exam: &Exam) -> Result<Finding, DbError> {
    let told = exam
        .on(For::Reading, async |line| {
            // A transaction is what the server speaks of licences at.
            line.run("BEGIN; SELECT 1; COMMIT").await?;
            let organisation = line.text_if_told(ORGANISATION).await?;
            Ok((line.text(KEY).await, organisation.unwrap_or_default()))
        })
        .await?;
    let (key, organisation) = told;
    let key = key.map_err(|error| super::reason(&error));
    Ok(judge(key, &organisation, &exam.notices()))
}

fn judge(key: Result<String, String>, organisation: &str, notices: &[String]) -> Finding {
    let warning = notices.iter().find(|notice| {
        let notice = notice.to_lowercase();
        notice.contains("license") || notice.contains("throttl")
    });
    if let Some(warning) = warning {
        return Finding::fail(format!("the server says: {}", one_line(warning)));
    }
    match key {
        Err(reason) => Finding::unknown(reason),
        Ok(key) if key.trim().is_empty() => Finding::fail("no licence key is set"),
        Ok(_) => {
            let whose = if organisation.is_empty() {
                "nobody named"
            } else {
                organisation
            };
            Finding::pass(format!("a licence key is set, for {whose}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn no_key_and_a_warning_fail() {
        let judged = |key: Result<&str, &str>, notices: &[&str]| {
            let notices: Vec<String> = notices.iter().map(|notice| (*notice).to_owned()).collect();
            judge(
                key.map(str::to_owned).map_err(str::to_owned),
                "Acme",
                &notices,
            )
        };
        assert_eq!(
            judged(Ok("crl-0-AbC"), &["waiting for job(s)"]).outcome,
            Outcome::Pass
        );
        assert!(
            !judged(Ok("crl-0-AbC"), &[]).found.contains("AbC"),
            "a key is a secret"
        );
        assert_eq!(judged(Ok(""), &[]).outcome, Outcome::Fail);
        assert_eq!(
            judged(Err("42501: no right"), &[]).outcome,
            Outcome::Unknown
        );
        let notice = "No license installed. The maximum number of concurrently open transactions has been reached.";
        assert_eq!(judged(Ok("crl-0-AbC"), &[notice]).outcome, Outcome::Fail);
    }
}
