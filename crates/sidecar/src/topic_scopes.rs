//! Which topics an application may publish and subscribe to, by the metadata of the component.
//!
//! Input: `publishingScopes`, `subscriptionScopes`, `allowedTopics`, `protectedTopics`. Output: yes or no.

use crate::cloud_event::Metadata;

/// The topics a component lets one application use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicScopes {
    publishing: Vec<String>,
    subscribing: Vec<String>,
    allowed: Vec<String>,
    protected: Vec<String>,
}

impl TopicScopes {
    /// Reads them out of a component's metadata.
    pub(crate) fn of(metadata: &Metadata, app_id: &str) -> Self {
        let value = |name: &str| {
            let found = metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.replace(' ', "")).unwrap_or_default()
        };
        let list =
            |text: &str| text.split(',').filter(|topic| !topic.is_empty()).map(str::to_owned).collect();
        let scoped = |name: &str| {
            let text = value(name);
            let own = text.split(';').filter_map(|part| part.split_once('=')).find(|(app, _)| *app == app_id);
            own.map(|(_, topics)| topics.split(',').map(str::to_owned).collect()).unwrap_or_default()
        };
        Self {
            publishing: scoped("publishingScopes"),
            subscribing: scoped("subscriptionScopes"),
            allowed: list(&value("allowedTopics")),
            protected: list(&value("protectedTopics")),
        }
    }

    /// Whether it may publish to a topic.
    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        self.may(topic, &self.publishing)
    }

    /// Whether it may subscribe to a topic.
    pub(crate) fn may_subscribe(&self, topic: &str) -> bool {
        self.may(topic, &self.subscribing)
    }

    fn may(&self, topic: &str, scoped: &[String]) -> bool {
        let contains = |list: &[String]| list.iter().any(|one| one == topic);
        if !self.allowed.is_empty() && !contains(&self.allowed) {
            return false;
        }
        if !contains(&self.protected) && scoped.is_empty() {
            return true;
        }
        contains(scoped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_allowed_as_by_daprd() {
        let check = |name: &str, value: &str, topic: &str, expected: (bool, bool)| {
            let scopes = TopicScopes::of(&[(name.to_owned(), value.to_owned())].into(), "app");
            assert_eq!(
                (scopes.may_publish(topic), scopes.may_subscribe(topic)),
                expected,
                "{name}={value} {topic}"
            );
        };
        check("x", "y", "a", (true, true));
        check("publishingScopes", "app=a,b;other=c", "a", (true, true));
        check("publishingScopes", "app=a, b;other=c", "c", (false, true));
        check("publishingScopes", "other=c", "c", (true, true));
        check("publishingScopes", "app=", "c", (false, true));
        check("subscriptionscopes", "app=a", "b", (true, false));
        check("allowedTopics", "a,b", "c", (false, false));
        check("allowedTopics", "a, b", "b", (true, true));
        check("protectedTopics", "a", "a", (false, false));
        check("protectedTopics", "a", "b", (true, true));
    }
}
