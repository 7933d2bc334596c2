//! The integrations of a receiver as far as decisions need them.
//!
//! Input: a receiver's configuration. Output: of each integration the kind, the position among those of its kind, and whether it is told
//! of alerts that are over.

use crate::{IntegrationConfig, ReceiverConfig};
use std::collections::HashMap;

/// How a receiver is told in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IntegrationSpec {
    /// The kind, e.g. `slack`.
    pub(crate) name: &'static str,
    /// The position among those of its kind.
    pub(crate) index: usize,
    pub(crate) send_resolved: bool,
}

/// The integrations in the order of the configuration.
pub(crate) fn integration_specs(receiver: &ReceiverConfig) -> Vec<IntegrationSpec> {
    let mut of_kind = HashMap::<&'static str, usize>::new();
    let specs = receiver.integrations.iter().map(|integration| {
        let (name, send_resolved) = kind_of(integration);
        let next = of_kind.entry(name).or_default();
        let index = *next;
        *next += 1;
        IntegrationSpec { name, index, send_resolved }
    });
    specs.collect()
}

fn kind_of(integration: &IntegrationConfig) -> (&'static str, bool) {
    match integration {
        IntegrationConfig::Webhook(config) => ("webhook", config.send_resolved),
        IntegrationConfig::Email(config) => ("email", config.send_resolved),
        IntegrationConfig::Pagerduty(config) => ("pagerduty", config.send_resolved),
        IntegrationConfig::Slack(config) => ("slack", config.send_resolved),
        IntegrationConfig::Discord(config) => ("discord", config.send_resolved),
        IntegrationConfig::MsTeams(config) => ("msteams", config.send_resolved),
        IntegrationConfig::MsTeamsV2(config) => ("msteamsv2", config.send_resolved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Templates, build};
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn they_are_those_that_send() {
        let text = "route: {receiver: r}\nreceivers:\n- name: r\n  slack_configs: [{api_url: 'http://s'}, {api_url: 'http://s', \
            send_resolved: true}]\n  webhook_configs: [{url: 'http://w'}]\n  email_configs: [{to: a@b, from: a@b, smarthost: 'h:1'}]\n  \
            discord_configs: [{webhook_url: 'http://d'}]\n  pagerduty_configs: [{routing_key: k}]\n  \
            msteams_configs: [{webhook_url: 'http://m'}]\n  msteamsv2_configs: [{webhook_url: 'http://m'}]\n";
        let config = Config::parse(Path::new("am.yml"), text).unwrap();
        let specs = integration_specs(&config.receivers[0]);
        let built = build(&config.receivers[0], &Arc::new(Templates::new("")));
        let sending: Vec<_> =
            built.iter().map(|receiver| (receiver.name(), receiver.send_resolved())).collect();
        let decided: Vec<_> = specs.iter().map(|spec| (spec.name, spec.send_resolved)).collect();
        assert_eq!(decided, sending);
        let slack: Vec<usize> =
            specs.iter().filter(|spec| spec.name == "slack").map(|spec| spec.index).collect();
        assert_eq!(slack, [0, 1]);
    }
}
