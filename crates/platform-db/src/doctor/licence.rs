//! Whether a cluster of several nodes has a licence, and until when: without one, seven days after its first start at
//! most five transactions are open at once.
//!
//! The key says it itself: a message of CockroachDB's `licensepb`, in base64 behind a prefix. It is signed by nobody, so
//! what it says is what the server goes by.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use kernel::Timestamp;

use super::{Exam, Finding, exam::For, one_line};
use crate::DbError;

const KEY: &str = "SHOW CLUSTER SETTING enterprise.license";
const ORGANISATION: &str = "SHOW CLUSTER SETTING cluster.organization";

const PREFIX: &str = "crl-0-";
/// A new key takes a purchase, or a registration: time enough for one.
const SOON: Duration = Duration::from_hours(14 * 24);
const BY_METRIC: &str = "look at the metric seconds_until_enterprise_license_expiry: \
     `curl -k https://NODE:8080/_status/vars | grep license_expiry`";

/// Whether a key is set, until when, and whether the server has said something about it.
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
    let now = exam.patient.clock.now();
    Ok(judge(key, &organisation, &exam.notices(), now))
}

fn judge(
    key: Result<String, String>,
    organisation: &str,
    notices: &[String],
    now: Timestamp,
) -> Finding {
    let warning = notices.iter().find(|notice| {
        let notice = notice.to_lowercase();
        notice.contains("license") || notice.contains("throttl")
    });
    if let Some(warning) = warning {
        return Finding::fail(format!("the server says: {}", one_line(warning)));
    }
    let whose = if organisation.is_empty() {
        "nobody named"
    } else {
        organisation
    };
    let key = match key {
        Err(reason) => return Finding::unknown(reason).remedied_by(BY_METRIC),
        Ok(key) if key.trim().is_empty() => return Finding::fail("no licence key is set"),
        Ok(key) => key,
    };
    let Some(Licence { kind, ends }) = Licence::read(key.trim()) else {
        let told = format!("a licence key is set, for {whose}; when it ends cannot be read");
        return Finding::unknown(told).remedied_by(BY_METRIC);
    };
    let told = format!("a licence key ({kind}) is set, for {whose}");
    if ends <= now {
        Finding::fail(format!("{told}; it ended {}", day(ends)))
    } else if ends.since(now) < SOON {
        Finding::fail(format!("{told}; it ends {}", day(ends)))
    } else {
        Finding::pass(format!("{told}, until {}", day(ends)))
    }
}

/// `2026-11-28`
fn day(time: Timestamp) -> String {
    time.to_string().chars().take(10).collect()
}

/// What a key says.
#[derive(Debug, PartialEq, Eq)]
struct Licence {
    kind: &'static str,
    ends: Timestamp,
}

impl Licence {
    /// None where it is no key, or says no end.
    fn read(key: &str) -> Option<Self> {
        let message = STANDARD_NO_PAD.decode(key.strip_prefix(PREFIX)?).ok()?;
        let mut rest = message.as_slice();
        let (mut kind, mut seconds) = (0, 0);
        while !rest.is_empty() {
            let tag = number(&mut rest)?;
            match (tag >> 3, tag & 7) {
                (2, 0) => seconds = number(&mut rest)?,
                (3, 0) => kind = number(&mut rest)?,
                (_, 0) => drop(number(&mut rest)?),
                (_, 1) => rest = rest.get(8..)?,
                (_, 2) => {
                    let length = usize::try_from(number(&mut rest)?).ok()?;
                    rest = rest.get(length..)?;
                }
                (_, 5) => rest = rest.get(4..)?,
                _ => return None,
            }
        }
        let millis = i64::try_from(seconds).ok()?.checked_mul(1000)?;
        (millis > 0).then(|| Self {
            kind: match kind {
                1 => "Enterprise",
                2 => "Evaluation",
                3 => "Free",
                4 => "Trial",
                _ => "of another kind",
            },
            ends: Timestamp::from_millis(millis),
        })
    }
}

