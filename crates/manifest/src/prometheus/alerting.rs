//! The section `alerting`: which Alertmanagers get alerts, and what becomes of the alerts before.
//!
//! Input: the section's fields. Output: an [`AlertingConfig`]. Alertmanagers are written down or listed in files; other service
//! discoveries and request signing are refused by name.

use super::http_client;
use super::http_settings::HttpSettings;
use super::job::{file_sd_configs, refuse_other_discoveries, static_configs};
use super::scrape_config::FileDiscovery;
use super::values::{RelabelKeys, duration, relabel_rules, text};
use crate::fields::Fields;
use std::path::Path;
use std::time::Duration;
use tidewatch_model::{RelabelRule, TargetGroup};

/// The section `alerting`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertingConfig {
    /// Rules from an alert's labels, external labels included, to those that are sent; an alert may be dropped by them.
    pub alert_relabel_configs: Vec<RelabelRule>,
    /// Where alerts are sent, all of them to each.
    pub alertmanagers: Vec<AlertmanagerConfig>,
}

/// Alertmanagers that are talked to in the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertmanagerConfig {
    /// `http` or `https`.
    pub scheme: String,
    /// What stands before `/api/v2/alerts`; may be empty.
    pub path_prefix: String,
    /// Time a request may take, 10 s by default.
    pub timeout: Duration,
    /// Authentication, headers and TLS.
    pub http: HttpSettings,
    /// Rules from discovered labels to the address.
    pub relabel_configs: Vec<RelabelRule>,
    /// Further rules for the labels of alerts that go here.
    pub alert_relabel_configs: Vec<RelabelRule>,
    /// Alertmanagers written down in the configuration.
    pub static_configs: Vec<TargetGroup>,
    /// Alertmanagers listed in files.
    pub file_sd_configs: Vec<FileDiscovery>,
}

impl Default for AlertmanagerConfig {
    fn default() -> Self {
        Self {
            scheme: "http".to_owned(),
            path_prefix: String::new(),
            timeout: Duration::from_secs(10),
            http: HttpSettings::default(),
            relabel_configs: Vec::new(),
            alert_relabel_configs: Vec::new(),
            static_configs: Vec::new(),
            file_sd_configs: Vec::new(),
        }
    }
}

/// Reads the section; relative paths are below `folder`.
pub(super) fn read(fields: &Fields<'_>, folder: &Path) -> AlertingConfig {
    let alert_relabel_configs = relabel_rules(fields, "alert_relabel_configs", &RelabelKeys::PROMETHEUS);
    let alertmanagers = fields.list("alertmanagers").into_iter().map(|entry| {
        let config = read_alertmanager(&entry, folder);
        entry.finish();
        config
    });
    AlertingConfig { alert_relabel_configs, alertmanagers: alertmanagers.collect() }
}

