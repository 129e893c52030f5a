use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::DbError;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const OFFSET: Duration = Duration::from_millis(250);

fn given(engine: Engine) -> Given {
    Given {
        engine,
        want: ReadWant::default(),
        snapshot: None,
        one_row: false,
        received_at: NOW,
        max_clock_offset: OFFSET,
    }
}

fn wanting(mode: ReadMode, one_row: bool, token: Option<Token>) -> Given {
    let mut given = given(Engine::Cockroach);
    (given.want.mode, given.one_row, given.want.token) = (Some(mode), one_row, token);
    given
}

fn before(ms: u64) -> Timestamp {
    NOW.minus(Duration::from_millis(ms))
}

fn bounded(max_ms: u64) -> ReadMode {
    ReadMode::Bounded { max_ms }
}

/// The plan in short: what goes into SQL, ages of followers in milliseconds, waits.
fn told(given: Given) -> Vec<String> {
    let plan = given.plan().unwrap();
    let steps = plan.steps.iter().map(|step| {
        let what = match step.moment {
            Moment::Now => "now".to_owned(),
            Moment::Nearest(nearest) => nearest.to_string().replace("AS OF SYSTEM TIME ", ""),
            Moment::Follower(at) => format!("-{}", NOW.since(at).as_millis()),
            Moment::Snapshot(at) => format!("snapshot -{}", NOW.since(at).as_millis()),
        };
        if step.wait.is_zero() {
            what
        } else {
            format!("{what} after {}", step.wait.as_millis())
        }
    });
    steps.collect()
}

fn any_given() -> impl Strategy<Value = Given> {
    let mode = prop_oneof![
        Just(None),
        Just(Some(ReadMode::Strong)),
        Just(Some(ReadMode::Local)),
        (0_u64..100_000).prop_map(|max_ms| Some(bounded(max_ms))),
        any::<u64>().prop_map(|max_ms| Some(bounded(max_ms))),
    ];
    let token = prop::option::of((-1_400_i64..200_000, 0_u64..1_000_000, 0_u32..3));
    (mode, token, any::<bool>(), any::<bool>(), 0_u64..600).prop_map(
        |(mode, token, one_row, postgres, offset)| {
            let engine = if postgres {
                Engine::Postgres
            } else {
                Engine::Cockroach
            };
            let mut given = given(engine);
            given.max_clock_offset = Duration::from_millis(offset);
            given.one_row = one_row;
            given.want.mode = mode;
            given.want.token = token.map(|(age, nanos, logical)| {
                let millis =
                    u64::try_from(NOW.as_millis() - age.max(-(offset.cast_signed() * 2))).unwrap();
                Token::new(millis * 1_000_000 + nanos, logical)
            });
            given
        },
    )
}

