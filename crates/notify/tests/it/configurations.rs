//! Wrong receivers are refused at load, with line, field and remedy, and without their values.

use crate::setup::read;
use std::path::Path;

fn errors(text: &str) -> Vec<String> {
    let errors = read(text, Path::new("/etc/am")).err().unwrap_or_default();
    errors.iter().map(|error| error.to_string().replace('\n', "")).collect()
}

#[test]
fn mistakes_are_found_where_they_stand() {
    let check = |entry: &str, expected: &str| {
        let found = errors(&format!("receivers:\n  - name: ops\n    {entry}\n"));
        assert!(found.len() == 1 && found[0].contains(expected), "{entry}\n{found:#?}\nlacks {expected}");
        assert!(found[0].starts_with("am.yml:"), "{found:?}");
        assert!(!found[0].contains("s3cret"), "{found:?}");
    };
    let hint = "hint: use webhook, email, pagerduty, slack, discord, msteams or msteamsv2";
    for kind in [
        "opsgenie",
        "sns",
        "telegram",
        "webex",
        "victorops",
        "wechat",
        "pushover",
        "jira",
        "rocketchat",
        "incidentio",
        "mattermost",
    ] {
        let expected = format!(
            "am.yml:3:{}: receivers[0].{kind}_configs: not supported yet: receiver kind {kind}",
            5 + kind.len() + 10
        );
        check(&format!("{kind}_configs: [{{api_key: s3cret}}]"), &expected);
        check(&format!("{kind}_configs: [{{api_key: s3cret}}]"), hint);
    }
    check("webhook_configs: [{}]", "one of url or url_file must be configured");
    check(
        "webhook_configs: [{url: 'http://s3cret', url_file: f}]",
        "at most one of url & url_file must be configured",
    );
    check("webhook_configs: [{url: 's3cret'}]", "webhook_configs[0].url: invalid URL: unsupported scheme");
    check("webhook_configs: [{url: 'ftp://s3cret'}]", "unsupported scheme \"ftp\" for URL");
    check("webhook_configs: [{url: 'http://h/{{ s3cret'}]", "invalid template");
    check("webhook_configs: [{url: 'http://h', max_alerts: -1}]", "max_alerts: must be from 0");
    check("webhook_configs: [{url: 'http://h', timeout: soon}]", "timeout: invalid duration");
    check("webhook_configs: [{url: 'http://h', payload: {a: ['{{ nope }}']}}]", "payload: invalid template");
    check("webhook_configs: [{urll: 'http://h', url: 'http://h'}]", "urll: unknown field");
    check("webhook_configs: [{url: [s3cret]}]", "url: must be text, is a list");
    check(
        "webhook_configs: [{url: 'http://h', http_config: {proxy_url: 'http://p'}}]",
        "proxy_url: not supported yet",
    );
    check(
        "webhook_configs: [{url: 'http://h', http_config: {oauth2: {client_id: x}}}]",
        "oauth2: not supported yet",
    );
    check("slack_configs: [{channel: c}]", "no Slack API URL nor App token set either inline or in a file");
    check(
        "slack_configs: [{api_url: 'http://h', app_token: s3cret}]",
        "at most one of api_url/api_url_file & app_token/app_token_file",
    );
    check(
        "slack_configs: [{app_token: s3cret, http_config: {authorization: {credentials: s3cret}}}]",
        "http authorization can't be set when using Slack App tokens",
    );
    check(
        "slack_configs: [{api_url: 'http://h', update_message: true}]",
        "not supported yet: updating messages",
    );
    check(
        "slack_configs: [{api_url: 'http://h', fields: [{title: t}]}]",
        "missing value in Slack field configuration",
    );
    check(
        "slack_configs: [{api_url: 'http://h', actions: [{type: button, text: t}]}]",
        "missing name or url in Slack action configuration",
    );
    check("slack_configs: [{api_url: 'http://h', title: '{{ .Status | nope }}'}]", "title: invalid template");
    check("discord_configs: [{title: t}]", "one of webhook_url or webhook_url_file must be configured");
    check("discord_configs: [{webhook_url: 'h'}]", "webhook_url: unsupported scheme");
    check("pagerduty_configs: [{}]", "missing service or routing key in PagerDuty config");
    check(
        "pagerduty_configs: [{service_key: s3cret}]",
        "service_key: not supported yet: PagerDuty's Events API v1",
    );
    check(
        "pagerduty_configs: [{routing_key: s3cret, routing_key_file: f}]",
        "at most one of routing_key & routing_key_file",
    );
    check("msteams_configs: [{}]", "one of webhook_url or webhook_url_file");
    check("msteamsv2_configs: [{}]", "one of webhook_url or webhook_url_file");
    check("email_configs: [{from: a@b, smarthost: 'h:25'}]", "missing to address in email config");
    check("email_configs: [{to: a@b, smarthost: 'h:25'}]", "no global SMTP from set");
    check("email_configs: [{to: a@b, from: a@b}]", "no global SMTP smarthost set");
    check("email_configs: [{to: a@b, from: a@b, smarthost: h}]", "is not host:port");
    check(
        "email_configs: [{to: a@b, from: a@b, smarthost: 'h:25', headers: {a: x, A: y}}]",
        "duplicate header \"A\"",
    );
    check(
        "email_configs: [{to: a@b, from: a@b, smarthost: 'h:25', threading: {enabled: true}}]",
        "must be either 'none' or 'daily'",
    );
}

#[test]
fn the_global_section_fills_in() {
    let text = "global:\n  slack_api_url_file: slack-url\n  smtp_from: a@b\n  smtp_smarthost: '[::1]:587'\n  \
                smtp_auth_username: u\n  smtp_auth_password: s3cret\n  http_config: {follow_redirects: false}\n  \
                opsgenie_api_key: s3cret\n\
                receivers:\n  - name: ops\n    slack_configs: [{channel: c}]\n    email_configs: [{to: x@y}]\n    \
                webhook_configs: [{url: 'http://h'}, {url: 'http://h', http_config: {}}]\n";
    let config = read(text, Path::new("/etc/am")).unwrap();
    let shown = format!("{config:?}");
    assert_eq!(config.integrations.len(), 4);
    for expected in
        ["<secret from slack-url>", "smarthost: (\"::1\", 587)", "auth_username: \"u\"", "from: \"a@b\""]
    {
        assert!(shown.contains(expected), "{shown} lacks {expected}");
    }
    assert_eq!(shown.matches("follow_redirects: false").count(), 2, "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
    let found = errors("global: {slack_api_url: s3cret}\nreceivers: [{name: a}]\n");
    assert!(found[0].starts_with("am.yml:1:25: global.slack_api_url: unsupported scheme"), "{found:?}");
}
