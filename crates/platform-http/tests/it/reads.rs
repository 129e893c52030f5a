//! Reads: consistency, conditional answers, pages.

use std::time::Duration;

use kernel::{Clock, Timestamp, Token};

use crate::harness::{World, request, token};

#[tokio::test]
async fn answers_say_how_fresh_they_are() {
    let world = World::new();
    let before = world.get("/v1/public").await;
    assert_eq!(
        before.header("consistency-token").parse(),
        Ok(Token::new(0, 0)),
        "nothing is known yet"
    );
    let answer = world.get("/v1/things/ber").await;
    assert_eq!(answer.header("freshness"), "strong;max_ms=0;home=\"g\"");
    assert_eq!(
        answer.header("request-cost"),
        "sql=1, rows=0, retries=0, xregion=0"
    );
    let seen: Token = answer.header("consistency-token").parse().unwrap();
    let later = world.get("/v1/nothing").await;
    assert_eq!(
        later.header("consistency-token").parse(),
        Ok(seen),
        "the newest that the process knows"
    );
    assert_eq!(world.service.newest_token(), seen);
}

#[tokio::test]
async fn hard_case_14_a_token_slightly_ahead_is_served_and_one_far_ahead_is_unknown() {
    let now = Timestamp::from_millis(1_795_000_000_000);
    let world = World::with(|setup| {
        setup.config.clock = Clock::fixed(now);
        setup.config.max_clock_offset = Duration::from_millis(500);
    });
    let send = async |token: Token| {
        let token = token.to_string();
        world
            .send(request(
                "GET",
                "/v1/public",
                &[("consistency-token", &token)],
                "",
            ))
            .await
    };
    let edge = now.plus(Duration::from_millis(2000));
    assert_eq!(send(Token::at(edge)).await.status, 200);
    let far = send(Token::at(edge.plus(Duration::from_millis(1)))).await;
    assert_eq!(far.problem(), (400, "token_unknown".into()));
    let odd = world
        .send(request(
            "GET",
            "/v1/public",
            &[("consistency-token", "abc")],
            "",
        ))
        .await;
    assert_eq!(odd.problem(), (400, "token_malformed".into()));
    let mode = world
        .send(request(
            "GET",
            "/v1/public",
            &[("read-consistency", "weak")],
            "",
        ))
        .await;
    assert_eq!(mode.problem(), (400, "invalid_parameter".into()));
}

#[tokio::test]
async fn a_known_version_is_not_sent_again() {
    let world = World::new();
    let get = async |path: &str, tag: &str| {
        world
            .send(request("GET", path, &[("if-none-match", tag)], ""))
            .await
    };
    let first = world.get("/v1/things/ber").await;
    assert_eq!((first.status, first.header("etag")), (200, "\"3\""));
    for tag in ["\"3\"", "W/\"3\"", "\"1\", \"3\"", "*"] {
        let answer = get("/v1/things/ber", tag).await;
        assert_eq!(
            (answer.status, answer.text.as_str(), answer.header("etag")),
            (304, "", "\"3\""),
            "{tag}"
        );
        assert_eq!(answer.header("freshness"), "strong;max_ms=0;home=\"g\"");
        assert!(!answer.headers.contains_key("content-type"));
    }
    for tag in ["\"2\"", "\"3-customer\""] {
        assert_eq!(get("/v1/things/ber", tag).await.status, 200, "{tag}");
    }
    assert_eq!(
        get("/v1/things/ber", "3").await.problem(),
        (400, "invalid_parameter".into())
    );
    assert_eq!(get("/v1/things/none", "*").await.status, 404);
}

#[tokio::test]
async fn hard_case_19_what_changes_by_itself_is_always_sent() {
    let world = World::new();
    for tag in ["\"3\"", "*"] {
        let answer = world
            .send(request(
                "GET",
                "/v1/things/xyz",
                &[("if-none-match", tag)],
                "",
            ))
            .await;
        assert_eq!(
            (answer.status, answer.header("etag")),
            (200, "\"3\""),
            "{tag}"
        );
    }
}

#[tokio::test]
async fn a_walk_sees_every_row_once() {
    let world = World::new();
    let (mut seen, mut path) = (Vec::new(), "/v1/things?limit=50".to_owned());
    loop {
        let page = world.get(&path).await.json();
        assert_eq!(page["unreachable"], serde_json::json!([]));
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row.as_u64().unwrap()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/things?limit=50&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..120).collect::<Vec<u64>>());
    let mismatch = world.get(&format!("{path}&min=3")).await;
    assert_eq!(mismatch.problem(), (400, "cursor_mismatch".into()));
}

