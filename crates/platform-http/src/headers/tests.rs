use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn with(name: &HeaderName, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(
            name.clone(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

#[test]
fn read_consistency_has_three_modes() {
    let mode = |text| read_want(&with(&READ_CONSISTENCY, &[text])).map(|want| want.mode);
    assert_eq!(mode("strong").unwrap(), Some(ReadMode::Strong));
    assert_eq!(mode("local").unwrap(), Some(ReadMode::Local));
    assert_eq!(
        mode("bounded;max_ms=10000").unwrap(),
        Some(ReadMode::Bounded { max_ms: 10_000 })
    );
    assert_eq!(
        mode("bounded; max_ms=0").unwrap(),
        Some(ReadMode::Bounded { max_ms: 0 })
    );
    for bad in [
        "",
        "Strong",
        "bounded",
        "bounded;max_ms=",
        "bounded;max_ms=-1",
        "bounded;max_ms=1.5",
        "bounded;max_ms=+1",
        "bounded;max_ms=1;x=1",
        "bounded;max_ms=1000000000000000",
        "local;x",
    ] {
        let problem = mode(bad).unwrap_err();
        assert_eq!(problem.kind().code, "invalid_parameter", "{bad}");
        assert_eq!(
            problem.0.members["errors"][0]["parameter"],
            "Read-Consistency"
        );
    }
    assert!(read_want(&with(&READ_CONSISTENCY, &["strong", "strong"])).is_err());
}

#[test]
fn tokens_are_ours_or_malformed() {
    let token = Token::new(1_795_000_000_123_456_789, 7);
    let want = read_want(&with(&CONSISTENCY_TOKEN, &[&token.to_string()])).unwrap();
    assert_eq!(want.token, Some(token));
    for bad in ["", "x", "AAAA", "é"] {
        let problem = read_want(&with(&CONSISTENCY_TOKEN, &[bad])).unwrap_err();
        assert_eq!(problem.kind().code, "token_malformed", "{bad}");
    }
}

#[test]
fn no_cache_is_found_among_other_directives() {
    let no_cache = |value| {
        read_want(&with(&header::CACHE_CONTROL, &[value]))
            .unwrap()
            .no_cache
    };
    assert!(no_cache("max-age=0, No-Cache"));
    assert!(!no_cache("max-age=0"));
}

#[test]
fn keys_are_quoted_or_bare() {
    let key = |values: &[&str]| {
        idempotency_key(&with(&IDEMPOTENCY_KEY, values))
            .map(|key| key.map(|key| key.to_string()))
            .map_err(|problem| problem.kind().code)
    };
    assert_eq!(key(&[]), Ok(None));
    assert_eq!(key(&["key-00001"]), Ok(Some("key-00001".into())));
    assert_eq!(key(&["\"key-00001\""]), Ok(Some("key-00001".into())));
    for bad in [
        "",
        "short",
        "\"key-00001",
        "key 00001",
        "key#00001",
        "auto:12345678",
        "schlüssel",
    ] {
        assert_eq!(key(&[bad]), Err("idempotency_key_invalid"), "{bad}");
    }
    assert_eq!(
        key(&["key-00001", "key-00001"]),
        Err("idempotency_key_invalid")
    );
}

#[test]
fn preconditions_compare_versions_only() {
    let tags = |values: &[&str]| if_match(&with(&header::IF_MATCH, values)).map_err(drop);
    let versions = |list: &[i64]| Ok(Some(IfMatch::Versions(list.to_vec())));
    assert_eq!(tags(&[]), Ok(None));
    assert_eq!(tags(&["*"]), Ok(Some(IfMatch::Any)));
    assert_eq!(tags(&["\"7\""]), versions(&[7]));
    assert_eq!(tags(&["W/\"7-customer,lines\", \"8\""]), versions(&[7, 8]));
    assert_eq!(tags(&["\"7\"", "\"9\""]), versions(&[7, 9]));
    assert_eq!(
        tags(&["\"abc\", \"-7\", \"99999999999999999999\""]),
        versions(&[]),
        "matches nothing"
    );
    for bad in ["", "7", "\"7", "\"7\" \"8\"", "*, \"7\"", "w/\"7\"", "é"] {
        assert_eq!(tags(&[bad]), Err(()), "{bad}");
    }
}

#[test]
fn if_none_match_compares_the_whole_tag() {
    let tags = entity_tags(
        &with(&header::IF_NONE_MATCH, &["W/\"7\", \"8-x\""]),
        &header::IF_NONE_MATCH,
    );
    let tags = tags.unwrap().unwrap();
    assert!(tags.contain("7") && tags.contain("8-x"));
    assert!(!tags.contain("8") && !tags.contain(""));
}

#[test]
fn accept_is_weighed() {
    let accepts =
        |values: &[&str]| super::accepts(&with(&header::ACCEPT, values), &["application/json"]);
    for yes in [
        "*/*",
        "application/json",
        "application/*;q=0.1",
        "text/html, application/json;q=0.9",
        "APPLICATION/JSON",
        "text/html,*/*;q=0.001",
        "",
    ] {
        assert!(accepts(&[yes]), "{yes}");
    }
    for no in [
        "text/html",
        "application/json;q=0",
        "application/json; q=0.0, */*",
        "text/*",
        "nonsense",
        "application/problem+json",
        "*/*;q=0",
    ] {
        assert!(!accepts(&[no]), "{no}");
    }
    assert!(accepts(&[]) && accepts(&["text/html", "application/json"]));
    let report = |value: &str| {
        super::accepts(
            &with(&header::ACCEPT, &[value]),
            &["application/json", "text/csv"],
        )
    };
    assert!(report("text/csv") && report("text/*") && report("application/json"));
    assert!(!report("text/html") && !report("application/json;q=0, text/csv;q=0"));
}

#[test]
fn hard_case_31_only_a_well_formed_traceparent_passes() {
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let read = |values: &[&str]| traceparent(&with(&TRACEPARENT, values));
    assert_eq!(read(&[good]).as_deref(), Some(good));
    let newer = good.replacen("00-", "cc-", 1);
    assert_eq!(
        read(&[&format!("{newer}-more")]),
        Some(newer.clone()),
        "later versions may add fields"
    );
    let bad = [
        String::new(),
        good.to_uppercase(),
        good[..54].into(),
        format!("{good}-more"),
        format!("{newer}more"),
        good.replacen("00-", "ff-", 1),
        good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
        good.replace("00f067aa0ba902b7", &"0".repeat(16)),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-*/".into(),
        good.replace('-', "_"),
    ];
    for bad in bad {
        assert_eq!(read(&[&bad]), None, "{bad}");
    }
    assert_eq!(read(&[good, good]), None);
}

#[test]
fn minimal_is_found_among_other_preferences() {
    let minimal = |value| prefers_minimal(&with(&PREFER, &[value]));
    assert!(
        minimal("return=minimal")
            && minimal("wait=10, Return=Minimal")
            && minimal("a; return=minimal")
    );
    assert!(!minimal("return=representation"));
}

proptest! {
    #[test]
    fn no_header_value_makes_us_panic(bytes in prop::collection::vec(32_u8..=255, 0..80)) {
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        for name in [READ_CONSISTENCY, CONSISTENCY_TOKEN, IDEMPOTENCY_KEY, TRACEPARENT, header::IF_MATCH, header::ACCEPT] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.clone());
            let _ = (read_want(&headers), idempotency_key(&headers), if_match(&headers));
            let _ = (accepts(&headers, &["application/json"]), traceparent(&headers), prefers_minimal(&headers));
        }
    }

    #[test]
    fn a_traceparent_that_passes_is_safe_in_a_comment(text in "[0-9a-f*/ -]{55,60}") {
        if let Some(kept) = traceparent(&with(&TRACEPARENT, &[&text])) {
            prop_assert!(kept.len() == 55 && kept.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()));
        }
    }

    #[test]
    fn tags_round_trip(tags in prop::collection::vec("[ !#-~]{0,6}", 1..4)) {
        let line = tags.iter().map(|tag| format!("\"{tag}\"")).collect::<Vec<_>>().join(" , ");
        let read = entity_tags(&with(&header::IF_MATCH, &[&line]), &header::IF_MATCH).unwrap();
        prop_assert_eq!(read, Some(EntityTags::List(tags)));
    }
}

#[test]
fn how_long_a_client_wants_to_wait() {
    for (sent, seconds) in [
        (vec!["wait=20"], 20),
        (vec!["wait=0"], 0),
        (vec!["wait=31"], 30),
        (vec!["WAIT = \"7\""], 7),
        (vec!["return=minimal, wait=5; foo=1"], 5),
        (vec!["return=minimal", "wait=5"], 5),
        (vec!["wait=3, wait=9"], 3),
        (vec!["wait=99999999999999999999999"], 30),
        (vec!["wait=-1"], 0),
        (vec!["wait=1.5"], 0),
        (vec!["wait"], 0),
        (vec!["wait="], 0),
        (vec!["respond-async"], 0),
        (vec![], 0),
    ] {
        let mut map = HeaderMap::new();
        for value in &sent {
            map.append(PREFER, value.parse().unwrap());
        }
        assert_eq!(prefers_wait(&map), Duration::from_secs(seconds), "{sent:?}");
    }
}
