//! Which of the reference data that this process caches it has changed itself.
//!
//! What is cached is filed under the generation that its subject had when its read began. A write moves the
//! generations of what it changed on, after its COMMIT and before its answer: whoever reads behind that answer finds
//! neither what was cached before nor a read that began before.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::atomic::{AtomicU64, Ordering},
};

/// Subjects share generations: with 1024 of them (8 KiB) a write rarely drops more than it changed.
const PARTS: u64 = 1024;

/// The generations of everything that may be cached.
#[derive(Debug)]
pub(crate) struct Generations {
    all: AtomicU64,
    parts: Box<[AtomicU64]>,
}

/// What a subject, or a whole topic, has seen of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Generation {
    all: u64,
    part: u64,
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            all: AtomicU64::new(0),
            parts: (0..PARTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Generations {
    /// That of one resource of a topic (`warehouse.item`), or of everything that the topic has.
    pub(crate) fn generation(&self, topic: &str, subject: Option<&str>) -> Generation {
        let part = self.part(topic, subject);
        Generation {
            all: self.all.load(Ordering::SeqCst),
            part: part.map_or(0, |part| part.load(Ordering::SeqCst)),
        }
    }

    /// A write with this event was committed. `kind` is a topic, a dot, and what happened.
    pub(crate) fn happened(&self, kind: &str, subject: &str) {
        let topic = kind.rsplit_once('.').map_or(kind, |(topic, _)| topic);
        let parts = [self.part(topic, Some(subject)), self.part(topic, None)];
        for part in parts.into_iter().flatten() {
            part.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Something was changed, and nobody here can say what.
    pub(crate) fn anything_happened(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
    }

    fn part(&self, topic: &str, subject: Option<&str>) -> Option<&AtomicU64> {
        let mut hasher = DefaultHasher::new();
        (topic, subject).hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % PARTS).ok()?;
        self.parts.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_moves_its_subject_and_its_topic_on() {
        let generations = Generations::default();
        let seen = || {
            let one = |topic, subject| generations.generation(topic, subject);
            (
                one("warehouse.item", Some("itm_1")),
                one("warehouse.item", None),
                one("accounting.account", Some("1300")),
            )
        };
        let before = seen();
        assert_eq!(seen(), before, "looking changes nothing");
        generations.happened("warehouse.item.changed", "itm_1");
        let after = seen();
        assert!(after.0 != before.0 && after.1 != before.1);
        assert_eq!(after.2, before.2);
        generations.anything_happened();
        assert!(seen().2 != before.2);
    }
}
