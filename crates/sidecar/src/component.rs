//! Pub/sub components: `pubsub.kafka`, version v1, every field of its metadata known and checked.
//!
//! Input: Component objects of `dapr.io/v1alpha1`. Output: [`Component`]. Other types of components are not run: `pubsub.*` is refused,
//! the rest of Dapr's building blocks is left to Dapr.

use crate::cloud_event::Metadata;
use crate::document::{Document, Place};
use crate::resiliency::Retry;
use crate::topic_scopes::TopicScopes;
use crate::{go_text, random};
use std::time::Duration;
use tidewatch_manifest::{ManifestError, Other};

/// A pub/sub component.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) kafka: KafkaSettings,
    pub(crate) scopes: TopicScopes,
    /// Whether topics carry the namespace in front: when the metadata mentions `{namespace}`.
    pub(crate) namespace_scoped: bool,
    pub(crate) ignore_errors: bool,
    /// How long the brokers may take to answer at the start.
    pub(crate) init_timeout: Duration,
}

/// How Kafka is spoken to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KafkaSettings {
    pub(crate) brokers: String,
    pub(crate) consumer_group: String,
    pub(crate) client_id: String,
    /// Where a group without a committed offset begins: `earliest` or `latest`.
    pub(crate) initial_offset: &'static str,
    pub(crate) max_message_bytes: u32,
    /// Whether and how a message is delivered again that the application did not take.
    pub(crate) redelivery: Option<Retry>,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) session_timeout: Duration,
    pub(crate) fetch_min_bytes: u32,
    pub(crate) fetch_bytes: u32,
    pub(crate) metadata_refresh: Duration,
}

/// Who the component runs for: what stands for the placeholders in its metadata.
#[derive(Clone, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) app_id: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) pod_name: &'a str,
}

/// Metadata that asks for what is not there: TLS, SASL, schema registries.
const REFUSED: [&str; 17] = [
    "saslusername",
    "saslpassword",
    "saslmechanism",
    "oidctokenendpoint",
    "oidcclientid",
    "oidcclientsecret",
    "oidcscopes",
    "oidcextensions",
    "cacert",
    "clientcert",
    "clientkey",
    "awsregion",
    "awsaccesskey",
    "awssecretkey",
    "awssessiontoken",
    "schemaregistryurl",
    "schemaregistryapikey",
];

/// Metadata that changes nothing here.
const WITHOUT_EFFECT: [&str; 16] = [
    "version",
    "authrequired",
    "authtype",
    "disabletls",
    "skipverify",
    "channelbuffersize",
    "consumeretryinterval",
    "clientconnectionkeepaliveinterval",
    "schemacachingenabled",
    "schemalatestversioncachettl",
    "publishingscopes",
    "subscriptionscopes",
    "allowedtopics",
    "protectedtopics",
    "escapeheaders",
    "compression",
];

/// Whether an object is one that runs here; other building blocks are not.
pub(crate) fn is_pubsub(other: &Other) -> bool {
    let component_type =
        other.raw.get("spec").and_then(|spec| spec.get("type")).and_then(|text| text.as_str());
    component_type.is_none_or(|text| text.starts_with("pubsub."))
}

/// Reads a Component object.
///
/// # Errors
/// All its mistakes.
pub(crate) fn read(other: &Other, owner: &Owner<'_>) -> Result<Component, Vec<ManifestError>> {
    let document = Document::new(other);
    let component = {
        let root = document.root();
        let spec = root.get("spec");
        let component_type = spec.get("type").required_text();
        if !component_type.is_empty() && component_type != "pubsub.kafka" {
            spec.get("type").wrong(
                format!("{component_type:?} is not supported by this sidecar"),
                "use pubsub.kafka, or run the application with Dapr's own sidecar",
            );
        }
        let version = spec.get("version").text().unwrap_or_default();
        if !["", "v1"].contains(&version.as_str()) {
            spec.get("version").wrong(format!("unknown version {version:?}"), "write version: v1");
        }
        let mut namespace_scoped = false;
        let metadata = metadata(&spec, owner, &mut namespace_scoped);
        let init_timeout = spec.get("initTimeout").loose_text().filter(|text| !text.is_empty());
        let init_timeout = init_timeout
            .map_or(Some(Duration::from_secs(5)), |text| go_text::duration(&text, Duration::from_secs(1)));
        Component {
            name: other.meta.name.clone(),
            kafka: kafka(&spec.get("metadata"), &metadata, owner.app_id),
            scopes: TopicScopes::of(&metadata, owner.app_id),
            namespace_scoped,
            ignore_errors: spec.get("ignoreErrors").flag().unwrap_or(false),
            init_timeout: init_timeout.unwrap_or_else(|| {
                spec.get("initTimeout").wrong("is no duration", "write e.g. 5s");
                Duration::from_secs(5)
            }),
        }
    };
    let errors = document.into_errors();
    if errors.is_empty() { Ok(component) } else { Err(errors) }
}