fn read_alertmanager(fields: &Fields<'_>, folder: &Path) -> AlertmanagerConfig {
    let scheme = text(fields, "scheme").unwrap_or_else(|| "http".to_owned());
    if !["http", "https"].contains(&scheme.as_str()) {
        fields.wrong("scheme", format!("unknown scheme {scheme:?}"), "use http or https");
    }
    if let Some(version) = text(fields, "api_version").filter(|version| version != "v2") {
        let message = format!("expected Alertmanager api version to be one of [v2] but got {version}");
        fields.wrong("api_version", message, "remove it: v2 is the default");
    }
    if fields.raw("sigv4").is_some() {
        fields.wrong("sigv4", "not supported yet: signed requests", "use basic_auth or authorization");
    }
    let relabel_configs = relabel_rules(fields, "relabel_configs", &RelabelKeys::PROMETHEUS);
    refuse_other_discoveries(fields);
    AlertmanagerConfig {
        scheme,
        path_prefix: text(fields, "path_prefix").unwrap_or_default(),
        timeout: duration(fields, "timeout").unwrap_or(Duration::from_secs(10)),
        http: http_client::read_settings(fields, folder),
        alert_relabel_configs: relabel_rules(fields, "alert_relabel_configs", &RelabelKeys::PROMETHEUS),
        static_configs: static_configs(fields, relabel_configs.is_empty()),
        file_sd_configs: file_sd_configs(fields, folder),
        relabel_configs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HttpAuth, PrometheusConfig, SecretSource, TlsVersion};
    use tidewatch_model::Labels;

    #[test]
    fn alertmanagers_have_prometheuss_defaults() {
        let text = "alerting:\n  alertmanagers:\n    - static_configs: [{targets: ['a:9093', 'b:9093']}]\n";
        let config = PrometheusConfig::parse("p.yml", text).unwrap();
        let [found] = config.alerting.alertmanagers.as_slice() else { panic!("{config:?}") };
        let targets = ["a:9093", "b:9093"].map(|target| Labels::from_pairs([("__address__", target)]));
        let group = TargetGroup { source: "0".into(), labels: Labels::default(), targets: targets.to_vec() };
        assert_eq!(
            *found,
            AlertmanagerConfig { static_configs: vec![group], ..AlertmanagerConfig::default() }
        );
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }

    #[test]
    fn every_setting_is_read() {
        let text = "alerting:\n  alert_relabel_configs: [{action: labeldrop, regex: replica}]\n  alertmanagers:\n\
                    \x20   - {scheme: https, path_prefix: /am, timeout: 3s, api_version: v2,\n\
                    \x20      basic_auth: {username: u, password_file: pw}, follow_redirects: false, enable_http2: true,\n\
                    \x20      tls_config: {ca_file: ca.pem, server_name: am, min_version: TLS13},\n\
                    \x20      http_headers: {X-Scope: {values: [t]}},\n\
                    \x20      file_sd_configs: [{files: [ams.json]}],\n\
                    \x20      alert_relabel_configs: [{action: keep, source_labels: [severity], regex: page}],\n\
                    \x20      relabel_configs: [{target_label: __scheme__, replacement: http}]}\n";
        let config = PrometheusConfig::parse("dir/p.yml", text).unwrap();
        let [found] = config.alerting.alertmanagers.as_slice() else { panic!("{config:?}") };
        assert_eq!(config.alerting.alert_relabel_configs.len(), 1);
        assert_eq!((found.scheme.as_str(), found.path_prefix.as_str()), ("https", "/am"));
        assert_eq!((found.timeout, found.http.follow_redirects), (Duration::from_secs(3), false));
        let Some(HttpAuth::Basic { password, .. }) = &found.http.auth else { panic!("{found:?}") };
        assert_eq!(*password, SecretSource::File("dir/pw".into()));
        assert_eq!(found.http.tls.ca, Some(SecretSource::File("dir/ca.pem".into())));
        assert_eq!(found.http.tls.server_name.as_deref(), Some("am"));
        assert_eq!(found.http.tls.min_version, Some(TlsVersion::Tls13));
        assert_eq!(found.http.headers.len(), 1);
        assert_eq!(found.file_sd_configs[0].files, ["dir/ams.json"]);
        assert_eq!((found.relabel_configs.len(), found.alert_relabel_configs.len()), (1, 1));
    }

    #[test]
    fn what_would_send_elsewhere_is_refused() {
        let check = |line: &str, expected: &str| {
            let text = format!("alerting:\n  alertmanagers:\n    - {line}\n");
            let errors = PrometheusConfig::parse("p.yml", &text).unwrap_err();
            let shown = errors.iter().map(ToString::to_string).collect::<String>();
            assert!(errors.len() == 1 && shown.contains("p.yml:3:") && shown.contains(expected), "{shown}");
        };
        check("api_version: v1", "expected Alertmanager api version to be one of [v2] but got v1");
        check("scheme: ftp", "unknown scheme \"ftp\"");
        check("sigv4: {}", "not supported yet: signed requests");
        check("kubernetes_sd_configs: [{role: pod}]", "kubernetes_sd_configs: not supported yet");
        check("proxy_url: http://p", "proxy_url: not supported yet");
        check("tls_config: {ca: x, ca_file: y}", "only one of ca and ca_file may be given");
        check("tls_config: {cert: x}", "key or key_file is missing");
        check("tls_config: {max_version: TLS11}", "TLS11 is not spoken");
        check("tls_config: {min_version: TLS13, max_version: TLS12}", "must not be less than min_version");
        check("static_configs: [{targets: ['http://a']}]", "is not a valid hostname");
        check("basic_auth: {username: a, username_file: b}", "only one of username and username_file");
        check("pathprefix: /x", "unknown field");
    }
}
