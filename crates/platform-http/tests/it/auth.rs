//! Tokens: what holds, what does not, and what happens while the issuer is away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::{
    elliptic_curve::{rand_core::OsRng, sec1::ToEncodedPoint as _},
    pkcs8::EncodePrivateKey as _,
};
use rsa::{pkcs1::EncodeRsaPrivateKey as _, traits::PublicKeyParts as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use kernel::Clock;
use platform_http::{JwksSource, Quota, Verifier};

use crate::harness::{Answer, ISSUER, KEY, World, jwk, now_secs, request, sign, token, until};

async fn with(world: &World, authorization: &str) -> Answer {
    world
        .send(request(
            "GET",
            "/v1/offices",
            &[("authorization", authorization)],
            "",
        ))
        .await
}

async fn status(world: &World, token: &str) -> u16 {
    with(world, &format!("Bearer {token}")).await.status
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "meridian", "sub": "ada", "iat": now_secs(), "exp": now_secs() + 600,
        "scope": "offices:read", "offices": "*"})
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn a_good_token_is_its_principal() {
    let world = World::new();
    let answer = with(&world, &format!("bearer {}", token(|_| {}))).await;
    assert_eq!(
        (answer.status, answer.json()["subject"].as_str()),
        (200, Some("ada"))
    );
    assert!(
        answer.header("server-timing").contains("auth;dur="),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_does_not_hold_is_401_with_a_reason_and_no_more() {
    let world = World::new();
    let good = token(|_| {});
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let stranger = SigningKey::generate(&mut OsRng);
    let bad = [
        String::new(),
        "x".into(),
        "a.b.c".into(),
        format!("{head}.{payload}"),
        format!("{head}.{payload}."),
        format!("{head}.{}.{signature}", part(&json!({"sub": "eve"}))),
        format!("{}.{payload}.", part(&json!({"alg": "none", "typ": "JWT"}))),
        format!(
            "{}.{payload}.{signature}",
            part(&json!({"alg": "none", "kid": "k1"}))
        ),
        sign(&claims(), &stranger, Some("k1")),
        sign(&claims(), &stranger, None),
        sign(&claims(), &KEY, Some("unknown")),
        token(|claims| claims["exp"] = (now_secs() - 1).into()),
        token(|claims| claims["exp"] = (now_secs() + 7200).into()),
        token(|claims| claims["iss"] = "https://other.test".into()),
        token(|claims| claims["aud"] = "other".into()),
        token(|claims| claims["nbf"] = (now_secs() + 60).into()),
        token(|claims| drop(claims.as_object_mut().unwrap().remove("sub"))),
        "x".repeat(9000),
    ];
    for token in bad {
        let answer = with(&world, &format!("Bearer {token}")).await;
        assert_eq!(answer.problem(), (401, "unauthenticated".into()), "{token}");
        assert!(
            answer
                .header("www-authenticate")
                .starts_with("Bearer error=\"invalid_token\""),
            "{answer:?}"
        );
        assert!(
            token.len() < 9 || !answer.text.contains(&token),
            "the token is not echoed"
        );
    }
    for scheme in ["Basic YTpi", "Bearer"] {
        assert_eq!(with(&world, scheme).await.problem().0, 401, "{scheme}");
    }
    let none = with(&world, "").await;
    assert_eq!(
        (none.problem().0, none.header("www-authenticate")),
        (401, "Bearer")
    );
    let mut twice = request("GET", "/v1/offices", &[], "");
    twice
        .headers_mut()
        .append("authorization", format!("Bearer {good}").parse().unwrap());
    assert_eq!(world.send(twice).await.problem().0, 401);
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let world = World::new();
    let x = jwk(&KEY, "k1")["x"].as_str().unwrap().to_owned();
    for secret in [
        x.as_bytes().to_vec(),
        KEY.verifying_key().as_bytes().to_vec(),
    ] {
        for algorithm in [Algorithm::HS256, Algorithm::HS512] {
            let mut header = Header::new(algorithm);
            header.kid = Some("k1".into());
            let forged =
                jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&secret))
                    .unwrap();
            assert_eq!(status(&world, &forged).await, 401, "{algorithm:?}");
        }
    }
}

