//! All dashboards of a run, by uid. Input: loaded dashboards in the order of their files. Output: what the Grafana API
//! lists and serves. Does not reload: a new set of files makes a new catalog.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::model::Dashboard;

/// Dashboards with unique uids.
#[derive(Debug, Default, Clone)]
pub struct Catalog {
    by_uid: BTreeMap<String, Dashboard>,
}

impl Catalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a dashboard.
    ///
    /// # Errors
    /// [`Error::DuplicateUid`] when another one has its uid; that one stays.
    pub fn add(&mut self, dashboard: Dashboard) -> Result<(), Error> {
        if let Some(first) = self.by_uid.get(dashboard.uid()) {
            return Err(Error::DuplicateUid {
                origin: dashboard.source().clone(),
                uid: dashboard.uid().to_owned(),
                other: first.source().clone(),
            });
        }
        self.by_uid.insert(dashboard.uid().to_owned(), dashboard);
        Ok(())
    }

    /// The dashboard with this uid.
    pub fn get(&self, uid: &str) -> Option<&Dashboard> {
        self.by_uid.get(uid)
    }

    /// All dashboards, by title and then by uid.
    pub fn sorted(&self) -> Vec<&Dashboard> {
        let mut all: Vec<&Dashboard> = self.by_uid.values().collect();
        all.sort_by_key(|dashboard| dashboard.title());
        all
    }

    /// How many dashboards there are.
    pub fn len(&self) -> usize {
        self.by_uid.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_uid.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Source;

    fn dashboard(key: &str, uid: &str, title: &str) -> Dashboard {
        let json = format!(r#"{{"uid":"{uid}","title":"{title}","panels":[{{"id":1,"type":"text"}}]}}"#);
        let origin = Source { file: "f".into(), configmap: "n/c".into(), key: key.into() };
        Dashboard::parse(origin, None, &json).unwrap()
    }

    #[test]
    fn lists_by_title_and_refuses_a_second_dashboard_with_the_same_uid() {
        let mut catalog = Catalog::new();
        catalog.add(dashboard("1.json", "a", "Zebra")).unwrap();
        catalog.add(dashboard("2.json", "b", "Ant")).unwrap();
        let error = catalog.add(dashboard("3.json", "a", "Other")).unwrap_err().to_string();
        assert!(error.contains("3.json") && error.contains("1.json") && error.contains("hint:"), "{error}");
        let titles: Vec<&str> = catalog.sorted().iter().map(|d| d.title()).collect();
        assert_eq!(titles, ["Ant", "Zebra"]);
        assert_eq!(catalog.get("a").unwrap().title(), "Zebra");
        assert_eq!((catalog.len(), catalog.is_empty()), (2, false));
    }
}