/// The entries of `spec.metadata` by name, placeholders replaced.
fn metadata(spec: &Place<'_>, owner: &Owner<'_>, namespace_scoped: &mut bool) -> Metadata {
    let mut metadata = Metadata::new();
    for entry in spec.get("metadata").items() {
        let name = entry.get("name").required_text();
        let value = entry.get("value");
        if !value.is_there() {
            for key in ["secretKeyRef", "envRef"] {
                if entry.get(key).is_there() {
                    entry.get(key).wrong(
                        format!("{name} is to be read from elsewhere, and this sidecar has no secret store"),
                        "write the value itself with `value:`, in a file that is only used locally",
                    );
                }
            }
            continue;
        }
        let Some(text) = value.loose_text() else { continue };
        *namespace_scoped |= text.contains("{namespace}");
        let text = text
            .replace("{appID}", owner.app_id)
            .replace("{namespace}", &format!("{}.{}", owner.namespace, owner.app_id))
            .replace("{podName}", owner.pod_name)
            .replace("{uuid}", &random::event_id());
        metadata.insert(name, text);
    }
    metadata
}

/// A component's metadata, with the place each entry was written at.
struct Settings<'a> {
    place: &'a Place<'a>,
    metadata: &'a Metadata,
}

impl Settings<'_> {
    fn find(&self, name: &str) -> Option<&str> {
        let found =
            self.metadata.iter().find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn wrong(&self, name: &str, reason: &str, hint: &str) {
        let value = self.find(name).unwrap_or_default();
        // Values may be secret where the name says so; none of these is.
        self.place.get(name).wrong(format!("{value:?} {reason}"), hint);
    }

    fn duration(&self, name: &str, bare: Duration, default: Duration) -> Duration {
        let Some(text) = self.find(name) else { return default };
        go_text::duration(text, bare).unwrap_or_else(|| {
            self.wrong(name, "is no duration", "write e.g. 500ms or 5s");
            default
        })
    }

    fn number(&self, name: &str, default: u32, least: u32) -> u32 {
        let Some(text) = self.find(name) else { return default };
        text.parse().ok().filter(|number| *number >= least && *number <= i32::MAX as u32).unwrap_or_else(
            || {
                self.wrong(
                    name,
                    "is no number of this range",
                    &format!("write a whole number from {least} to 2147483647"),
                );
                default
            },
        )
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        let Some(text) = self.find(name) else { return default };
        go_text::boolean(text).unwrap_or_else(|| {
            self.wrong(name, "is neither true nor false", "write true or false");
            default
        })
    }
}

fn kafka(place: &Place<'_>, metadata: &Metadata, app_id: &str) -> KafkaSettings {
    let settings = Settings { place, metadata };
    check_names(&settings);
    check_authentication(&settings);
    let brokers = settings.find("brokers").unwrap_or_default().to_owned();
    if brokers.is_empty() {
        place
            .get("brokers")
            .wrong("is missing", "write the bootstrap servers, host:port with commas between them");
    }
    let initial_offset = match settings.find("initialOffset").map(str::to_lowercase).as_deref() {
        None | Some("newest") => "latest",
        Some("oldest") => "earliest",
        Some(_) => {
            settings.wrong("initialOffset", "is no initial offset", "use newest or oldest");
            "latest"
        }
    };
    let group = settings.find("consumerGroup").or_else(|| settings.find("consumerID")).unwrap_or(app_id);
    KafkaSettings {
        brokers,
        consumer_group: group.to_owned(),
        client_id: settings.find("clientID").unwrap_or("sarama").to_owned(),
        initial_offset,
        max_message_bytes: settings.number("maxMessageBytes", 1_048_576, 1),
        redelivery: settings.flag("consumeRetryEnabled", true).then(|| redelivery(&settings)),
        heartbeat_interval: settings.duration(
            "heartbeatInterval",
            Duration::from_secs(1),
            Duration::from_secs(3),
        ),
        session_timeout: settings.duration("sessionTimeout", Duration::from_secs(1), Duration::from_secs(10)),
        fetch_min_bytes: settings.number("consumerFetchMin", 1, 1),
        fetch_bytes: settings.number("consumerFetchDefault", 1 << 20, 1),
        metadata_refresh: settings.duration(
            "clientConnectionTopicMetadataRefreshInterval",
            Duration::from_secs(1),
            Duration::from_secs(480),
        ),
    }
}

