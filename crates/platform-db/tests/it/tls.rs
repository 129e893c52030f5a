//! TLS to a PostgreSQL that speaks nothing else to others.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
    process::{Command, Stdio},
};

use platform_db::{Connection, DbError};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, RevokedCertParams, date_time_ymd,
};
use testkit::{
    Act::{Answer, Cut},
    Did, Rule, TestDb, When, WireProxy, eventually,
};

use crate::fixture::{THINGS, assert_one_effect, create, create_intent};

/// Who vouches for others.
type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for a name, and its key, as files.
fn certify(folder: &Path, file: &str, by: &Authority, change: impl FnOnce(&mut CertificateParams)) {
    let key = KeyPair::generate().unwrap();
    fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    certify_key(folder, (file, &key), by, change);
}

/// A certificate for a key that is there, as a file.
fn certify_key(
    folder: &Path,
    (file, key): (&str, &KeyPair),
    by: &Authority,
    change: impl FnOnce(&mut CertificateParams),
) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    change(&mut params);
    let certificate = params.signed_by(key, by).unwrap();
    fs::write(folder.join(format!("{file}.crt")), certificate.pem()).unwrap();
}

/// The server's own number at its authority.
const SERVER_SERIAL: u64 = 42;

/// What an authority says of those that it takes back.
fn revocations(by: &Authority, serials: &[u64]) -> String {
    let revoked = serials.iter().map(|serial| RevokedCertParams {
        serial_number: (*serial).into(),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2126, 1, 1),
        crl_number: 1_u64.into(),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(by).unwrap().pem().unwrap()
}

/// What openssl makes of what it is given.
fn openssl(words: &str, input: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("openssl")
        .args(words.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("openssl, which has to be on the PATH: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let made = child.wait_with_output().unwrap();
    assert!(made.status.success(), "openssl {words}");
    String::from_utf8(made.stdout).unwrap()
}

fn client(name: &str) -> impl FnOnce(&mut CertificateParams) {
    move |params| {
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    }
}

/// A server with its certificates, in a folder.
struct Guarded {
    test: TestDb,
    folder: tempfile::TempDir,
    data: String,
    ca: Authority,
}

/// Who gets in how. The owner of the tests does as before.
const RULES: &str = "
hostssl all meridian_app all scram-sha-256
hostssl all shows_one all cert
hostssl all wants_two all scram-sha-256 clientcert=verify-full
hostnossl all postgres all trust
hostssl all postgres all trust
";

impl Guarded {
    async fn new() -> Self {
        let test = TestDb::private(&[&THINGS]).await;
        let data = test.query("SHOW data_directory").await[0][0]
            .clone()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let ca = authority("one");
        fs::write(here.join("ca.crt"), ca.pem()).unwrap();
        fs::write(here.join("other-ca.crt"), authority("one").pem()).unwrap();
        certify(here, "server", &ca, |params| {
            params.serial_number = Some(SERVER_SERIAL.into());
        });
        certify(here, "expired", &ca, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        });
        certify(here, "shows_one", &ca, client("shows_one"));
        certify(here, "wants_two", &ca, client("wants_two"));
        test.query(
            "CREATE ROLE shows_one LOGIN; CREATE ROLE wants_two LOGIN PASSWORD 'pass word';
             ALTER ROLE meridian_app PASSWORD 'only-for-tests'",
        )
        .await;
        let guarded = Self {
            test,
            folder,
            data,
            ca,
        };
        fs::write(format!("{}/pg_hba.conf", guarded.data), RULES).unwrap();
        guarded.install("ca.crt");
        guarded.shows("server").await;
        guarded
    }

    /// A file of the server's own, where only it may read it.
    fn install(&self, file: &str) {
        let target = Path::new(&self.data).join(file);
        fs::copy(self.folder.path().join(file), &target).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        let owner = fs::metadata(&self.data).unwrap();
        chown(&target, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// The server shows this certificate from now on.
    async fn shows(&self, name: &str) {
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        self.install(&certificate);
        self.install(&key);
        for setting in [
            "ssl_ca_file = 'ca.crt'".into(),
            format!("ssl_cert_file = '{certificate}'"),
            format!("ssl_key_file = '{key}'"),
            "ssl = on".to_owned(),
        ] {
            self.test
                .query(&format!("ALTER SYSTEM SET {setting}"))
                .await;
        }
        let before = self.loaded().await;
        self.test.query("SELECT pg_reload_conf()").await;
        eventually("the server has read its files", async || {
            self.loaded().await != before
        })
        .await;
    }

    /// When the server read its files, as it tells who has just come.
    async fn loaded(&self) -> String {
        let fresh = platform_db::connect(self.test.owner_url(), "test")
            .await
            .unwrap();
        let row = fresh
            .query_one("SELECT pg_conf_load_time()::TEXT", &[])
            .await
            .unwrap();
        row.get(0)
    }

    fn url(&self, user: &str, options: &str) -> String {
        let folder = self.folder.path().display();
        let options = options.replace("DIR", &folder.to_string());
        let name = self.test.app_url().rsplit('/').next().unwrap().to_owned();
        format!(
            "postgres://{user}@localhost:{}/{name}?{options}",
            self.test.server().port()
        )
    }

    async fn connect(&self, user: &str, options: &str) -> Result<Connection, DbError> {
        platform_db::connect(&self.url(user, options), "test").await
    }

    /// What is told of a connection that cannot be had.
    async fn refusal(&self, user: &str, options: &str) -> String {
        let error = self.connect(user, options).await.map(drop).unwrap_err();
        let mut told = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            told = format!("{told}: {error}");
            cause = error.source();
        }
        assert!(
            !told.contains("only-for-tests") && !told.contains("pass word"),
            "{told}"
        );
        told
    }
}

const APP: &str = "meridian_app:only-for-tests";
const VERIFIED: &str = "sslmode=verify-full&sslrootcert=DIR/ca.crt";

/// Whether the connection is encrypted, as the server sees it.
async fn is_encrypted(connection: &Connection) -> bool {
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    connection.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn passwords_and_certificates_go_over_tls_and_the_server_is_verified() {
    let guarded = Guarded::new().await;
    // Whatever the mode, all is verified; a file of roots alone means TLS as well.
    for mode in ["require", "verify-ca", "verify-full", "prefer", "allow"] {
        let options = format!("sslmode={mode}&sslrootcert=DIR/ca.crt");
        let connection = guarded.connect(APP, &options).await.unwrap();
        assert!(is_encrypted(&connection).await, "{mode}");
        let other = format!("sslmode={mode}&sslrootcert=DIR/other-ca.crt");
        let told = guarded.refusal(APP, &other).await;
        assert!(
            told.contains("an authority that sslrootcert does not name"),
            "{told}"
        );
    }
    let connection = guarded
        .connect(APP, "sslrootcert=DIR/ca.crt")
        .await
        .unwrap();
    assert!(is_encrypted(&connection).await);

    let own = format!("{VERIFIED}&sslcert=DIR/shows_one.crt&sslkey=DIR/shows_one.key");
    assert!(is_encrypted(&guarded.connect("shows_one", &own).await.unwrap()).await);
    let both = format!("{VERIFIED}&sslcert=DIR/wants_two.crt&sslkey=DIR/wants_two.key");
    assert!(
        is_encrypted(
            &guarded
                .connect("wants_two:pass%20word", &both)
                .await
                .unwrap()
        )
        .await
    );
    let told = guarded.refusal("wants_two:pass%20word", &own).await;
    assert!(
        told.contains("28000") || told.contains("28P01"),
        "another's certificate: {told}"
    );
    let told = guarded.refusal("shows_one", VERIFIED).await;
    assert!(told.contains("28000"), "no certificate: {told}");
}

#[tokio::test]
async fn what_is_wrong_is_told_in_words() {
    let guarded = Guarded::new().await;
    let told = guarded.refusal("meridian_app:wrong", VERIFIED).await;
    assert!(
        told.contains("refuses who") && told.contains("28P01"),
        "{told}"
    );
    let told = guarded.refusal(APP, "sslmode=disable").await;
    assert!(
        told.contains("the server demands TLS: add sslmode=verify-full"),
        "{told}"
    );
    let elsewhere = guarded.url(APP, VERIFIED).replace("localhost", "127.0.0.1");
    let error = platform_db::connect(&elsewhere, "test")
        .await
        .map(drop)
        .unwrap_err();
    let told = format!("{:?}", std::error::Error::source(&error));
    let DbError::Connect { source } = &error else {
        panic!("{told}")
    };
    assert!(
        source.to_string().contains("for another host name"),
        "{source}"
    );

    fs::write(guarded.folder.path().join("empty.crt"), "nothing").unwrap();
    for (options, wanted) in [
        (
            "sslmode=verify-full&sslrootcert=DIR/nowhere.crt",
            "cannot be read",
        ),
        (
            "sslmode=verify-full&sslrootcert=DIR/empty.crt",
            "no PEM file",
        ),
        (
            "sslmode=verify-full&sslrootcert=DIR/server.key",
            "no PEM file",
        ),
        (
            "sslmode=verify-full&sslrootcert=DIR/ca.crt&sslcert=DIR/wants_two.crt",
            "without sslkey",
        ),
        (
            "sslmode=verify-full&sslrootcert=DIR/ca.crt&sslcert=DIR/wants_two.crt&sslkey=DIR/wants_two.crt",
            "no key in PEM",
        ),
        (
            "sslmode=verify-full&sslrootcert=DIR/ca.crt&sslcert=DIR/wants_two.crt&sslkey=DIR/server.key",
            "does not fit the certificate",
        ),
        ("sslmode=prefer", "say disable, or verify-full"),
        ("sslmode=perhaps", "none of disable"),
    ] {
        let told = guarded.refusal(APP, options).await;
        assert!(told.contains(wanted), "{options}: {told}");
    }

    guarded.shows("expired").await;
    let told = guarded.refusal(APP, VERIFIED).await;
    assert!(told.contains("its certificate has expired"), "{told}");

    guarded.test.query("ALTER SYSTEM SET ssl = off").await;
    guarded.test.query("SELECT pg_reload_conf()").await;
    eventually("TLS is off", async || {
        let told = guarded.refusal(APP, VERIFIED).await;
        told.contains("the server does not offer TLS; use sslmode=disable or turn TLS on")
    })
    .await;
}

#[tokio::test]
async fn services_and_migrations_work_over_tls() {
    let guarded = Guarded::new().await;
    let db = guarded.test.db_at(&guarded.url(APP, VERIFIED));
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE usename = 'meridian_app' AND NOT ssl";
    assert_eq!(guarded.test.count(plain).await, 0);
    let owner = guarded.url("postgres", VERIFIED);
    let report = platform_db::migrate(&owner, &[&THINGS], None, |_| {})
        .await
        .unwrap();
    assert!(report.applied.is_empty() && report.unchanged > 0);
}

/// `cockroach cert create-client` writes PKCS#1, `openssl ecparam` SEC1 behind the curve's parameters.
#[tokio::test]
async fn keys_are_read_in_every_form_that_tools_write() {
    let guarded = Guarded::new().await;
    let here = guarded.folder.path();
    let rsa = openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "");
    let curve = KeyPair::generate().unwrap().serialize_pem();
    let traditional = |key: &str| openssl("pkey -traditional", key);
    let parameters = openssl("ecparam -name prime256v1", "");
    for (begins, key, form) in [
        ("-----BEGIN PRIVATE KEY", &rsa, rsa.clone()),
        ("-----BEGIN RSA PRIVATE KEY", &rsa, traditional(&rsa)),
        ("-----BEGIN EC PRIVATE KEY", &curve, traditional(&curve)),
        (
            "-----BEGIN EC PARAMETERS",
            &curve,
            parameters.clone() + &traditional(&curve),
        ),
    ] {
        assert!(form.starts_with(begins), "openssl writes another form");
        let pair = KeyPair::from_pem(key).unwrap();
        certify_key(here, ("form", &pair), &guarded.ca, client("shows_one"));
        fs::write(here.join("form.key"), form).unwrap();
        let options = format!("{VERIFIED}&sslcert=DIR/form.crt&sslkey=DIR/form.key");
        let connection = guarded.connect("shows_one", &options).await;
        let connection = connection.unwrap_or_else(|error| panic!("{begins}: {error:?}"));
        assert!(is_encrypted(&connection).await, "{begins}");
    }
    for locked in [
        "pkey -aes256 -passout pass:hunter2",
        "pkey -traditional -aes256 -passout pass:hunter2",
    ] {
        fs::write(here.join("form.key"), openssl(locked, &rsa)).unwrap();
        let options = format!("{VERIFIED}&sslcert=DIR/form.crt&sslkey=DIR/form.key");
        let told = guarded.refusal("shows_one", &options).await;
        assert!(told.contains("without a password"), "{locked}: {told}");
    }
}

#[tokio::test]
async fn a_certificate_that_was_taken_back_is_not_believed() {
    let guarded = Guarded::new().await;
    let here = guarded.folder.path();
    fs::write(here.join("none.crl"), revocations(&guarded.ca, &[1])).unwrap();
    let revoked = revocations(&guarded.ca, &[1, SERVER_SERIAL]);
    fs::write(here.join("server.crl"), revoked).unwrap();
    for name in ["one", "two"] {
        let other = revocations(&authority(name), &[1]);
        fs::write(here.join(format!("other-{name}.crl")), other).unwrap();
    }
    let with = |list: &str| format!("{VERIFIED}&sslcrl=DIR/{list}");
    let connection = guarded.connect(APP, &with("none.crl")).await.unwrap();
    assert!(is_encrypted(&connection).await);
    for (list, wanted) in [
        ("server.crl", "its certificate was revoked"),
        ("other-one.crl", "of which sslcrl has no list that fits"),
        ("other-two.crl", "of which sslcrl has no list that fits"),
        ("ca.crt", "sslcrl: "),
        ("nowhere.crl", "cannot be read"),
    ] {
        let told = guarded.refusal(APP, &with(list)).await;
        assert!(told.contains(wanted), "{list}: {told}");
    }
}

/// Where the child of the test finds its server.
const CHILD: &str = "MERIDIAN_TEST_OF_SYSTEM_ROOTS";

/// The roots of the system are a process's own, by the environment: a child of the test has them.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test is about what the environment says"
)]
async fn the_roots_of_the_system_vouch_for_the_server() {
    if let Ok(url) = std::env::var(CHILD) {
        let connection = platform_db::connect(&url, "test").await.unwrap();
        assert!(is_encrypted(&connection).await);
        return;
    }
    let guarded = Guarded::new().await;
    let connects = async |options: &str, roots: &str| {
        let url = guarded.url(APP, options);
        let roots = guarded.folder.path().join(roots);
        let child = tokio::task::spawn_blocking(move || {
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "tls::the_roots_of_the_system_vouch_for_the_server",
                ])
                .env(CHILD, url)
                .env("SSL_CERT_FILE", roots)
                .env_remove("SSL_CERT_DIR")
                .output()
                .unwrap()
        });
        let ended = child.await.unwrap();
        let told = String::from_utf8_lossy(&ended.stdout);
        assert!(told.contains("running 1 test"), "{told}");
        ended.status.success()
    };
    for options in ["sslmode=verify-full&sslrootcert=system", "sslmode=require"] {
        assert!(connects(options, "ca.crt").await, "{options}");
        assert!(!connects(options, "other-ca.crt").await, "{options}");
    }
}

#[tokio::test]
async fn faults_strike_in_front_of_a_server_that_demands_tls() {
    let guarded = Guarded::new().await;
    let proxy = WireProxy::before_url(&guarded.url(APP, VERIFIED)).await;
    let db = guarded.test.db_through(proxy.port());
    // The answer to the first COMMIT is lost, and the first statement of the search for it fails.
    proxy.arm(Rule::new(When::Commit, Cut(Did::All)));
    proxy.arm(
        Rule::new(
            When::Text("idempotency_keys"),
            Answer("57P01", Did::Nothing),
        )
        .after(1),
    );
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    assert!(proxy.hits() >= 1);
    assert_one_effect(&guarded.test, "lamp").await;
    let plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE usename = 'meridian_app' AND NOT ssl";
    assert_eq!(guarded.test.count(plain).await, 0);
}
