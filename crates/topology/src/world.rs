//! All regions and offices, checked together.

use std::{collections::BTreeMap, fs, path::Path};

use kernel::RegionTag;
use yaml_serde::Value;

use crate::{
    Office, Point, Region, TopologyError, TopologyErrors, by_distance,
    fields::{Report, mapping_of},
};

/// Name and text of every file of `regions/` when this was built.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

const OFFICES: &str = "offices.yaml";

/// Where Meridian runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// Never empty; the first one is primary.
    regions: Vec<Region>,
    offices: Vec<Office>,
}

impl Topology {
    /// Reads `*.yaml` of a folder like `regions/`.
    ///
    /// # Errors
    /// Everything wrong in every file, each naming file and field.
    pub fn load(folder: &Path) -> Result<Self, TopologyErrors> {
        let unreadable = |file: String, error: &std::io::Error| TopologyError {
            file,
            field: None,
            problem: format!("could not be read: {error}"),
        };
        let entries = fs::read_dir(folder).map_err(|error| {
            TopologyErrors(vec![unreadable(folder.display().to_string(), &error)])
        })?;
        let (mut files, mut errors) = (BTreeMap::new(), Vec::new());
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".yaml") {
                match fs::read_to_string(entry.path()) {
                    Ok(text) => drop(files.insert(name, text)),
                    Err(error) => errors.push(unreadable(name, &error)),
                }
            } else if name.ends_with(".yml") {
                let problem = "must end in .yaml, else it would be overlooked".into();
                errors.push(TopologyError {
                    file: name,
                    field: None,
                    problem,
                });
            }
        }
        Self::build(
            files
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
            errors,
        )
    }

    /// The folder as it was when the binary was built.
    ///
    /// # Panics
    /// Never: a test reads the same text.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a test of this crate reads the same text"
    )]
    pub fn embedded() -> Self {
        Self::from_files(EMBEDDED.iter().copied()).expect("the embedded files were tested")
    }

    /// As `load`, from names and texts.
    ///
    /// # Errors
    /// Everything wrong in every file, each naming file and field.
    pub fn from_files<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, TopologyErrors> {
        Self::build(files, Vec::new())
    }

    fn build<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
        mut errors: Vec<TopologyError>,
    ) -> Result<Self, TopologyErrors> {
        let (mut regions, mut offices) = (Vec::new(), None);
        for (file, text) in files {
            let mut report = Report::of(file);
            if file == OFFICES {
                offices = Some(read_offices(text, &mut report));
            } else {
                regions.extend(Region::read(file, text, &mut report));
            }
            errors.extend(report.into_errors());
        }
        if offices.is_none() && !errors.iter().any(|error| error.file == OFFICES) {
            errors.push(whole(OFFICES, "is missing"));
        }
        let offices = offices.unwrap_or_default();
        // Questions across files make sense only once every file is whole.
        if errors.is_empty() {
            errors.extend(check_regions(&regions));
            errors.extend(check_offices(&regions, &offices));
        }
        if errors.is_empty() {
            Ok(Self {
                regions: in_order(regions),
                offices: offices.into_iter().map(|(_, o)| o).collect(),
            })
        } else {
            errors.sort_by(|a, b| a.file.cmp(&b.file));
            Err(TopologyErrors(errors))
        }
    }

    /// All regions: the primary first, the others by their distance from it.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The tags of `regions`, in their order.
    #[must_use]
    pub fn tags(&self) -> Vec<RegionTag> {
        self.regions
            .iter()
            .map(|region| region.tag.clone())
            .collect()
    }

    /// The region with this tag.
    #[must_use]
    pub fn region(&self, tag: &RegionTag) -> Option<&Region> {
        self.regions.iter().find(|region| region.tag == *tag)
    }

    /// Where rows that live everywhere keep their idempotency keys, audit rows and events.
    #[must_use]
    pub fn primary(&self) -> &Region {
        &self.regions[0]
    }

    /// The offices that a new database starts with, in the order of the file.
    #[must_use]
    pub fn offices(&self) -> &[Office] {
        &self.offices
    }

    /// The region nearest to a point.
    #[must_use]
    pub fn nearest(&self, point: Point) -> &Region {
        by_distance(point, &self.regions, |region| region.location)
            .first()
            .map_or(&self.regions[0], |(_, region)| region)
    }

    /// The other regions, nearest to `tag` first: whom to ask when it does not answer. For a tag that is not
    /// a region, all regions in their own order.
    #[must_use]
    pub fn failover_order(&self, tag: &RegionTag) -> Vec<&Region> {
        let others = self.regions.iter().filter(|region| region.tag != *tag);
        match self.region(tag) {
            None => others.collect(),
            Some(from) => by_distance(from.location, others, |region| region.location)
                .into_iter()
                .map(|(_, region)| region)
                .collect(),
        }
    }
}