#[tokio::test]
async fn offices_narrow_what_a_token_reaches() {
    let world = World::new();
    let bearer = format!(
        "Bearer {}",
        token(|claims| claims["offices"] = serde_json::json!(["ber"]))
    );
    let get = async |path: &str| {
        world
            .send(request("GET", path, &[("authorization", &bearer)], ""))
            .await
    };
    assert_eq!(get("/v1/things").await.status, 200);
    assert_eq!(get("/v1/things?office=ber").await.status, 200);
    let other = get("/v1/things?office=ber,nyc").await;
    assert_eq!(other.problem(), (403, "office_forbidden".into()));
    assert_eq!(other.json()["office"], "nyc");
}

#[tokio::test]
async fn hard_case_32_coordinates_are_believed_from_the_edge_only() {
    let geo = [
        ("x-geo-latitude", "48.2"),
        ("x-geo-longitude", "16.37"),
        ("x-forwarded-for", "1.2.3.4"),
    ];
    let trusting =
        World::with(|setup| setup.config.trusted_proxies = "127.0.0.0/8".parse().unwrap());
    let seen = async |world: &World, headers: &[(&str, &str)]| {
        let mut request = request("GET", "/v1/public", headers, "");
        let peer: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
        request
            .extensions_mut()
            .insert(axum::extract::ConnectInfo(peer));
        world.send(request).await.json()
    };
    let from_edge = seen(&trusting, &geo).await;
    assert_eq!(from_edge["location"], serde_json::json!([48.2, 16.37]));
    assert_eq!(from_edge["client"], "1.2.3.4");
    let from_anyone = seen(&World::new(), &geo).await;
    assert_eq!(from_anyone["location"], serde_json::Value::Null);
    assert_eq!(from_anyone["client"], "127.0.0.1");
    for odd in [
        ("x-geo-latitude", "NaN"),
        ("x-geo-latitude", "91"),
        ("x-geo-latitude", "north"),
    ] {
        let location = seen(&trusting, &[odd, geo[1]]).await["location"].clone();
        assert_eq!(location, serde_json::Value::Null, "{odd:?}");
    }
    assert_eq!(
        seen(&trusting, &geo[..1]).await["location"],
        serde_json::Value::Null
    );
}

#[tokio::test]
async fn every_list_can_be_asked_for_whole() {
    let world = World::new();
    for partial in ["true", "false"] {
        let list = world
            .get(&format!("/v1/things?limit=1&allow_partial={partial}"))
            .await;
        assert_eq!(
            (list.status, &list.json()["unreachable"]),
            (200, &serde_json::json!([]))
        );
    }
    let refused = world.get("/v1/things?allow_partial=maybe").await;
    assert_eq!(refused.problem(), (400, "invalid_parameter".into()));
    assert_eq!(refused.json()["errors"][0]["parameter"], "allow_partial");
}

#[tokio::test]
async fn a_report_is_json_or_a_table_as_accept_says() {
    let world = World::new();
    let ask = async |accept: &str| {
        world
            .send(request("GET", "/v1/report", &[("accept", accept)], ""))
            .await
    };
    for accept in ["", "*/*", "application/json", "text/csv, application/json"] {
        let answer = ask(accept).await;
        assert_eq!(answer.status, 200, "{accept}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("vary"), "accept");
        assert_eq!(answer.json()["data"][0][0], "a, b");
    }
    for accept in ["text/csv", "text/*", "text/csv, */*;q=0.5"] {
        let answer = ask(accept).await;
        assert_eq!(answer.status, 200, "{accept}");
        assert_eq!(
            answer.header("content-type"),
            "text/csv; charset=utf-8; header=present"
        );
        assert_eq!(answer.header("vary"), "accept");
        assert_eq!(answer.header("cache-control"), "private, no-cache");
        assert_eq!(answer.text, "name,value\r\n\"a, b\",-5\r\n'=1+1,\r\n");
    }
    let refused = ask("text/html").await;
    assert_eq!(refused.problem(), (406, "not_acceptable".into()));
    // What is not a report is JSON only.
    let refused = world
        .send(request("GET", "/v1/public", &[("accept", "text/csv")], ""))
        .await;
    assert_eq!(refused.problem(), (406, "not_acceptable".into()));
}
