//! What a target says of its metric families, for the metadata API.
//!
//! Input: the `HELP`, `TYPE` and `UNIT` entries of its pages. Output: a list. What has not been seen for ten pages is
//! forgotten. Nothing is allocated for what is known already.

use crate::status::MetricMetadata;
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use tidewatch_exposition::MetricKind;
use tidewatch_model::Labels;

/// Pages after which a family that is no longer mentioned is forgotten.
const KEPT_PAGES: u64 = 10;

/// The families of one target.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    families: HashMap<Box<str>, Family, foldhash::fast::RandomState>,
    page: u64,
}

#[derive(Debug, Default)]
struct Family {
    kind: MetricKind,
    help: Box<str>,
    unit: Box<str>,
    page: u64,
}

impl Metadata {
    fn family(&mut self, name: &str) -> &mut Family {
        let family = match self.families.entry_ref(name) {
            EntryRef::Occupied(known) => known.into_mut(),
            EntryRef::Vacant(new) => new.insert_with_key(name.into(), Family::default()),
        };
        family.page = self.page;
        family
    }

    pub(crate) fn set_kind(&mut self, name: &str, kind: MetricKind) {
        self.family(name).kind = kind;
    }

    pub(crate) fn set_help(&mut self, name: &str, help: &str) {
        let family = self.family(name);
        if &*family.help != help {
            family.help = help.into();
        }
    }

    pub(crate) fn set_unit(&mut self, name: &str, unit: &str) {
        let family = self.family(name);
        if &*family.unit != unit {
            family.unit = unit.into();
        }
    }

    /// A page is complete.
    pub(crate) fn end_page(&mut self) {
        let oldest = self.page.saturating_sub(KEPT_PAGES);
        // cheap enough: families are some hundreds where series are thousands
        self.families.retain(|_, family| family.page >= oldest);
        self.page += 1;
    }

    pub(crate) fn list(&self, target: &Labels, into: &mut Vec<MetricMetadata>) {
        into.extend(self.families.iter().map(|(name, family)| MetricMetadata {
            metric: name.to_string(),
            kind: family.kind,
            help: family.help.to_string(),
            unit: family.unit.to_string(),
            target: target.clone(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_forgotten_after_ten_pages() {
        let mut metadata = Metadata::default();
        metadata.set_help("a", "x");
        metadata.set_kind("a", MetricKind::Counter);
        let count = |metadata: &Metadata| {
            let mut list = Vec::new();
            metadata.list(&Labels::empty(), &mut list);
            list.len()
        };
        for _ in 0..11 {
            metadata.end_page();
            assert_eq!(count(&metadata), 1);
        }
        metadata.end_page();
        assert_eq!(count(&metadata), 0);
    }
}