proptest! {
    /// Whatever is asked for, nothing that is tried is older than the bound or than the token, what is told included.
    #[test]
    fn a_bound_and_a_token_are_always_kept(given in any_given()) {
        let plan = given.plan().unwrap();
        for step in &plan.steps {
            let Some(as_of) = given.as_of(step.moment) else { continue };
            prop_assert!(!matches!(step.moment, Moment::Snapshot(_)), "nobody asked for one");
            if let Some(ReadMode::Bounded { max_ms }) = given.want.mode {
                prop_assert!(given.max_ms(as_of) <= max_ms, "{step:?}");
            }
            prop_assert!(given.want.token.is_none_or(|token| token <= given.token(as_of)), "{step:?}");
        }
    }

    /// Who wants the newest state is shown nothing else, and PostgreSQL shows nothing else to anybody.
    #[test]
    fn strong_is_never_weakened(given in any_given()) {
        let plan = given.plan().unwrap();
        if given.engine == Engine::Postgres || matches!(given.want.mode, None | Some(ReadMode::Strong)) {
            prop_assert_eq!(plan.steps, vec![Moment::Now.into()]);
        } else {
            prop_assert_eq!(plan.steps.iter().filter(|step| step.moment == Moment::Now).count(), 1);
        }
    }

    /// Only one row is read by bounded staleness, and what is not strong ends strong, but for a last word.
    #[test]
    fn every_read_ends_strong(given in any_given()) {
        let plan = given.plan().unwrap();
        let nearest = plan.steps.iter().filter(|step| matches!(step.moment, Moment::Nearest(_)));
        prop_assert!(given.one_row || nearest.count() == 0);
        let now = plan.steps.iter().position(|step| step.moment == Moment::Now).unwrap();
        let behind = &plan.steps[now + 1..];
        prop_assert!(behind.len() <= 1);
        let is_word = |step: &Step| matches!(step.moment, Moment::Nearest(nearest) if nearest.only);
        prop_assert!(behind.iter().all(is_word));
    }

    /// A token makes a read wait for a second at most, and whatever the errors are, a read comes to an end.
    #[test]
    fn a_read_comes_to_an_end(given in any_given(), refusals in prop::collection::vec(0_u8..3, 64)) {
        let plan = given.plan().unwrap();
        let waits: Duration = plan.steps.iter().map(|step| step.wait).sum();
        prop_assert!(waits <= TOKEN_WAIT * 2, "one row may be waited for in two ways, of which it takes one");
        let (mut at, mut waited) = (0, plan.steps[0].wait);
        for refusal in refusals {
            let refusal = [Refusal::Unserved, Refusal::Unsuited, Refusal::Gone][usize::from(refusal)];
            prop_assert!(waited <= TOKEN_WAIT);
            let Some(next) = plan.next(at, refusal) else { return Ok(()) };
            prop_assert!(next > at && next < plan.steps.len());
            at = next;
            waited += plan.steps[at].wait;
        }
        prop_assert!(false, "it goes on for ever");
    }

    /// The text that goes into SQL is made of what cannot break out of it.
    #[test]
    fn only_numbers_and_times_get_into_the_text(given in any_given()) {
        for step in given.plan().unwrap().steps {
            if let Moment::Nearest(nearest) = step.moment {
                let text = nearest.to_string();
                let clause = text.strip_prefix("AS OF SYSTEM TIME with_").unwrap();
                prop_assert!(clause.chars().all(|c| c.is_ascii_alphanumeric() || "_('-:., )".contains(c)), "{text}");
                prop_assert_eq!(clause.matches('\'').count(), 2);
            }
        }
    }
}

#[test]
fn hard_case_12_the_age_told_includes_the_clock_offset() {
    assert_eq!(given(Engine::Cockroach).max_ms(before(5000)), 5250);
    assert_eq!(told(wanting(bounded(5249), false, None)), ["now"]);
    assert_eq!(told(wanting(bounded(5250), false, None)), ["-5000", "now"]);
}

#[test]
fn hard_case_13_one_row_is_read_by_bounded_staleness_and_all_else_at_an_exact_time() {
    let ten = bounded(10_000);
    assert_eq!(
        told(wanting(ten, true, None)),
        [
            "with_max_staleness('9s')",
            "-5000",
            "now",
            "with_max_staleness('9s', true)"
        ]
    );
    assert_eq!(told(wanting(ten, false, None)), ["-5000", "now"]);
    assert_eq!(
        told(wanting(bounded(41_000), false, None)),
        ["-5000", "-10000", "-20000", "-40000", "now"]
    );
    // A bound that no replica can keep.
    assert_eq!(told(wanting(bounded(3_249), true, None)), ["now"]);
    assert_eq!(
        told(wanting(bounded(3_250), true, None))[0],
        "with_max_staleness('3s')"
    );
    // Minutes are whole, and nobody looks back for more than an hour.
    assert_eq!(
        told(wanting(bounded(179_999), true, None))[0],
        "with_max_staleness('120s')"
    );
    assert_eq!(
        told(wanting(bounded(u64::MAX), true, None))[0],
        "with_max_staleness('3600s')"
    );
}