/// The readable entries with their place in the file, for later errors.
fn read_offices(text: &str, report: &mut Report<'_>) -> Vec<(usize, Office)> {
    let Some(mapping) = mapping_of(report, text) else {
        return Vec::new();
    };
    for key in mapping.keys().filter(|key| key.as_str() != Some("offices")) {
        let name = key
            .as_str()
            .map_or_else(|| format!("{key:?}"), str::to_owned);
        report.add(Some(name), "is not a field; there is offices");
    }
    let Some(Value::Sequence(entries)) = mapping.get("offices") else {
        report.add(Some("offices".into()), "must be a list of offices");
        return Vec::new();
    };
    if entries.is_empty() {
        report.add(Some("offices".into()), "must have at least one office");
    }
    let mut offices = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let place = format!("offices[{index}]");
        if let Value::Mapping(entry) = entry {
            let office = Office::read(entry, format!("{place}."), report);
            offices.extend(office.map(|office| (index, office)));
        } else {
            report.add(Some(place), "must be a mapping of fields");
        }
    }
    offices
}

fn check_regions(regions: &[Region]) -> Vec<TopologyError> {
    let mut errors = Vec::new();
    match regions
        .iter()
        .filter(|region| region.primary)
        .collect::<Vec<_>>()[..]
    {
        [_] => {}
        [] if regions.is_empty() => errors.push(whole("*.yaml", "there is no region")),
        [] => errors.push(field(
            "*.yaml",
            "primary",
            "must be true in one region; it is in none",
        )),
        [first, ref more @ ..] => errors.extend(more.iter().map(|region| {
            let problem = format!("must be true in one region; {}.yaml says so too", first.tag);
            field(&format!("{}.yaml", region.tag), "primary", &problem)
        })),
    }
    for (index, region) in regions.iter().enumerate() {
        let twin = regions[..index]
            .iter()
            .find(|other| other.base_url == region.base_url);
        if let Some(twin) = twin {
            let problem = format!("is the address of {}.yaml too", twin.tag);
            errors.push(field(&format!("{}.yaml", region.tag), "base_url", &problem));
        }
    }
    errors
}

fn check_offices(regions: &[Region], offices: &[(usize, Office)]) -> Vec<TopologyError> {
    let mut errors = Vec::new();
    let mut refuse = |index: &usize, name: &str, problem: &str| {
        errors.push(field(OFFICES, &format!("offices[{index}].{name}"), problem));
    };
    for (position, (index, office)) in offices.iter().enumerate() {
        let before = &offices[..position];
        if before.iter().any(|(_, other)| other.code == office.code) {
            refuse(
                index,
                "code",
                &format!("{} is taken by another office", office.code),
            );
        }
        if before
            .iter()
            .any(|(_, other)| other.default_location == office.default_location)
        {
            let problem = format!("{} is taken by another office", office.default_location);
            refuse(index, "default_location", &problem);
        }
        if !regions
            .iter()
            .any(|region| region.tag == office.home_region)
        {
            let tags: Vec<_> = regions.iter().map(|region| region.tag.as_str()).collect();
            let problem = format!(
                "{} is not a region; there are {}",
                office.home_region,
                tags.join(", ")
            );
            refuse(index, "home_region", &problem);
        }
    }
    errors
}

fn in_order(regions: Vec<Region>) -> Vec<Region> {
    let Some(primary) = regions.iter().find(|region| region.primary).cloned() else {
        return regions;
    };
    let others = regions.into_iter().filter(|region| !region.primary);
    let ranked = by_distance(primary.location, others, |region| region.location);
    std::iter::once(primary)
        .chain(ranked.into_iter().map(|(_, region)| region))
        .collect()
}

fn whole(file: &str, problem: &str) -> TopologyError {
    TopologyError {
        file: file.into(),
        field: None,
        problem: problem.into(),
    }
}

fn field(file: &str, field: &str, problem: &str) -> TopologyError {
    TopologyError {
        file: file.into(),
        field: Some(field.into()),
        problem: problem.into(),
    }
}
