//! The accept loop on real connections: limits that hyper would answer, hang-ups, the drain.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{GOOD, PATIENCE, Server, raw, read_to_end, until};

const KEY: &str = "Idempotency-Key: key-00001\r\nContent-Type: application/json\r\n";

/// Status, headers in lower case, and body of a raw answer.
fn split(answer: &str) -> (u16, String, String) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

fn assert_contract(answer: &str, status: u16, code: &str) {
    let (found, head, body) = split(answer);
    assert_eq!(found, status, "{answer}");
    for name in [
        "request-id: req_eu1_",
        "served-by: eu1",
        "freshness: none",
        "request-cost: ",
        "ratelimit: ",
    ] {
        assert!(head.contains(name), "{name}: {head}");
    }
    assert!(body.contains(&format!("\"code\":\"{code}\"")), "{body}");
}

#[tokio::test]
async fn requests_are_served_over_tcp() {
    let server = Server::start(|_| {}).await;
    let (status, head, body) = split(
        &server
            .talk(raw("GET", "/v1/public", "", "").as_bytes())
            .await,
    );
    assert_eq!(
        (status, body.contains("\"client\":\"127.0.0.1\"")),
        (200, true),
        "{head} {body}"
    );
    let (status, _, _) = split(
        &server
            .talk(raw("POST", "/v1/things", KEY, GOOD).as_bytes())
            .await,
    );
    assert_eq!(status, 201);
}

#[tokio::test]
async fn hard_case_30_the_service_answers_what_hyper_would() {
    let server = Server::start(|_| {}).await;
    let many: String = (0..100).map(|index| format!("h{index}: x\r\n")).collect();
    let answer = server
        .talk(raw("GET", "/v1/public", &many, "").as_bytes())
        .await;
    assert_contract(&answer, 431, "headers_too_large");
    let long = format!("long: {}\r\n", "x".repeat(60_000));
    let answer = server
        .talk(raw("GET", "/v1/public", &long, "").as_bytes())
        .await;
    assert_contract(&answer, 431, "headers_too_large");
    let path = format!("/v1/public?{}", "x".repeat(60_000));
    let answer = server.talk(raw("GET", &path, "", "").as_bytes()).await;
    assert_contract(&answer, 414, "uri_too_long");
}

