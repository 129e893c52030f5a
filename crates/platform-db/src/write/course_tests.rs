use std::{io, sync::Arc, time::Duration};

use kernel::{
    Call, Common, IdempotencyKey, Principal, RequestId, Scope, call::CallStart, id::derive_bits,
};
use proptest::prelude::*;

use super::*;
use crate::{Never, keys::KeyRow};

fn sql(code: &str, constraint: Option<&str>) -> DbError {
    let source = Arc::new(io::Error::other("test"));
    DbError::Sql {
        code: code.into(),
        constraint: constraint.map(Into::into),
        source,
    }
}

fn lost() -> DbError {
    DbError::Lost {
        source: Arc::new(io::Error::other("test")),
    }
}

fn intent(budget: Duration) -> Intent {
    let region: kernel::RegionTag = "eu1".parse().unwrap();
    let call = Call::start(CallStart {
        id: RequestId::new(region.clone(), derive_bits(&[b"request"])),
        region: region.clone(),
        client: None,
        traceparent: None,
        received_at: Timestamp::from_millis(1_795_000_000_000),
        budget,
    });
    Intent {
        call,
        operation: "test",
        principal: Principal::test("tester"),
        scope: Scope::WarehouseWrite,
        key: "key-00001".parse().unwrap(),
        fingerprint: [7; 32],
        method: "POST",
        path: "/v1/test".into(),
        if_match: None,
        dry_run: false,
        office: None,
        home: region,
        hot: Vec::new(),
    }
}

fn in_time() -> Intent {
    intent(Duration::from_secs(10))
}

const CLOCK: Clock = Clock::System;

fn reply() -> Reply {
    Reply {
        status: 200,
        location: None,
        version: None,
        body: None,
        effect_ids: Vec::new(),
    }
}

fn row(request_id: &str, reply: Option<Reply>) -> KeyRow {
    KeyRow {
        fingerprint: vec![7; 32],
        office: None,
        request_id: request_id.into(),
        reply,
    }
}

fn unresolved(course: &mut Course<'_>) {
    assert!(matches!(
        course.after::<Never>(End::Unknown(lost())),
        Next::Resolve(_)
    ));
    let next = course.resolved::<Never>(Ok(None), lost());
    assert!(
        matches!(
            next,
            Next::Again {
                why: Why::Unresolved,
                ..
            }
        ),
        "{next:?}"
    );
}

fn is_unknown(next: &Next<Never>) -> bool {
    matches!(
        next,
        Next::Answer(Err(OpError::System(SystemError::OutcomeUnknown { .. })))
    )
}

fn any_end() -> impl Strategy<Value = End<Never>> {
    let code = prop_oneof![
        Just("40001"),
        Just("23505"),
        Just("23503"),
        Just("57014"),
        Just("57P01"),
        Just("42601"),
        Just("53100"),
        Just("0A000"),
    ];
    prop_oneof![
        code.prop_map(|code| End::Failed(sql(code, Some("some_constraint")))),
        Just(()).prop_map(|()| End::Failed(lost())),
        Just(()).prop_map(|()| End::Failed(DbError::Timeout)),
        Just(()).prop_map(|()| End::Unknown(lost())),
        Just(()).prop_map(|()| End::DoneLongAgo { location: None }),
        Just(()).prop_map(|()| End::Refused(TxRefusal::Common(Common::IfMatchRequired))),
        Just(()).prop_map(|()| End::Known(row("another", None))),
        Just(()).prop_map(|()| End::Known(KeyRow {
            fingerprint: vec![8; 32],
            ..row("x", Some(reply()))
        })),
    ]
}

proptest! {
    /// The law of hard case 2: from the first unresolved COMMIT on, whatever follows, a write ends in its stored
    /// answer or in an unknown outcome.
    #[test]
    fn hard_case_02_an_unresolved_commit_is_never_followed_by_a_certain_no(
        ends in prop::collection::vec(any_end(), 1..60),
    ) {
        let intent = in_time();
        let mut course = Course::new(&intent, &CLOCK);
        unresolved(&mut course);
        for end in ends {
            let next = match course.after(end) {
                Next::Resolve(error) => course.resolved(Ok(None), error),
                next @ (Next::Answer(_) | Next::Again { .. }) => next,
            };
            if let Next::Answer(_) = next {
                prop_assert!(is_unknown(&next), "{:?}", next);
                break;
            }
        }
    }

    /// Whatever happens, attempts that met another writer are bounded, and so are their pauses.
    #[test]
    fn hard_case_08_retries_are_bounded(other_codes in prop::collection::vec(prop_oneof![Just("40001"), Just("40P01")], 20)) {
        let intent = in_time();
        let mut course = Course::new(&intent, &CLOCK);
        for (n, code) in other_codes.iter().enumerate() {
            let next = course.after::<Never>(End::Failed(sql(code, None)));
            let as_it_should = if n < 19 {
                matches!(next, Next::Again { why: Why::Conflict, pause_ms_max: ..=640 })
            } else {
                matches!(next, Next::Answer(Err(OpError::System(SystemError::Contended))))
            };
            prop_assert!(as_it_should, "{}: {:?}", n, next);
        }
        prop_assert_eq!(intent.call.facts().retries, 20);
    }
}