/// A varint: seven bits a byte, the lowest first, the eighth of all but the last.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, others) = rest.split_first()?;
        *rest = others;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::doctor::Outcome;

    const NOW: &str = "2026-11-28T12:00:00.000Z";

    /// Of this end, for an organisation, with the ids that newer keys have.
    fn key(kind: u8, ends: Timestamp) -> String {
        let mut message = vec![0x10];
        let mut seconds = u64::try_from(ends.as_millis() / 1000).unwrap();
        while seconds >= 0x80 {
            message.push(u8::try_from(seconds & 0x7f).unwrap() | 0x80);
            seconds >>= 7;
        }
        message.push(u8::try_from(seconds).unwrap());
        message.extend([0x18, kind, 0x22, 4]);
        message.extend(b"Acme");
        message.extend([0x28, 1, 0x32, 16]);
        message.extend([7; 16]);
        format!("{PREFIX}{}", STANDARD_NO_PAD.encode(message))
    }

    fn judged(key: Result<&str, &str>, notices: &[&str]) -> Finding {
        let notices: Vec<String> = notices.iter().map(|notice| (*notice).to_owned()).collect();
        judge(
            key.map(str::to_owned).map_err(str::to_owned),
            "Acme",
            &notices,
            NOW.parse().unwrap(),
        )
    }

    #[test]
    fn no_key_and_a_warning_fail() {
        let good = key(1, "2027-11-28T12:00:00.000Z".parse().unwrap());
        let found = judged(Ok(&good), &["waiting for job(s)"]);
        assert_eq!(found.outcome, Outcome::Pass);
        assert_eq!(
            found.found,
            "a licence key (Enterprise) is set, for Acme, until 2027-11-28"
        );
        assert_eq!(judged(Ok(""), &[]).outcome, Outcome::Fail);
        let refused = judged(Err("42501: no right"), &[]);
        assert_eq!(refused.outcome, Outcome::Unknown);
        assert!(refused.remedy.unwrap().contains("_status/vars"));
        let notice = "No license installed. The maximum number of concurrently open transactions has been reached.";
        assert_eq!(judged(Ok(&good), &[notice]).outcome, Outcome::Fail);
    }

    #[test]
    fn a_key_that_has_ended_or_is_about_to_fails() {
        for (kind, ends, outcome, said) in [
            (
                4,
                "2026-11-28T11:59:59.000Z",
                Outcome::Fail,
                "it ended 2026-11-28",
            ),
            (
                3,
                "2026-12-12T11:59:59.000Z",
                Outcome::Fail,
                "it ends 2026-12-12",
            ),
            (
                2,
                "2026-12-12T12:00:00.000Z",
                Outcome::Pass,
                "until 2026-12-12",
            ),
        ] {
            let found = judged(Ok(&key(kind, ends.parse().unwrap())), &[]);
            assert_eq!(found.outcome, outcome, "{found:?}");
            assert!(found.found.ends_with(said), "{found:?}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_read_is_unknown_and_not_shown() {
        let without_end = format!("{PREFIX}{}", STANDARD_NO_PAD.encode([0x18, 1]));
        for odd in [
            "crl-0-AbC!",
            "crl-0-/////w",
            "another-kind",
            without_end.as_str(),
        ] {
            let found = judged(Ok(odd), &[]);
            assert_eq!(found.outcome, Outcome::Unknown, "{odd}");
            assert!(!format!("{found:?}").contains(odd), "a key is a secret");
            assert!(found.remedy.unwrap().contains("license_expiry"));
        }
    }

    proptest! {
        #[test]
        fn what_a_key_says_is_read(seconds in 1_i64..253_402_300_799) {
            let ends = Timestamp::from_millis(seconds * 1000);
            prop_assert_eq!(
                Licence::read(&key(4, ends)),
                Some(Licence { kind: "Trial", ends })
            );
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            Licence::read(&format!("{PREFIX}{}", STANDARD_NO_PAD.encode(bytes)));
        }
    }
}
