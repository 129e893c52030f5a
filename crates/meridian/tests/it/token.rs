use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use world::{Folder, Hold, Issuer};

use crate::support::{open_folder, run};

fn world() -> tempfile::TempDir {
    let dir = open_folder();
    let hold = Hold::take(&dir.path().join(".meridian")).unwrap();
    Issuer::load_or_create(hold.folder()).unwrap();
    dir
}

fn part(token: &str, index: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(index).unwrap())
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn a_token_and_a_newline_and_nothing_else() {
    let dir = world();
    let ended = run(dir.path(), &["token", "--role", "manager"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let token = ended.stdout.strip_suffix('\n').unwrap();
    assert!(
        token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
        "{token}"
    );
    let (header, claims) = (part(token, 0), part(token, 1));
    assert_eq!(header["alg"], "EdDSA");
    let jwks: Value = serde_json::from_slice(
        &std::fs::read(Folder::new(dir.path().join(".meridian")).jwks()).unwrap(),
    )
    .unwrap();
    assert_eq!(header["kid"], jwks["keys"][0]["kid"]);
    assert_eq!(
        (&claims["aud"], &claims["sub"], &claims["offices"]),
        (&json!("meridian"), &json!("dev:manager"), &json!("*"))
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        3600
    );
    let scopes: Vec<_> = claims["scope"].as_str().unwrap().split(' ').collect();
    assert!(
        scopes.contains(&"offices:write") && !scopes.contains(&"ops:admin"),
        "{scopes:?}"
    );
}

#[test]
fn each_role_has_its_scopes() {
    let dir = world();
    let scopes = |role: &str| {
        let token = run(dir.path(), &["token", "--role", role]).stdout;
        part(token.trim(), 1)["scope"].as_str().unwrap().to_owned()
    };
    assert!(!scopes("viewer").contains("write") && !scopes("viewer").contains("audit"));
    assert!(scopes("clerk").contains("sales:write") && !scopes("clerk").contains("offices:write"));
    assert!(scopes("accountant").contains("accounting:admin"));
    assert!(scopes("operator").contains("ops:admin") && !scopes("operator").contains("write"));
}

#[test]
fn offices_name_and_life_are_as_asked() {
    let dir = world();
    let args = [
        "token",
        "--role",
        "clerk",
        "--offices",
        "ber,nyc",
        "--sub",
        "ada",
        "--ttl",
        "60s",
    ];
    let claims = part(run(dir.path(), &args).stdout.trim(), 1);
    assert_eq!(
        (&claims["offices"], &claims["sub"]),
        (&json!(["ber", "nyc"]), &json!("ada"))
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        60
    );
}

#[test]
fn the_state_may_be_elsewhere() {
    let (dir, other) = (world(), open_folder());
    let state = dir.path().join(".meridian").display().to_string();
    let ended = run(
        other.path(),
        &["token", "--role", "viewer", "--state", &state],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let json = run(dir.path(), &["token", "--role", "viewer", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&json["sub"], &json["expires_in"]),
        (&json!("dev:viewer"), &json!(3600))
    );
}

#[test]
fn without_a_world_there_is_no_token() {
    let dir = open_folder();
    let ended = run(dir.path(), &["token", "--role", "viewer"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.line().contains("meridian up"), "{}", ended.line());
}