#[test]
fn hard_case_04_a_collision_is_judged_on_its_second_time() {
    let intent = in_time();
    let mut course = Course::new(&intent, &CLOCK);
    let collision = || End::<Never>::Failed(sql("23505", Some("somebody_elses")));
    assert!(matches!(
        course.after(collision()),
        Next::Again {
            why: Why::Collision,
            pause_ms_max: 0
        }
    ));
    let bug = course.after(collision());
    assert!(
        matches!(
            bug,
            Next::Answer(Err(OpError::System(SystemError::Bug { .. })))
        ),
        "{bug:?}"
    );
}

#[test]
fn hard_case_04_a_row_of_ours_that_vanished_is_a_conflict() {
    let intent = in_time();
    let mut course = Course::new(&intent, &CLOCK);
    for constraint in ["idempotency_keys_pkey", "audit_log_pkey"] {
        let next = course.after::<Never>(End::Failed(sql("23505", Some(constraint))));
        assert!(
            matches!(
                next,
                Next::Again {
                    why: Why::Conflict,
                    ..
                }
            ),
            "{next:?}"
        );
    }
}

#[test]
fn hard_case_06_only_the_first_attempt_of_a_write_without_a_key_does_not_look() {
    let mut intent = in_time();
    assert!(Course::new(&intent, &CLOCK).begins());
    intent.key = IdempotencyKey::auto(intent.call.id());
    let mut course = Course::new(&intent, &CLOCK);
    assert_eq!((course.begins(), course.begins()), (false, true));
    intent.dry_run = true;
    assert!(!Course::new(&intent, &CLOCK).begins());
}

#[test]
fn hard_case_08_nothing_is_run_again_after_the_deadline() {
    let intent = intent(Duration::ZERO);
    let mut course = Course::new(&intent, &CLOCK);
    let lost = course.after::<Never>(End::Failed(lost()));
    assert!(
        matches!(
            lost,
            Next::Answer(Err(OpError::System(SystemError::Unavailable { .. })))
        ),
        "{lost:?}"
    );
    let late = course.after::<Never>(End::Failed(DbError::Timeout));
    assert!(
        matches!(
            late,
            Next::Answer(Err(OpError::System(SystemError::DeadlineExceeded)))
        ),
        "{late:?}"
    );
    let conflict = course.after::<Never>(End::Failed(sql("40001", None)));
    assert!(
        matches!(
            conflict,
            Next::Answer(Err(OpError::System(SystemError::Contended)))
        ),
        "{conflict:?}"
    );
}

#[test]
fn hard_case_02_an_own_row_is_the_answer_and_not_a_replay() {
    let intent = in_time();
    let mut course = Course::new(&intent, &CLOCK);
    unresolved(&mut course);
    let own = row(&intent.call.id().to_string(), Some(reply()));
    assert!(matches!(
        course.after::<Never>(End::Known(own)),
        Next::Answer(Ok(_))
    ));
    assert!(!intent.call.facts().replayed);
    let twins = row("req_us1_another", Some(reply()));
    assert!(matches!(
        course.after::<Never>(End::Known(twins)),
        Next::Answer(Ok(_))
    ));
    assert!(intent.call.facts().replayed);
}

#[test]
fn a_schema_change_is_forgiven_once() {
    let intent = in_time();
    let mut course = Course::new(&intent, &CLOCK);
    let stale = || End::<Never>::Failed(sql("0A000", None));
    assert!(matches!(
        course.after(stale()),
        Next::Again {
            why: Why::StalePlan,
            ..
        }
    ));
    let bug = course.after(stale());
    assert!(
        matches!(
            bug,
            Next::Answer(Err(OpError::System(SystemError::Bug { .. })))
        ),
        "{bug:?}"
    );
}