#[tokio::test]
async fn es256_and_rs256_are_taken_and_their_keys_are_not_mixed_up() {
    let ec = p256::SecretKey::random(&mut OsRng);
    let rsa = rsa::RsaPrivateKey::new(&mut OsRng, 2048).unwrap();
    let point = ec.public_key().to_encoded_point(false);
    let (x, y) = (point.x().unwrap(), point.y().unwrap());
    let ec_jwk = json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)});
    let number = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
    let rsa_jwk = json!({"kty": "RSA", "kid": "rsa", "n": number(rsa.n()), "e": number(rsa.e())});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(
        &file,
        json!({"keys": [ec_jwk, rsa_jwk, {"kty": "oct", "k": "AAAA"}]}).to_string(),
    )
    .unwrap();
    let world = World::with(|setup| {
        setup.verifier = Verifier::new(JwksSource::File(file), ISSUER, "meridian", Clock::System);
    });
    let ec_key = EncodingKey::from_ec_der(ec.to_pkcs8_der().unwrap().as_bytes());
    let rsa_key = EncodingKey::from_rsa_der(rsa.to_pkcs1_der().unwrap().as_bytes());
    let make = |algorithm, kid: Option<&str>, key| {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, &claims(), key).unwrap()
    };
    for kid in [Some("ec"), None] {
        assert_eq!(
            status(&world, &make(Algorithm::ES256, kid, &ec_key)).await,
            200
        );
    }
    assert_eq!(
        status(&world, &make(Algorithm::RS256, Some("rsa"), &rsa_key)).await,
        200
    );
    assert_eq!(
        status(&world, &make(Algorithm::RS256, Some("ec"), &rsa_key)).await,
        401
    );
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        assert_eq!(
            status(&world, &make(algorithm, Some("rsa"), &rsa_key)).await,
            401,
            "{algorithm:?}"
        );
    }
}

/// An issuer that serves what it is told to, counts, and answers only while its gate is open.
#[derive(Debug, Clone)]
struct Issuer {
    keys: Arc<std::sync::Mutex<Option<Value>>>,
    asked: Arc<AtomicUsize>,
    open: Arc<watch::Sender<bool>>,
}

