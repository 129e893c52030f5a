//! What the log says of a request.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{GOOD, World, request, token};

/// Keeps what is logged, by all tests of this process.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_request_is_one_line_that_names_it_and_no_secret() {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(kept.clone())
        .finish();
    // For the whole process: a subscriber of one thread misses spans whose call sites other threads met first.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let world = World::new();
    let bearer = format!("Bearer {}", token(|_| {}));
    let headers = [
        ("authorization", bearer.as_str()),
        ("idempotency-key", "key-00001"),
    ];
    let made = world
        .send(request("POST", "/v1/things?dry_run=true", &headers, GOOD))
        .await;
    assert_eq!(made.status, 201);
    let probe = world.get("/healthz").await;
    assert_eq!(probe.status, 200);
    let broken = world.post(r#"{"name":"n","behave":"unavailable"}"#).await;
    assert_eq!(broken.status, 503);

    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let ends: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("request.end"))
        .filter(|line| {
            [&made, &broken]
                .iter()
                .any(|a| line.contains(a.header("request-id")))
        })
        .collect();
    assert_eq!(ends.len(), 2, "{text}");
    let probed = probe.header("request-id");
    assert!(
        !probed.is_empty() && !text.contains(probed),
        "probes are not logged at info"
    );
    let first: serde_json::Value = serde_json::from_str(ends[0]).unwrap();
    let fields = &first["fields"];
    assert_eq!(first["level"], "INFO");
    assert_eq!(fields["request_id"], made.header("request-id"));
    assert_eq!(
        (&fields["operation"], &fields["status"]),
        (&"create_thing".into(), &201.into())
    );
    assert_eq!(
        (&fields["method"], &fields["path"]),
        (&"POST".into(), &"/v1/things".into())
    );
    assert_eq!(fields["subject"], "ada");
    // The causes of a failure are logged once, where it is turned into an answer, with the request's id.
    let causes: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("hunter2") && line.contains(broken.header("request-id")))
        .collect();
    assert_eq!(causes.len(), 1, "{text}");
    let signature = bearer.rsplit('.').next().unwrap();
    assert!(!text.contains(signature), "a token was logged");
}
