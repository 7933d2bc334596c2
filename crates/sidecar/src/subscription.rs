//! Which topics go to which paths of the application: declarative and programmatic subscriptions.
//!
//! Input: Subscription objects of `dapr.io/v1alpha1` and `v2alpha1`; what the application answers at `GET /dapr/subscribe`. Output:
//! [`Subscription`]s. Bulk subscriptions are delivered one event at a time, and the log says so.

use crate::cloud_event::Metadata;
use crate::document::{Document, Place};
use crate::expression::Expression;
use crate::go_text;
use serde::Deserialize;
use tidewatch_manifest::{ManifestError, Other};

/// One subscription.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subscription {
    pub(crate) pubsub: String,
    pub(crate) topic: String,
    /// In the order they are tried; at least one.
    pub(crate) rules: Vec<Rule>,
    pub(crate) dead_letter_topic: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) origin: Origin,
}

/// Who made a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An object in a file.
    Declarative,
    /// The application.
    Programmatic,
}

/// Where events go that match; all do where there is no condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) condition: Option<Expression>,
    pub(crate) path: String,
}

impl Rule {
    fn parse(condition: &str, path: String) -> Result<Self, String> {
        let condition = condition.trim();
        let condition = if condition.is_empty() { None } else { Some(Expression::parse(condition)?) };
        Ok(Self { condition, path })
    }
}

impl Subscription {
    /// Whether messages are no CloudEvents but bytes.
    pub(crate) fn is_raw(&self) -> Result<bool, String> {
        let Some(text) = self.metadata.get("rawPayload").filter(|text| !text.is_empty()) else {
            return Ok(false);
        };
        go_text::boolean(text)
            .ok_or_else(|| format!("rawPayload value must be a valid boolean: actual is '{text}'"))
    }
}

const MATCH_HINT: &str =
    "use event fields, ==, !=, <, <=, >, >=, in, &&, ||, !, has(), startsWith, endsWith, contains, size";

/// Reads a Subscription object.
///
/// # Errors
/// All its mistakes.
pub(crate) fn read(other: &Other) -> Result<Subscription, Vec<ManifestError>> {
    let document = Document::new(other);
    let subscription = {
        let root = document.root();
        let spec = root.get("spec");
        let is_v1 = other.api_version == "dapr.io/v1alpha1";
        let rules = if is_v1 { route_of_v1(&spec) } else { rules_of_v2(&spec.get("routes")) };
        if spec.get("bulkSubscribe").get("enabled").flag() == Some(true) {
            tracing::warn!(
                subscription = other.meta.name,
                "bulkSubscribe is not supported: events are delivered one at a time"
            );
        }
        Subscription {
            pubsub: spec.get("pubsubname").required_text(),
            topic: spec.get("topic").required_text(),
            rules,
            dead_letter_topic: spec.get("deadLetterTopic").text().filter(|topic| !topic.is_empty()),
            metadata: spec.get("metadata").texts(),
            origin: Origin::Declarative,
        }
    };
    let errors = document.into_errors();
    if errors.is_empty() { Ok(subscription) } else { Err(errors) }
}

fn route_of_v1(spec: &Place<'_>) -> Vec<Rule> {
    vec![Rule { condition: None, path: spec.get("route").required_text() }]
}

fn rules_of_v2(routes: &Place<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for rule in routes.get("rules").items() {
        let (condition, path) =
            (rule.get("match").text().unwrap_or_default(), rule.get("path").required_text());
        match Rule::parse(&condition, path) {
            Ok(rule) => rules.push(rule),
            Err(reason) => {
                rule.get("match").wrong(format!("{condition:?} cannot be used: {reason}"), MATCH_HINT);
            }
        }
    }
    if let Some(path) = routes.get("default").text().filter(|path| !path.is_empty()) {
        rules.push(Rule { condition: None, path });
    } else if rules.is_empty() && routes.get("rules").items().is_empty() {
        routes.wrong("no route is given", "write routes.default, the path events are posted to");
    }
    rules
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    #[serde(default, rename = "pubsubname", alias = "pubsubName")]
    pubsub: String,
    #[serde(default)]
    topic: String,
    #[serde(default)]
    dead_letter_topic: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    route: String,
    #[serde(default)]
    routes: Option<AnsweredRoutes>,
}

#[derive(Default, Deserialize)]
struct AnsweredRoutes {
    #[serde(default)]
    rules: Option<Vec<AnsweredRule>>,
    #[serde(default, rename = "default")]
    otherwise: String,
}

#[derive(Deserialize)]
struct AnsweredRule {
    #[serde(default, rename = "match")]
    condition: String,
    #[serde(default)]
    path: String,
}