async fn issuer(keys: Value) -> (Issuer, JwksSource) {
    let issuer = Issuer {
        keys: Arc::new(std::sync::Mutex::new(Some(keys))),
        asked: Arc::default(),
        open: Arc::new(watch::Sender::new(true)),
    };
    let state = issuer.clone();
    let router = Router::new().route(
        "/jwks",
        get(async move || {
            state.asked.fetch_add(1, Ordering::SeqCst);
            let _ = state.open.subscribe().wait_for(|open| *open).await;
            let keys = state.keys.lock().unwrap().clone();
            keys.map(axum::Json)
                .ok_or(axum::http::StatusCode::BAD_GATEWAY)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let serve = async move { axum::serve(listener, router).await.unwrap() };
    drop(TaskTracker::new().spawn(serve));
    (issuer, JwksSource::Url(url))
}

#[tokio::test]
async fn keys_are_fetched_once_and_kept_while_the_issuer_is_down() {
    let (issuer, source) = issuer(json!({"keys": [jwk(&KEY, "k1")]})).await;
    let verifier = Verifier::new(source, ISSUER, "meridian", Clock::System);
    let world = World::with(|setup| setup.verifier = verifier.clone());
    let tokens: Vec<String> = (0..50)
        .map(|n| token(|claims| claims["sub"] = format!("user-{n}").into()))
        .collect();
    let all =
        futures_util::future::join_all(tokens.iter().map(|token| status(&world, token))).await;
    assert!(all.iter().all(|status| *status == 200), "{all:?}");
    assert_eq!(
        issuer.asked.load(Ordering::SeqCst),
        1,
        "one reading for all who came at once"
    );
    *issuer.keys.lock().unwrap() = None;
    assert!(verifier.load().await.is_err());
    assert_eq!(
        status(&world, &token(|claims| claims["sub"] = "new".into())).await,
        200
    );
    assert_eq!(world.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_new_key_is_found_when_it_is_first_named_and_an_old_one_goes_with_its_set() {
    let next = SigningKey::generate(&mut OsRng);
    let (issuer, source) = issuer(json!({"keys": [jwk(&KEY, "k1")]})).await;
    let world = World::with(|setup| {
        setup.verifier = Verifier::new(source, ISSUER, "meridian", Clock::System);
        // Each refusal is charged to the address, and a fast machine asks more than 600 times a second.
        setup.config.quota = Quota::new(1_000_000, 1).unwrap();
    });
    let old = token(|_| {});
    assert_eq!(status(&world, &old).await, 200);
    let asked = issuer.asked.load(Ordering::SeqCst);
    *issuer.keys.lock().unwrap() = Some(json!({"keys": [jwk(&next, "k2")]}));
    let new = sign(&claims(), &next, Some("k2"));
    // The issuer is asked at most once a second.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while status(&world, &new).await != 200 {
        assert!(
            std::time::Instant::now() < deadline,
            "the new key was never found"
        );
    }
    assert!(
        issuer.asked.load(Ordering::SeqCst) <= asked + 2,
        "it was asked too often"
    );
    assert_eq!(status(&world, &old).await, 401, "its key was taken back");
}

/// Its client hangs up while the issuer is being asked, which ends a read.
#[tokio::test]
async fn a_request_that_ends_takes_no_reading_of_the_keys_with_it() {
    let next = SigningKey::generate(&mut OsRng);
    let (issuer, source) = issuer(json!({"keys": [jwk(&KEY, "k1")]})).await;
    let world = Arc::new(World::with(|setup| {
        setup.verifier = Verifier::new(source, ISSUER, "meridian", Clock::System);
        setup.config.quota = Quota::new(1_000_000, 1).unwrap();
    }));
    let tasks = TaskTracker::new();
    let unread = token(|_| {});
    let unknown = sign(&claims(), &next, Some("k2"));
    for (token, asked) in [(unread, 1), (unknown, 2)] {
        issuer.open.send_replace(false);
        let asking = Arc::clone(&world);
        let ask = move || {
            let (world, token) = (Arc::clone(&asking), token.clone());
            async move { status(&world, &token).await }
        };
        // Keys that were read within the last second are not read again.
        let first = tasks.spawn({
            let ask = ask.clone();
            async move { while ask().await == 401 {} }
        });
        until("the issuer is asked", || {
            issuer.asked.load(Ordering::SeqCst) == asked
        })
        .await;
        let other = tasks.spawn(ask());
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        issuer.open.send_replace(true);
        assert_eq!(other.await.unwrap(), 200, "it waits for the same reading");
        assert_eq!(issuer.asked.load(Ordering::SeqCst), asked);
        *issuer.keys.lock().unwrap() = Some(json!({"keys": [jwk(&next, "k2")]}));
    }
}

#[tokio::test]
async fn a_key_that_could_not_be_looked_for_is_not_unknown() {
    let next = SigningKey::generate(&mut OsRng);
    let (issuer, source) = issuer(json!({"keys": [jwk(&KEY, "k1")]})).await;
    let verifier = Verifier::new(source, ISSUER, "meridian", Clock::System);
    verifier.load().await.unwrap();
    let world = World::with(|setup| setup.verifier = verifier.clone());
    *issuer.keys.lock().unwrap() = None;
    assert!(verifier.load().await.is_err());
    let new = sign(&claims(), &next, Some("k2"));
    let bearer = format!("Bearer {new}");
    for _ in 0..2 {
        let answer = with(&world, &bearer).await;
        assert_eq!(answer.problem(), (503, "region_unavailable".into()));
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(
        status(&world, &token(|_| {})).await,
        200,
        "its key is known"
    );
    *issuer.keys.lock().unwrap() = Some(json!({"keys": [jwk(&KEY, "k1")]}));
    verifier.load().await.unwrap();
    assert_eq!(status(&world, &new).await, 401, "it is not the issuer's");
}

/// However near to the new set's arrival it was verified.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_lives_no_longer_than_its_key() {
    let next = SigningKey::generate(&mut OsRng);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let tokens: Arc<Vec<String>> = Arc::new(
        (0..300)
            .map(|n| token(|claims| claims["sub"] = format!("user-{n}").into()))
            .collect(),
    );
    for _ in 0..20 {
        std::fs::write(&file, json!({"keys": [jwk(&KEY, "k1")]}).to_string()).unwrap();
        let source = JwksSource::File(file.clone());
        let verifier = Verifier::new(source, ISSUER, "meridian", Clock::System);
        verifier.load().await.unwrap();
        let world = Arc::new(World::with(|setup| {
            setup.verifier = verifier.clone();
            setup.config.quota = Quota::new(1_000_000, 1).unwrap();
        }));
        std::fs::write(&file, json!({"keys": [jwk(&next, "k2")]}).to_string()).unwrap();
        let good = Arc::new(AtomicUsize::new(0));
        let users = TaskTracker::new().spawn({
            let (world, tokens, good) =
                (Arc::clone(&world), Arc::clone(&tokens), Arc::clone(&good));
            async move {
                for token in tokens.iter() {
                    if status(&world, token).await != 200 {
                        break;
                    }
                    good.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        until("tokens are used", || good.load(Ordering::SeqCst) > 10).await;
        verifier.load().await.unwrap();
        users.await.unwrap();
        for token in &tokens[..(good.load(Ordering::SeqCst) + 1).min(tokens.len())] {
            assert_eq!(status(&world, token).await, 401, "its key was taken back");
        }
    }
}

#[tokio::test]
async fn without_keys_nobody_can_be_judged() {
    let (issuer, source) = issuer(json!({"keys": []})).await;
    let world = World::with(|setup| {
        setup.verifier = Verifier::new(source, ISSUER, "meridian", Clock::System);
    });
    let answer = with(&world, &format!("Bearer {}", token(|_| {}))).await;
    assert_eq!(answer.problem(), (503, "region_unavailable".into()));
    let ready = world.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.json()["status"].as_str()),
        (503, Some("unavailable"))
    );
    assert!(issuer.asked.load(Ordering::SeqCst) >= 1);
    assert_eq!(
        world
            .send(request("GET", "/v1/public", &[], ""))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_token_ends_when_it_says_though_it_was_verified_before() {
    let now = kernel::Timestamp::from_millis(1_795_000_000_000);
    let clock = Clock::fixed(now);
    let Clock::Fixed(hand) = clock.clone() else {
        unreachable!()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, json!({"keys": [jwk(&KEY, "k1")]}).to_string()).unwrap();
    let world = World::with(|setup| {
        setup.verifier = Verifier::new(JwksSource::File(file), ISSUER, "meridian", clock);
    });
    let exp = now.as_millis() / 1000 + 60;
    let token = token(|claims| {
        claims["iat"] = (exp - 60).into();
        claims["exp"] = exp.into();
    });
    assert_eq!(status(&world, &token).await, 200);
    hand.store(exp * 1000 - 1, Ordering::SeqCst);
    assert_eq!(status(&world, &token).await, 200);
    hand.store(exp * 1000, Ordering::SeqCst);
    assert_eq!(status(&world, &token).await, 401);
}
