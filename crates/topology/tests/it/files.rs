//! The files of this repository.

use std::{collections::BTreeSet, fs, path::Path};

use kernel::RegionTag;
use proptest::prelude::*;
use topology::{Point, Topology, distance_km};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../regions"))
}

fn tag(text: &str) -> RegionTag {
    text.parse().unwrap()
}

#[test]
fn the_embedded_topology_is_the_folder() {
    assert_eq!(Topology::load(folder()).unwrap(), Topology::embedded());
}

#[test]
fn regions_start_with_the_primary_and_go_outwards() {
    let topology = Topology::embedded();
    let tags: Vec<_> = topology
        .regions()
        .iter()
        .map(|region| region.tag.as_str())
        .collect();
    assert_eq!(tags, ["eu1", "us1", "ap1"]);
    assert_eq!(topology.primary().tag, tag("eu1"));
    assert_eq!(
        topology.region(&tag("ap1")).unwrap().cloud_region,
        "ap-southeast-1"
    );
    assert!(topology.region(&tag("mars")).is_none());
}

#[test]
fn failover_goes_to_the_nearest_other_region() {
    let topology = Topology::embedded();
    let order = |from: &str| -> Vec<String> {
        topology
            .failover_order(&tag(from))
            .iter()
            .map(|region| region.tag.to_string())
            .collect()
    };
    assert_eq!(order("eu1"), ["us1", "ap1"]);
    assert_eq!(order("us1"), ["eu1", "ap1"]);
    assert_eq!(order("ap1"), ["eu1", "us1"]);
    assert_eq!(order("mars"), ["eu1", "us1", "ap1"]);
}

#[test]
fn nine_offices_cover_the_awkward_currencies() {
    let topology = Topology::embedded();
    let offices = topology.offices();
    assert_eq!(offices.len(), 9);
    let codes: BTreeSet<_> = offices.iter().map(|office| office.code.as_str()).collect();
    assert!(codes.is_superset(&BTreeSet::from(["ber", "waw", "nyc"])));
    let exponents: BTreeSet<_> = offices
        .iter()
        .map(|office| office.currency.exponent())
        .collect();
    assert_eq!(exponents, BTreeSet::from([0, 2, 3]));
    let homes: BTreeSet<_> = offices.iter().map(|office| &office.home_region).collect();
    assert_eq!(
        homes.len(),
        topology.regions().len(),
        "every region is home of an office"
    );
    assert!(
        offices
            .iter()
            .all(|office| office.default_location.as_str() == format!("{}-main", office.code))
    );
}

#[test]
fn every_office_lives_in_its_nearest_region() {
    let topology = Topology::embedded();
    for office in topology.offices() {
        assert_eq!(
            topology.nearest(office.location).tag,
            office.home_region,
            "{}",
            office.code
        );
    }
}

proptest! {
    #[test]
    fn nearest_region_equals_brute_force(latitude in -90.0..=90.0_f64, longitude in -180.0..=180.0_f64) {
        let topology = Topology::embedded();
        let here = Point::new(latitude, longitude).unwrap();
        let nearest = distance_km(here, topology.nearest(here).location);
        for region in topology.regions() {
            prop_assert!(nearest <= distance_km(here, region.location));
        }
    }
}

#[test]
fn the_schema_accepts_every_file_and_refuses_what_the_reader_refuses() {
    let mut compiler = boon::Compiler::new();
    let mut schemas = boon::Schemas::new();
    let schema =
        serde_json::from_str(&fs::read_to_string(folder().join("schema.json")).unwrap()).unwrap();
    compiler.add_resource("schema.json", schema).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();

    let mut seen = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        seen += 1;
        let value: serde_json::Value =
            yaml_serde::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        if let Err(error) = schemas.validate(&value, index) {
            panic!("{}: {error:#}", path.display());
        }
        for broken in breakages(&value) {
            assert!(
                schemas.validate(&broken, index).is_err(),
                "accepted: {broken}"
            );
            let name = path.file_name().unwrap().to_str().unwrap();
            let text = serde_json::to_string(&broken).unwrap(); // JSON is YAML
            let errors = Topology::from_files([(name, text.as_str())]).unwrap_err();
            assert!(errors.0.iter().any(|error| error.file == name), "{errors}");
        }
    }
    assert_eq!(seen, 4);
}

/// The document without each of its required members, with each of another type, and with one too many.
fn breakages(document: &serde_json::Value) -> Vec<serde_json::Value> {
    let target = if document.get("offices").is_some() {
        "/offices/0"
    } else {
        ""
    };
    let members = document.pointer(target).unwrap().as_object().unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let mut broken = document.clone();
        change(broken.pointer_mut(target).unwrap().as_object_mut().unwrap());
        broken
    };
    let mut broken = vec![with(&|map| drop(map.insert("unheard_of".into(), 1.into())))];
    for name in members.keys() {
        broken.push(with(&|map| {
            drop(map.insert(name.clone(), serde_json::json!([])))
        }));
        if name != "primary" {
            broken.push(with(&|map| drop(map.remove(name))));
        }
    }
    broken
}