/// The `backOff…` entries: by default every five seconds, for ever.
fn redelivery(settings: &Settings<'_>) -> Retry {
    let mut retry = Retry::default();
    match settings.find("backOffPolicy").map(str::to_lowercase).as_deref() {
        None | Some("constant") => {}
        Some("exponential") => retry.exponential = true,
        Some(_) => settings.wrong("backOffPolicy", "is no policy", "use constant or exponential"),
    }
    retry.wait = settings.duration("backOffDuration", Duration::from_secs(1), retry.wait);
    retry.most = settings.duration("backOffMaxInterval", Duration::from_secs(1), retry.most);
    if settings.find("backOffMaxRetries").is_some_and(|text| text != "-1") {
        retry.limit = Some(settings.number("backOffMaxRetries", 0, 0));
    }
    retry
}

fn check_names(settings: &Settings<'_>) {
    const READ: [&str; 16] = [
        "brokers",
        "consumergroup",
        "consumerid",
        "clientid",
        "initialoffset",
        "maxmessagebytes",
        "consumeretryenabled",
        "heartbeatinterval",
        "sessiontimeout",
        "consumerfetchmin",
        "consumerfetchdefault",
        "backoffpolicy",
        "backoffduration",
        "backoffmaxinterval",
        "backoffmaxretries",
        "clientconnectiontopicmetadatarefreshinterval",
    ];
    for name in settings.metadata.keys() {
        let lower = name.to_lowercase();
        if REFUSED.contains(&lower.as_str()) {
            settings.place.get(name).wrong(
                "asks for TLS, authentication or a schema registry, and this sidecar has none",
                "leave it out and write authType: none, or run the application with Dapr's own sidecar",
            );
        } else if !READ.contains(&lower.as_str()) && !WITHOUT_EFFECT.contains(&lower.as_str()) {
            tracing::warn!(name, "unknown metadata of pubsub.kafka, ignored");
        }
    }
}

