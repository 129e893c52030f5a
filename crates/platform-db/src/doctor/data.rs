//! What must be in the tables for anything to work: the offices in their regions, and the currencies.

use kernel::CurrencyCode;

use super::{Exam, Finding, exam::For, some_of};
use crate::DbError;

const OFFICES: &str = "SELECT code, home_region FROM platform.offices ORDER BY code";

/// Whether every office is homed in a region of the region files.
pub(super) async fn homes(exam: &Exam) -> Result<Finding, DbError> {
    let rows = exam
        .on(For::Reading, async |line| line.rows(OFFICES).await)
        .await?;
    let regions: Vec<&str> = exam
        .patient
        .regions
        .iter()
        .map(kernel::RegionTag::as_str)
        .collect();
    Ok(judge_homes(&rows, &regions))
}

fn judge_homes(rows: &[Vec<String>], regions: &[&str]) -> Finding {
    if rows.is_empty() {
        return Finding::fail("there is no office");
    }
    let homeless = rows.iter().filter_map(|row| match row.as_slice() {
        [code, home] if !regions.contains(&home.as_str()) => Some((code, home)),
        _ => None,
    });
    let (mut told, mut missing) = (Vec::new(), Vec::new());
    for (code, home) in homeless {
        told.push(format!("{code} is homed in {home}"));
        if !missing.contains(home) {
            missing.push(home.clone());
        }
    }
    let known = regions.join(", ");
    if told.is_empty() {
        return Finding::pass(format!("{} offices, all homed in {known}", rows.len()));
    }
    let files: Vec<String> = missing
        .iter()
        .map(|home| format!("regions/{home}.yaml"))
        .collect();
    Finding::fail(format!("{}; the regions are {known}", some_of(&told))).remedied_by(format!(
        "name the folder that has {} by --regions, here and for every server",
        files.join(" and ")
    ))
}

const CURRENCIES: &str = "SELECT code, exponent FROM platform.currencies";

/// Whether every currency is there, with its decimals.
pub(super) async fn currencies(exam: &Exam) -> Result<Finding, DbError> {
    let rows = exam
        .on(For::Reading, async |line| line.rows(CURRENCIES).await)
        .await?;
    Ok(judge_currencies(&rows))
}

fn judge_currencies(rows: &[Vec<String>]) -> Finding {
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    for currency in CurrencyCode::all() {
        let (code, wanted) = (currency.to_string(), currency.exponent().to_string());
        match rows
            .iter()
            .find(|row| row.first() == Some(&code))
            .map(|row| row.get(1))
        {
            None => missing.push(format!("{code} is missing")),
            Some(Some(found)) if *found == wanted => {}
            Some(found) => {
                let found = found.map_or("", String::as_str);
                wrong.push(format!("{code} has {found} decimals and not {wanted}"));
            }
        }
    }
    if !wrong.is_empty() {
        // Books may be kept in it: nobody but a person can say what its amounts mean.
        return Finding::fail(some_of(&wrong)).remedied_by(
            "correct platform.currencies before anything is written in that currency",
        );
    }
    if missing.is_empty() {
        Finding::pass(format!("{} currencies", rows.len()))
    } else {
        Finding::fail(some_of(&missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn every_currency_has_its_decimals() {
        let all: Vec<Vec<String>> = CurrencyCode::all()
            .map(|code| vec![code.to_string(), code.exponent().to_string()])
            .collect();
        assert_eq!(judge_currencies(&all).outcome, Outcome::Pass);
        let missing = judge_currencies(&all[1..]);
        assert_eq!((missing.outcome, missing.remedy), (Outcome::Fail, None));
        let mut wrong = all;
        wrong[0][1] = "9".into();
        assert!(judge_currencies(&wrong).remedy.is_some());
    }

    #[test]
    fn a_home_that_is_no_region_is_a_missing_file() {
        let rows = [["ber", "eu1"], ["kbl", "af1"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(judge_homes(&rows, &["eu1", "af1"]).outcome, Outcome::Pass);
        assert_eq!(judge_homes(&[], &["eu1"]).outcome, Outcome::Fail);
        let found = judge_homes(&rows, &["eu1"]);
        assert_eq!(found.outcome, Outcome::Fail);
        assert!(
            found.found.starts_with("kbl is homed in af1"),
            "{}",
            found.found
        );
        assert!(found.remedy.unwrap().contains("regions/af1.yaml"));
    }
}
