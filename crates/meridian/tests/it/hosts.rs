//! A world over a database that is there: several hosts, of which the first is dead, and nothing but TLS.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::Signal;
use testkit::Server;

use crate::{
    support::{World, get, meridian, open_folder, psql, run, send},
    up::free_port,
};

/// Nobody gets in without TLS; the superuser of the test needs no password.
const RULES: &str = "
hostssl all postgres 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 scram-sha-256
";

/// Gives a server a certificate for 127.0.0.1, and lets nobody in who does not ask for TLS. Returns who vouches for it.
fn guard(server: &Server, folder: &Path) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();

    let data = folder.join("data");
    let owner = fs::metadata(&data).unwrap();
    for (name, text) in [
        ("server.crt", certificate.pem()),
        ("server.key", key.serialize_pem()),
        ("pg_hba.conf", RULES.to_owned()),
    ] {
        let file = data.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    psql(server.url(), "ALTER SYSTEM SET ssl = on");
    server.stop();
    server.start();
    let vouches = folder.join("ca.crt");
    fs::write(&vouches, authority.pem()).unwrap();
    vouches.display().to_string()
}

#[test]
fn a_world_comes_up_over_several_hosts_with_tls_and_a_dead_one_among_them() {
    let folder = open_folder();
    let there = folder.path().join("server");
    fs::create_dir(&there).unwrap();
    let server = Server::private(&there);
    psql(
        server.url(),
        "CREATE ROLE shop LOGIN CREATEDB CREATEROLE PASSWORD 'between us'",
    );
    let vouches = guard(&server, &there);
    // Bound and never listened on: nobody else can have it meanwhile, and who connects is refused.
    let dead = tokio::net::TcpSocket::new_v4().unwrap();
    dead.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let dead = (dead.local_addr().unwrap().port(), dead);
    let url = format!(
        "postgres://shop:between%20us@127.0.0.1:{},127.0.0.1:{}/shop?sslmode=verify-full&sslrootcert={vouches}",
        dead.0,
        server.port()
    );
    let mut up = meridian(folder.path());
    up.args([
        "up",
        "--port",
        &free_port().to_string(),
        "--database-url",
        &url,
    ]);
    let mut world = World::start(folder.path(), &mut up);
    for region in 0..3 {
        assert_eq!(get(&world.authority(region), "/readyz").unwrap().0, 200);
    }

    // Something is read that only the database knows, through the region that is not the first.
    let token = run(folder.path(), &["token", "--role", "manager"]);
    let token = format!("Bearer {}", token.stdout.trim_end());
    let headers = [("Authorization", token.as_str())];
    let items = send(&world.authority(1), "GET /v1/warehouse/items", &headers, "").unwrap();
    assert_eq!(items.status, 200, "{items:?}");
    assert!(
        items.body.contains("\"sku\""),
        "the demo company: {items:?}"
    );

    let superuser = format!("{}?sslmode=require", server.url());
    let sessions = "SELECT bool_and(ssl)::TEXT, (count(*) >= 3)::TEXT \
                    FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'meridian_app'";
    assert_eq!(psql(&superuser, sessions), "true|true");
    world.signal(Signal::INT);
    assert_eq!(world.wait(), Some(0));
    let told = fs::read_to_string(folder.path().join("up.stderr")).unwrap();
    assert!(
        told.contains("made the database, which was not there"),
        "{told}"
    );
    assert!(!told.contains("between"), "{told}");
}