/// Reads what an application answers at `GET /dapr/subscribe`. Subscriptions without a route are left out.
///
/// # Errors
/// When it is no list of subscriptions, or a condition cannot be read.
pub(crate) fn answered(body: &[u8]) -> Result<Vec<Subscription>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let answers: Option<Vec<Answered>> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut subscriptions = Vec::new();
    for answer in answers.unwrap_or_default() {
        let routes = answer.routes.unwrap_or_default();
        let parse = |rule: AnsweredRule| {
            Rule::parse(&rule.condition, rule.path)
                .map_err(|reason| format!("{:?}: {reason}", rule.condition))
        };
        let mut rules: Vec<Rule> =
            routes.rules.unwrap_or_default().into_iter().map(parse).collect::<Result<_, _>>()?;
        let otherwise = [routes.otherwise, answer.route].into_iter().find(|path| !path.is_empty());
        rules.extend(otherwise.map(|path| Rule { condition: None, path }));
        if rules.is_empty() {
            tracing::warn!(
                topic = answer.topic,
                "a subscription of the application has no route and is left out"
            );
            continue;
        }
        subscriptions.push(Subscription {
            pubsub: answer.pubsub,
            topic: answer.topic,
            rules,
            dead_letter_topic: answer.dead_letter_topic.filter(|topic| !topic.is_empty()),
            metadata: answer.metadata.unwrap_or_default(),
            origin: Origin::Programmatic,
        });
    }
    Ok(subscriptions)
}

/// Declarative and programmatic subscriptions together: one for each component and topic, the application's before a file's, the first
/// file's before a later one's.
pub(crate) fn merged(declarative: &[Subscription], programmatic: Vec<Subscription>) -> Vec<Subscription> {
    let mut all: Vec<Subscription> = Vec::new();
    for one in declarative.iter().cloned().chain(programmatic) {
        let same = |other: &&mut Subscription| other.pubsub == one.pubsub && other.topic == one.topic;
        match all.iter_mut().find(same) {
            None => all.push(one),
            Some(place) if one.origin == Origin::Programmatic => *place = one,
            Some(_) => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::load_text;

    fn read_text(text: &str) -> Result<Subscription, String> {
        let manifests = load_text("s.yaml", text).map_err(|errors| format!("{errors:?}"))?;
        read(&manifests.others[0])
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    const V2: &str = "apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata:\n  name: s\nspec:\n  pubsubname: bus\n  topic: things\n";

    #[test]
    fn both_versions_are_read() {
        let text = format!(
            "{V2}  deadLetterTopic: dead\n  metadata:\n    rawPayload: true\n  routes:\n    default: /all\n    rules:\n    - match: event.type == 'x'\n      path: /x\nscopes:\n- app\n"
        );
        let subscription = read_text(&text).expect("it is right");
        let paths: Vec<_> =
            subscription.rules.iter().map(|rule| (rule.condition.is_some(), rule.path.as_str())).collect();
        assert_eq!(paths, [(true, "/x"), (false, "/all")]);
        assert_eq!(subscription.dead_letter_topic.as_deref(), Some("dead"));
        assert_eq!(subscription.is_raw(), Ok(true));
        let text = V2.replace("v2alpha1", "v1alpha1") + "  route: /all\n";
        assert_eq!(
            read_text(&text).expect("it is right").rules,
            [Rule { condition: None, path: "/all".to_owned() }]
        );
    }

    #[test]
    fn mistakes_name_place_and_remedy() {
        let check = |text: &str, parts: &[&str]| {
            let error = read_text(text).expect_err("it is wrong");
            for part in parts {
                assert!(error.contains(part), "{part:?} is missing in {error}");
            }
        };
        check(V2, &["s.yaml:1", "Subscription/s", "routes: no route is given", "hint:"]);
        check(
            &format!("{V2}  routes:\n    rules:\n    - match: event.a.matches('x')\n      path: /x\n"),
            &["spec.routes.rules[0].match", "matches is not supported", "hint: use event fields"],
        );
        check(&V2.replace("  topic: things\n", "  routes: {default: /x}\n"), &["spec.topic: is missing"]);
    }

    #[test]
    fn an_application_answers_with_subscriptions() {
        let body = br#"[{"pubsubname":"bus","topic":"a","route":"/a","deadLetterTopic":"d"},
            {"pubsubname":"bus","topic":"b","routes":{"rules":[{"match":"event.type == 'x'","path":"/x"}],"default":"/b"}},
            {"pubsubname":"bus","topic":"c"}]"#;
        let got = answered(body).expect("they are right");
        let topics: Vec<_> = got.iter().map(|one| (one.topic.as_str(), one.rules.len())).collect();
        assert_eq!(topics, [("a", 1), ("b", 2)]);
        assert_eq!(answered(b""), Ok(Vec::new()));
        assert_eq!(answered(b"null"), Ok(Vec::new()));
        assert!(answered(b"{}").is_err());
    }

    #[test]
    fn the_application_goes_before_files() {
        let of = |topic: &str, path: &str, origin| Subscription {
            pubsub: "bus".to_owned(),
            topic: topic.to_owned(),
            rules: vec![Rule { condition: None, path: path.to_owned() }],
            dead_letter_topic: None,
            metadata: Metadata::new(),
            origin,
        };
        let files = [
            of("a", "/1", Origin::Declarative),
            of("a", "/2", Origin::Declarative),
            of("b", "/3", Origin::Declarative),
        ];
        let merged =
            merged(&files, vec![of("b", "/4", Origin::Programmatic), of("c", "/5", Origin::Programmatic)]);
        let got: Vec<_> = merged.iter().map(|one| (one.topic.as_str(), one.rules[0].path.as_str())).collect();
        assert_eq!(got, [("a", "/1"), ("b", "/4"), ("c", "/5")]);
    }
}