#[tokio::test]
async fn hard_case_30_a_client_sees_why_its_large_body_was_refused() {
    let server = Server::start(|_| {}).await;
    // 10 MiB fill every buffer on the way, so the client cannot have sent them unless they were read.
    let body = "x".repeat(10 << 20);
    let answer = server
        .talk(raw("POST", "/v1/things", KEY, &body).as_bytes())
        .await;
    assert_contract(&answer, 413, "body_too_large");
    let bad = raw("POST", "/v1/nowhere", KEY, &body);
    assert_contract(&server.talk(bad.as_bytes()).await, 404, "not_found");
    let bearer_less =
        bad.replacen("Bearer ", "Bearer x", 1)
            .replacen("/v1/nowhere", "/v1/things", 1);
    assert_contract(
        &server.talk(bearer_less.as_bytes()).await,
        401,
        "unauthenticated",
    );
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_is_refused_before_it_sends() {
    let server = Server::start(|_| {}).await;
    let head = raw(
        "POST",
        "/v1/things",
        &format!("{KEY}Expect: 100-continue\r\n"),
        &"x".repeat(2 << 20),
    );
    let head = head.split_once("\r\n\r\n").unwrap().0.to_owned() + "\r\n\r\n";
    let answer = server.talk(head.as_bytes()).await;
    assert_contract(&answer, 413, "body_too_large");
}

#[tokio::test]
async fn a_chunked_body_is_counted_as_it_comes() {
    let server = Server::start(|_| {}).await;
    let head = raw(
        "POST",
        "/v1/things",
        &format!("{KEY}Transfer-Encoding: chunked\r\n"),
        "",
    );
    let head = head.replace("Content-Length: 0\r\n", "");
    let chunk = format!("{:x}\r\n{}\r\n", 64 << 10, "x".repeat(64 << 10));
    let answer = server
        .talk(format!("{head}{}0\r\n\r\n", chunk.repeat(17)).as_bytes())
        .await;
    assert_contract(&answer, 413, "body_too_large");
    let small = format!("{head}{:x}\r\n{GOOD}\r\n0\r\n\r\n", GOOD.len());
    assert_eq!(split(&server.talk(small.as_bytes()).await).0, 201);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_until_the_deadline() {
    let server =
        Server::start(|setup| setup.config.limits.deadline = Duration::from_millis(100)).await;
    let head = raw("POST", "/v1/things", KEY, "x")
        .trim_end_matches('x')
        .to_owned();
    let answer = server.talk(head.as_bytes()).await;
    assert_contract(&answer, 504, "deadline_exceeded");
    assert!(answer.contains("\"effect\":\"none\""), "{answer}");
    // Who is refused at once need not wait for the body either.
    let answer = server
        .talk(head.replace("/v1/things", "/v1/nowhere").as_bytes())
        .await;
    assert_contract(&answer, 404, "not_found");
}

#[tokio::test]
async fn odd_request_targets_are_answered() {
    let server = Server::start(|_| {}).await;
    for (method, target, statuses) in [
        ("OPTIONS", "*", &[204, 404][..]),
        ("CONNECT", "example.org:443", &[404, 405]),
        ("GET", "http://example.org/v1/public", &[200]),
        ("GET", "//v1//public", &[404]),
        ("GET", "/v1/../etc/passwd", &[404]),
    ] {
        let (status, ..) = split(&server.talk(raw(method, target, "", "").as_bytes()).await);
        assert!(statuses.contains(&status), "{method} {target}: {status}");
    }
}

#[tokio::test]
async fn hard_case_30_a_slow_head_is_cut_off() {
    let server =
        Server::start(|setup| setup.config.limits.head_timeout = Duration::from_millis(100)).await;
    let mut silent = server.connect().await;
    assert_eq!(read_to_end(&mut silent).await, "");
    let mut slow = server.connect().await;
    slow.write_all(b"GET /v1/public HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    assert_eq!(read_to_end(&mut slow).await, "");
    // A second request on one connection has its own time, and none runs while nothing is asked.
    let mut kept = server.connect().await;
    let request = raw("GET", "/healthz", "", "").replace("Connection: close\r\n", "");
    for _ in 0..2 {
        kept.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 15];
        tokio::time::timeout(PATIENCE, kept.read_exact(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        read_rest(&mut kept).await;
        // Longer than the time for a head: the connection idles, which is another time.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    kept.write_all(b"GET /healthz HT").await.unwrap();
    assert_eq!(read_to_end(&mut kept).await, "");
}

/// Reads the rest of the answer of `/healthz`.
async fn read_rest(stream: &mut tokio::net::TcpStream) {
    let mut text = String::new();
    while !text.ends_with("{\"status\":\"alive\"}") {
        let mut byte = [0; 1];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut byte))
            .await
            .unwrap()
            .unwrap();
        text.push(char::from(byte[0]));
    }
}

#[tokio::test]
async fn bytes_that_are_not_http_do_no_harm() {
    let server = Server::start(|_| {}).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"HELO mail\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let answer = server.talk(bytes).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{answer}"
        );
    }
    assert_eq!(
        split(&server.talk(raw("GET", "/healthz", "", "").as_bytes()).await).0,
        200
    );
}

#[tokio::test]
async fn a_write_survives_the_client_that_hangs_up() {
    let server = Server::start(|_| {}).await;
    let app = server.world.app.clone();
    let body = r#"{"name":"n","behave":"gate"}"#;
    let mut stream = server.connect().await;
    stream
        .write_all(raw("POST", "/v1/things", KEY, body).as_bytes())
        .await
        .unwrap();
    until("the write at work", || {
        app.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    drop(stream);
    // A read whose client hangs up is dropped; its being dropped shows that the server noticed hang-ups.
    let mut read = server.connect().await;
    read.write_all(raw("GET", "/v1/hang", "", "").as_bytes())
        .await
        .unwrap();
    until("the read at work", || {
        app.waiting.load(Ordering::SeqCst) == 2
    })
    .await;
    drop(read);
    let deadline = Instant::now() + PATIENCE;
    while !server
        .world
        .get("/metrics")
        .await
        .text
        .contains("http_requests_abandoned_total 1")
    {
        assert!(Instant::now() < deadline, "the hang-up went unnoticed");
        tokio::task::yield_now().await;
    }
    app.gate.add_permits(1);
    until("the write is done", || app.done.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight_and_turns_away_the_rest() {
    let mut draining = None;
    let server = Server::start(|setup| draining = Some(setup.config.draining.clone())).await;
    let app = server.world.app.clone();
    let body = r#"{"name":"n","behave":"gate"}"#;
    let mut in_flight = server.connect().await;
    in_flight
        .write_all(raw("POST", "/v1/things", KEY, body).as_bytes())
        .await
        .unwrap();
    until("a write at work", || {
        app.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    let mut idle = server.connect().await;
    draining.unwrap().cancel();
    let answer = server
        .talk(raw("GET", "/v1/public", "", "").as_bytes())
        .await;
    assert_contract(&answer, 503, "draining");
    assert_eq!(
        split(&server.talk(raw("GET", "/readyz", "", "").as_bytes()).await).0,
        503
    );
    assert!(!server.running.is_finished(), "a write is in flight");
    app.gate.add_permits(1);
    assert_eq!(split(&read_to_end(&mut in_flight).await).0, 201);
    let ended = tokio::time::timeout(PATIENCE, server.running)
        .await
        .expect("it does not end");
    ended.unwrap().unwrap();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(
        tokio::net::TcpStream::connect(server.address)
            .await
            .is_err()
    );
}
