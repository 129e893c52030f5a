//! Each way to break the files, and the error that names file and field.

use std::fs;

use topology::{Topology, TopologyErrors};

const EU1: &str = "tag: eu1\nname: Frankfurt\nprimary: true\ncloud: aws\ncloud_region: eu-central-1\n\
                   latitude: 50.1\nlongitude: 8.7\nbase_url: https://eu1.example.com\n";
const US1: &str = "tag: us1\nname: Virginia\ncloud: aws\ncloud_region: us-east-1\n\
                   latitude: 39.0\nlongitude: -77.5\nbase_url: https://us1.example.com\n";
const OFFICES: &str = "offices:\n- code: ber\n  name: Berlin\n  country: DE\n  city: Berlin\n  \
                       time_zone: Europe/Berlin\n  currency: EUR\n  latitude: 52.52\n  longitude: 13.405\n  \
                       home_region: eu1\n  default_tax_rate_bp: 1900\n";

fn load(eu1: &str, us1: &str, offices: &str) -> Result<Topology, TopologyErrors> {
    Topology::from_files([
        ("eu1.yaml", eu1),
        ("us1.yaml", us1),
        ("offices.yaml", offices),
    ])
}

/// Replaces `from` in one of the three files and returns the lines of the error.
fn break_one(from: &str, to: &str) -> Vec<String> {
    let texts = [EU1, US1, OFFICES].map(|text| text.to_owned());
    let index = texts
        .iter()
        .position(|text| text.contains(from))
        .expect("one file has it");
    let mut broken = texts;
    broken[index] = broken[index].replacen(from, to, 1);
    let errors = load(&broken[0], &broken[1], &broken[2]).expect_err(to);
    errors.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn the_unbroken_files_load() {
    let topology = load(EU1, US1, OFFICES).unwrap();
    assert_eq!(topology.regions().len(), 2);
    assert_eq!(topology.offices()[0].default_location.as_str(), "ber-main");
}

/// What is replaced, by what, and a line of the error.
const CASES: &[(&str, &str, &str)] = &[
    ("tag: eu1\n", "", "eu1.yaml: tag: is missing"),
    (
        "tag: eu1",
        "tag: eu2",
        "eu1.yaml: tag: must be the name of its file; rename the file to eu2.yaml",
    ),
    (
        "tag: eu1",
        "tag: EU1",
        "eu1.yaml: tag: is not a region: [a-z][a-z0-9-]{0,15}",
    ),
    ("name: Frankfurt", "name: 7", "eu1.yaml: name: must be text"),
    (
        "name: Frankfurt",
        "name: ' '",
        "eu1.yaml: name: must not be empty or white space alone",
    ),
    (
        "primary: true",
        "primary: 1",
        "eu1.yaml: primary: must be true or false",
    ),
    (
        "cloud: aws\n",
        "cloud: moon\n",
        "eu1.yaml: cloud: must be aws",
    ),
    (
        "eu-central-1",
        "EU_CENTRAL",
        "eu1.yaml: cloud_region: must be lower-case letters, digits and hyphens",
    ),
    (
        "latitude: 50.1",
        "latitude: 90.1",
        "eu1.yaml: latitude: must be a number between -90 and 90",
    ),
    (
        "latitude: 50.1",
        "latitude: .nan",
        "eu1.yaml: latitude: must be a number between -90 and 90",
    ),
    (
        "latitude: 50.1",
        "latitude: '50'",
        "eu1.yaml: latitude: must be a number of degrees",
    ),
    (
        "latitude: 50.1",
        "latitude: 50.1234567",
        "eu1.yaml: latitude: must have at most 6 decimals",
    ),
    (
        "longitude: 8.7",
        "longitude: -180.5",
        "eu1.yaml: longitude: must be a number between -180 and 180",
    ),
    (
        "https://eu1.example.com",
        "https://eu1.example.com/",
        "eu1.yaml: base_url: must be http:// or https:// and a host, without a path or a slash at the end",
    ),
    (
        "https://us1.example.com",
        "https://eu1.example.com",
        "us1.yaml: base_url: is the address of eu1.yaml too",
    ),
    (
        "name: Virginia",
        "name: Virginia\nprimary: true",
        "us1.yaml: primary: must be true in one region; eu1.yaml says so too",
    ),
    (
        "primary: true",
        "primary: false",
        "*.yaml: primary: must be true in one region; it is in none",
    ),
    (
        "name: Frankfurt",
        "nam: Frankfurt",
        "eu1.yaml: name: is missing",
    ),
    (
        "code: ber",
        "code: BER",
        "offices.yaml: offices[0].code: is not an office code: [a-z][a-z0-9-]{1,31}",
    ),
    (
        "country: DE",
        "country: XX",
        "offices.yaml: offices[0].country: is not an ISO 3166-1 alpha-2 country code in capitals",
    ),
    (
        "Europe/Berlin",
        "Mars/Olympus",
        "offices.yaml: offices[0].time_zone: is not a time zone of the IANA database",
    ),
    (
        "currency: EUR",
        "currency: EURO",
        "offices.yaml: offices[0].currency: is not an ISO 4217 currency code in capitals",
    ),
    (
        "home_region: eu1",
        "home_region: eu9",
        "offices.yaml: offices[0].home_region: eu9 is not a region; there are eu1, us1",
    ),
    (
        "_bp: 1900",
        "_bp: 19.5",
        "offices.yaml: offices[0].default_tax_rate_bp: must be a whole number between 0 and 10000",
    ),
    (
        "_bp: 1900",
        "_bp: 10001",
        "offices.yaml: offices[0].default_tax_rate_bp: must be a whole number between 0 and 10000",
    ),
    (
        "code: ber",
        "code: an-office-with-a-long-code-x",
        "offices.yaml: offices[0].default_location: is not a location code: [a-z][a-z0-9-]{1,31}",
    ),
    (
        "- code: ber",
        "- ber\n- code: ber",
        "offices.yaml: offices[0]: must be a mapping of fields",
    ),
];

#[test]
fn every_error_names_file_and_field() {
    for (from, to, expected) in CASES {
        let lines = break_one(from, to);
        assert!(lines.iter().any(|line| line == expected), "{to}: {lines:?}");
    }
}

#[test]
fn unknown_members_are_refused_by_name() {
    assert_eq!(
        break_one("name: Frankfurt", "name: Frankfurt\ncidr: 10.0.0.0/8"),
        [
            "eu1.yaml: cidr: is not a field; there are tag, name, primary, cloud, cloud_region, latitude, longitude, base_url"
        ]
    );
    assert!(
        break_one("offices:", "branches: []\noffices:")[0]
            .starts_with("offices.yaml: branches: is not a field")
    );
}

#[test]
fn a_member_twice_is_not_yaml() {
    let errors = break_one("name: Frankfurt", "name: Frankfurt\nname: Berlin");
    assert!(
        errors[0].starts_with("eu1.yaml: is not YAML: duplicate entry"),
        "{errors:?}"
    );
    assert!(break_one("tag: eu1", "tag: [")[0].starts_with("eu1.yaml: is not YAML: "));
    assert_eq!(
        break_one(OFFICES, "- ber"),
        ["offices.yaml: must be a mapping of fields"]
    );
}

#[test]
fn every_error_of_every_file_is_reported() {
    let eu1 = EU1
        .replace("latitude: 50.1", "latitude: 91")
        .replace("longitude: 8.7", "longitude: 181");
    let us1 = US1.replace("name: Virginia\n", "");
    let offices = OFFICES.replace("EUR", "EURO").replace("DE", "XX");
    let errors = load(&eu1, &us1, &offices).unwrap_err();
    let places: Vec<_> = errors
        .0
        .iter()
        .map(|error| (error.file.as_str(), error.field.as_deref().unwrap()))
        .collect();
    assert_eq!(
        places,
        [
            ("eu1.yaml", "latitude"),
            ("eu1.yaml", "longitude"),
            ("offices.yaml", "offices[0].country"),
            ("offices.yaml", "offices[0].currency"),
            ("us1.yaml", "name"),
        ]
    );
}

#[test]
fn codes_are_taken_once() {
    let twice = format!("{OFFICES}{}", OFFICES.trim_start_matches("offices:\n"));
    let errors = load(EU1, US1, &twice).unwrap_err().to_string();
    assert!(
        errors.contains("offices.yaml: offices[1].code: ber is taken by another office"),
        "{errors}"
    );
    assert!(
        errors.contains("offices.yaml: offices[1].default_location: ber-main is taken"),
        "{errors}"
    );
}

#[test]
fn a_world_needs_a_region_and_its_offices() {
    let errors = Topology::from_files([("offices.yaml", OFFICES)])
        .unwrap_err()
        .to_string();
    assert!(errors.contains("*.yaml: there is no region"), "{errors}");
    let errors = Topology::from_files([("eu1.yaml", EU1)])
        .unwrap_err()
        .to_string();
    assert_eq!(errors, "offices.yaml: is missing");
    let errors = load(EU1, US1, "offices: []").unwrap_err().to_string();
    assert_eq!(
        errors,
        "offices.yaml: offices: must have at least one office"
    );
}

#[test]
fn folders_are_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    let errors = Topology::load(&missing).unwrap_err().to_string();
    assert!(errors.contains("nowhere: could not be read"), "{errors}");

    for (name, text) in [
        ("eu1.yaml", EU1),
        ("offices.yaml", OFFICES),
        ("schema.json", "{}"),
        ("README", ""),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    assert_eq!(Topology::load(folder.path()).unwrap().regions().len(), 1);

    fs::write(folder.path().join("us1.yml"), US1).unwrap();
    let errors = Topology::load(folder.path()).unwrap_err().to_string();
    assert_eq!(
        errors,
        "us1.yml: must end in .yaml, else it would be overlooked"
    );
}
