//! One region's file.

use kernel::RegionTag;

use crate::{
    Point,
    fields::{Fields, Report, mapping_of},
};

/// A deployment site.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Short name: what rows say.
    pub tag: RegionTag,
    /// Name for people.
    pub name: String,
    /// Whether rows that live everywhere keep their idempotency keys, audit rows and events here.
    pub primary: bool,
    /// The provider: `aws`.
    pub cloud: String,
    /// The provider's name of the region: `eu-central-1`.
    pub cloud_region: String,
    /// Where the data centres are, roughly.
    pub location: Point,
    /// Where clients reach it: scheme and authority, without a slash at the end.
    pub base_url: String,
}

impl Region {
    /// What a database cluster may call it, the likeliest first: an operator names a node's region by our tag, or by the
    /// provider's name of it, with or without the provider.
    #[must_use]
    pub fn cluster_names(&self) -> Vec<String> {
        vec![
            self.tag.as_str().to_owned(),
            self.cloud_region.clone(),
            format!("{}-{}", self.cloud, self.cloud_region),
        ]
    }

    /// Reads the file named `<tag>.yaml`.
    pub(crate) fn read(file: &str, text: &str, report: &mut Report<'_>) -> Option<Self> {
        let mapping = mapping_of(report, text)?;
        let mut fields = Fields::of(&mapping, String::new(), report);
        let tag = fields.checked("tag", |tag| check_tag(tag, file));
        let name = fields.name("name");
        let primary = fields.flag("primary");
        let cloud = fields.checked("cloud", |cloud| match cloud {
            "aws" => Ok(()),
            _ => Err("must be aws".into()),
        });
        let cloud_region = fields.checked("cloud_region", check_cloud_region);
        let location = fields.point();
        let base_url = fields.checked("base_url", check_base_url);
        fields.finish();
        Some(Self {
            tag: tag?.parse().ok()?,
            name: name?,
            primary: primary?,
            cloud: cloud?,
            cloud_region: cloud_region?,
            location: location?,
            base_url: base_url?,
        })
    }
}

fn check_tag(tag: &str, file: &str) -> Result<(), String> {
    tag.parse::<RegionTag>()
        .map_err(|error| error.to_string())?;
    if tag.len() < 2 {
        // One letter is kept for `g`, the mark of rows that live everywhere.
        Err("must have at least 2 characters".into())
    } else if file.strip_suffix(".yaml") != Some(tag) {
        Err(format!(
            "must be the name of its file; rename the file to {tag}.yaml"
        ))
    } else {
        Ok(())
    }
}

fn check_cloud_region(text: &str) -> Result<(), String> {
    let valid = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    valid
        .then_some(())
        .ok_or_else(|| "must be lower-case letters, digits and hyphens".into())
}

fn check_base_url(url: &str) -> Result<(), String> {
    let authority = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let valid = authority.is_some_and(|authority| {
        !authority.is_empty()
            && !authority.contains(|c: char| "/?#@".contains(c) || c.is_whitespace())
    });
    valid.then_some(()).ok_or_else(|| {
        "must be http:// or https:// and a host, without a path or a slash at the end".into()
    })
}