#[test]
fn local_asks_the_nearest_replica_only_and_further_back_each_time() {
    let steps = told(wanting(ReadMode::Local, true, None));
    assert_eq!(
        steps[..3],
        [
            "with_max_staleness('5s', true)",
            "with_max_staleness('10s', true)",
            "with_max_staleness('20s', true)"
        ]
    );
    assert_eq!(steps.last().unwrap(), "now");
    let steps = told(wanting(ReadMode::Local, false, None));
    assert_eq!(steps.len(), 11);
    assert_eq!(steps[9..], ["-2560000", "now"]);
}

#[test]
fn a_token_wins_over_the_mode() {
    let at = |ms| {
        Some(Token::new(
            before(ms).as_millis().unsigned_abs() * 1_000_000 + 1,
            0,
        ))
    };
    // A replica that has not come so far hands on to the leaseholder.
    assert_eq!(
        told(wanting(bounded(10_000), true, at(2_500)))[0],
        "with_min_timestamp('2026-11-18T11:06:37.501Z')"
    );
    // An older token than the bound has no say.
    assert_eq!(
        told(wanting(bounded(10_000), true, at(9_500)))[0],
        "with_max_staleness('9s')"
    );
    // The nearest replica alone is waited for, a second in all.
    let waited = "with_min_timestamp('2026-11-18T11:06:37.501Z', true)";
    assert_eq!(
        told(wanting(ReadMode::Local, true, at(2_500))),
        [
            waited.to_owned(),
            format!("{waited} after 500"),
            format!("{waited} after 500"),
            "now".to_owned()
        ]
    );
    // A list shows the token's own state once replicas have it, if that takes no more than a second.
    assert_eq!(
        told(wanting(bounded(10_000), false, at(4_001))),
        ["-4000 after 1000", "now"]
    );
    assert_eq!(told(wanting(bounded(10_000), false, at(4_000))), ["now"]);
    assert_eq!(
        told(wanting(bounded(60_000), false, at(12_000))),
        ["-5000", "-10000", "now"]
    );
    for mode in [bounded(10_000), ReadMode::Local] {
        assert_eq!(told(wanting(mode, true, at(1_900))), ["now"]);
    }
}

#[test]
fn a_state_has_a_token_only_if_it_is_not_before_its_nanosecond() {
    let exact = Token::new(before(5000).as_millis().unsigned_abs() * 1_000_000, 0);
    let later = Token::new(exact.nanos(), 1);
    assert_eq!(
        told(wanting(bounded(10_000), false, Some(exact))),
        ["-5000", "now"]
    );
    assert_eq!(
        told(wanting(bounded(10_000), false, Some(later))),
        ["-4999 after 1", "now"]
    );
}

#[test]
fn hard_case_14_a_token_is_unknown_only_beyond_two_offsets_and_a_second() {
    let ahead = |ms| Some(Token::at(NOW.plus(Duration::from_millis(ms))));
    for mode in [ReadMode::Strong, ReadMode::Local, bounded(60_000)] {
        // One ahead of the clock is served strong.
        assert_eq!(told(wanting(mode, true, ahead(1500))), ["now"]);
        let unknown = wanting(mode, true, ahead(1501)).plan();
        assert!(matches!(unknown, Err(SystemError::TokenUnknown)));
    }
}

#[test]
fn hard_case_15_on_a_page_with_cursor_the_snapshot_wins() {
    for engine in [Engine::Postgres, Engine::Cockroach] {
        let mut given = given(engine);
        given.snapshot = Some(before(2000));
        for mode in [ReadMode::Strong, ReadMode::Local, bounded(0)] {
            given.want.mode = Some(mode);
            // The token that the first page gave.
            given.want.token = Some(given.token(before(2000)));
            assert_eq!(told(given), ["snapshot -2000"]);
            let newer = Token::new(given.token(before(2000)).nanos() + 1, 0);
            given.want.token = Some(newer);
            assert!(matches!(given.plan(), Err(SystemError::CursorExpired)));
        }
    }
}