fn check_authentication(settings: &Settings<'_>) {
    let required = settings.flag("authRequired", false);
    match settings.find("authType").map(str::to_lowercase).as_deref() {
        Some("none") => {}
        None if settings.find("authRequired").is_some() && !required => {}
        None if required => settings.wrong("authRequired", "asks for authentication", "write authType: none"),
        None => settings.place.get("authType").wrong("is missing", "write authType: none"),
        Some(_) => settings.wrong(
            "authType",
            "is not supported by this sidecar, which has neither TLS nor SASL",
            "write authType: none for a broker without authentication",
        ),
    }
    if settings.flag("skipVerify", false) {
        settings.wrong("skipVerify", "concerns TLS, and this sidecar has none", "leave it out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::load_text;

    fn read_text(metadata: &str) -> Result<Component, String> {
        let text = format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: bus\nspec:\n  type: pubsub.kafka\n  version: v1\n  metadata:\n{metadata}"
        );
        let manifests = load_text("c.yaml", &text).map_err(|errors| format!("{errors:?}"))?;
        let owner = Owner { app_id: "app", namespace: "ns", pod_name: "app-0" };
        read(&manifests.others[0], &owner)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    fn entries(pairs: &[(&str, &str)]) -> String {
        pairs.iter().map(|(name, value)| format!("  - name: {name}\n    value: {value}\n")).collect()
    }

    #[test]
    fn settings_have_daprds_defaults() {
        let kafka =
            read_text(&entries(&[("brokers", "'k:9092'"), ("authType", "none")])).expect("it is right").kafka;
        let expected = KafkaSettings {
            brokers: "k:9092".to_owned(),
            consumer_group: "app".to_owned(),
            client_id: "sarama".to_owned(),
            initial_offset: "latest",
            max_message_bytes: 1_048_576,
            redelivery: Some(Retry::default()),
            heartbeat_interval: Duration::from_secs(3),
            session_timeout: Duration::from_secs(10),
            fetch_min_bytes: 1,
            fetch_bytes: 1 << 20,
            metadata_refresh: Duration::from_secs(480),
        };
        assert_eq!(kafka, expected);
    }

    #[test]
    fn settings_are_read() {
        let base = [("brokers", "'k:9092'"), ("authType", "none")];
        let with =
            |pairs: &[(&str, &str)]| read_text(&entries(&[&base, pairs].concat())).expect("it is right");
        assert_eq!(with(&[("consumerGroup", "g"), ("consumerID", "i")]).kafka.consumer_group, "g");
        assert_eq!(with(&[("consumerID", "i")]).kafka.consumer_group, "i");
        assert_eq!(with(&[("initialOffset", "Oldest")]).kafka.initial_offset, "earliest");
        assert_eq!(with(&[("maxMessageBytes", "2048")]).kafka.max_message_bytes, 2048);
        assert_eq!(with(&[("consumeRetryEnabled", "false")]).kafka.redelivery, None);
        let retry = with(&[("backOffDuration", "50ms"), ("backOffMaxRetries", "2")])
            .kafka
            .redelivery
            .expect("it is on");
        assert_eq!((retry.wait, retry.limit), (Duration::from_millis(50), Some(2)));
        let scoped = with(&[("consumerID", "'{namespace}'")]);
        assert_eq!((scoped.kafka.consumer_group.as_str(), scoped.namespace_scoped), ("ns.app", true));
        assert!(!with(&[("consumerID", "'{podName}'")]).namespace_scoped);
    }

    #[test]
    fn mistakes_name_place_value_and_remedy() {
        let check = |metadata: &str, parts: &[&str]| {
            let error = read_text(metadata).expect_err("it is wrong");
            for part in parts {
                assert!(error.contains(part), "{part:?} is missing in {error}");
            }
        };
        check(
            &entries(&[("authType", "none")]),
            &["c.yaml:1", "Component/bus", "spec.metadata.brokers: is missing", "hint:"],
        );
        check(&entries(&[("brokers", "a")]), &["spec.metadata.authType: is missing", "authType: none"]);
        check(&entries(&[("brokers", "a"), ("authType", "password")]), &["\"password\" is not supported"]);
        check(
            &entries(&[("brokers", "a"), ("authType", "none"), ("caCert", "x")]),
            &["spec.metadata.caCert: asks for TLS"],
        );
        check(
            &entries(&[("brokers", "a"), ("authType", "none"), ("initialOffset", "first")]),
            &["\"first\" is no initial offset"],
        );
        check(
            &entries(&[("brokers", "a"), ("authType", "none"), ("maxMessageBytes", "big")]),
            &["\"big\"", "whole number"],
        );
        let secret =
            "  - name: brokers\n    secretKeyRef: {name: s, key: k}\n  - name: authType\n    value: none\n";
        check(secret, &["spec.metadata[0].secretKeyRef", "brokers is to be read from elsewhere", "value:"]);
    }

    #[test]
    fn other_types_are_refused_or_not_run() {
        let text = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: c\nspec:\n  type: TYPE\n  version: v1\n";
        let of = |component_type: &str| {
            load_text("c.yaml", &text.replace("TYPE", component_type))
                .expect("it is a manifest")
                .others
                .remove(0)
        };
        assert!(!is_pubsub(&of("state.redis")));
        assert!(is_pubsub(&of("pubsub.redis")));
        let owner = Owner { app_id: "app", namespace: "ns", pod_name: "" };
        let errors = read(&of("pubsub.redis"), &owner).expect_err("it is refused");
        assert!(errors[0].to_string().contains("\"pubsub.redis\" is not supported"), "{errors:?}");
    }
}