#[test]
fn a_cursor_expires_after_an_hour() {
    let mut given = given(Engine::Postgres);
    given.snapshot = Some(before(3_600_000));
    assert!(given.plan().is_ok());
    given.snapshot = Some(before(3_600_001));
    assert!(matches!(given.plan(), Err(SystemError::CursorExpired)));
}

#[test]
fn a_cursor_from_the_future_shows_nothing() {
    let mut given = given(Engine::Postgres);
    given.snapshot = Some(NOW.plus(Duration::from_millis(1500)));
    assert!(given.plan().is_ok());
    given.snapshot = Some(NOW.plus(Duration::from_millis(1501)));
    assert!(matches!(given.plan(), Err(SystemError::CursorExpired)));
}

fn sql(code: &str) -> DbError {
    DbError::Sql {
        code: code.into(),
        constraint: None,
        source: Arc::new(std::io::Error::other("test")),
    }
}

#[test]
fn what_an_error_says_of_the_past() {
    for (code, refusal) in [
        ("XCUBS", Some(Refusal::Unserved)),
        ("XCHR1", Some(Refusal::Unserved)),
        ("58C00", Some(Refusal::Unserved)),
        ("57014", Some(Refusal::Unserved)),
        ("0A000", Some(Refusal::Unsuited)),
        ("XXUUU", Some(Refusal::Unsuited)),
        ("22023", Some(Refusal::Unsuited)),
        ("42601", Some(Refusal::Unsuited)),
        ("40001", None),
        ("57P01", None),
    ] {
        assert_eq!(Refusal::of(&sql(code)), refusal, "{code}");
    }
    assert_eq!(Refusal::of(&DbError::Timeout), Some(Refusal::Unserved));
    assert_eq!(Refusal::of(&DbError::NoRow), None);
}

#[test]
fn hard_case_16_a_schema_younger_than_the_moment_is_read_strong() {
    let plan = wanting(ReadMode::Local, true, None).plan().unwrap();
    for code in ["42P01", "3D000", "3F000", "42703"] {
        let next = plan.next(0, Refusal::of(&sql(code)).unwrap()).unwrap();
        assert_eq!(plan.step(next).moment, Moment::Now);
        assert!(Refusal::ends_walk(&sql(code)), "{code}");
    }
    assert!(
        Refusal::ends_walk(&sql("XXUUU")),
        "behind what is kept of history"
    );
    assert!(!Refusal::ends_walk(&sql("58C00")));
}

#[test]
fn what_is_tried_next_depends_on_why_it_was_refused() {
    let short = |given: Given, at: usize, refusal| {
        let plan = given.plan().unwrap();
        plan.next(at, refusal).map(|next| told(given)[next].clone())
    };
    let one = wanting(bounded(30_000), true, None);
    // It was the oldest that is allowed; a statement that cannot be run so may be run at an exact time.
    assert_eq!(short(one, 0, Refusal::Unserved).unwrap(), "now");
    assert_eq!(short(one, 0, Refusal::Unsuited).unwrap(), "-5000");
    assert_eq!(short(one, 1, Refusal::Unserved).unwrap(), "-10000");
    assert_eq!(short(one, 1, Refusal::Unsuited).unwrap(), "now");
    assert_eq!(
        short(one, 4, Refusal::Unserved).unwrap(),
        "with_max_staleness('29s', true)"
    );
    assert_eq!(short(one, 4, Refusal::Unsuited), None);
    assert_eq!(short(one, 5, Refusal::Unserved), None);
    let local = wanting(ReadMode::Local, true, None);
    assert_eq!(
        short(local, 0, Refusal::Unserved).unwrap(),
        "with_max_staleness('10s', true)"
    );
}

proptest! {
    /// What a replica says of itself is read to the millisecond, and anything else is not.
    #[test]
    fn an_unreadable_message_is_no_moment(text in ".{0,60}") {
        let source = Arc::new(std::io::Error::other(text));
        let error = DbError::Sql { code: "XCUBS".into(), constraint: None, source };
        prop_assert_eq!(resolved(&error), None);
    }
}
