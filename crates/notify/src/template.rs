//! Templates of notifications: the usual ones, the user's files, and what they see.
//!
//! Input: template files, the template of a field, a [`Notification`]. Output: text or HTML. Names and output of the usual templates are
//! Alertmanager's, but the layout of the HTML mail is our own. The template engine is the template crate's. Not there, and refused with
//! errors: time zones but UTC, and layouts with names of months or zones in `toDate` and `mustToDate`.

mod data;
mod functions;
mod json;

use crate::Notification;
use functions::{Functions, is_function};
use tidewatch_template::Escape;

/// The usual templates.
const USUAL: &str = include_str!("template/usual.tmpl");
/// The usual mail.
const MAIL: &str = include_str!("template/mail.tmpl");

/// The templates that fields of receivers can use.
#[derive(Clone, Debug)]
pub struct Templates {
    set: tidewatch_template::Templates,
    external_url: String,
}

impl Templates {
    /// The usual templates; notifications say that they come from `external_url`.
    pub fn new(external_url: &str) -> Self {
        let mut set = tidewatch_template::Templates::default();
        for (name, text) in [("usual.tmpl", USUAL), ("mail.tmpl", MAIL)] {
            set.parse(name, text, &is_function).expect("the usual templates are right: a test reads them");
        }
        Self { set, external_url: external_url.to_owned() }
    }

    /// Adds what a file defines; a later template replaces an earlier one of its name.
    ///
    /// # Errors
    /// Go's complaint, with the file's name and the line; nothing is added then.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), String> {
        self.set.parse(file, text, &is_function).map_err(|error| error.to_string())
    }

    /// The text of a field's template.
    ///
    /// # Errors
    /// Go's complaint when the template is none, or fails.
    pub fn text(&self, template: &str, notification: &Notification) -> Result<String, String> {
        self.render(template, notification, Escape::No)
    }

    /// The same with values escaped for HTML.
    ///
    /// # Errors
    /// See [`Self::text`].
    pub fn html(&self, template: &str, notification: &Notification) -> Result<String, String> {
        self.render(template, notification, Escape::Html)
    }

    /// Whether a text is a template.
    ///
    /// # Errors
    /// Go's complaint.
    pub fn check(template: &str) -> Result<(), String> {
        let parsed = tidewatch_template::Templates::default().parse("", template, &is_function);
        parsed.map_err(|error| error.to_string())
    }

    fn render(&self, template: &str, notification: &Notification, escape: Escape) -> Result<String, String> {
        if !template.contains("{{") {
            return Ok(template.to_owned());
        }
        let mut set = self.set.clone();
        set.parse("", template, &is_function).map_err(|error| error.to_string())?;
        let data = data::of(notification, &self.external_url);
        let rendered = set.execute("", &data, &mut Functions { notification }, escape);
        rendered.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlertStatus, NotifiedAlert};
    use tidewatch_model::Labels;

    fn notification() -> Notification {
        let alert = |instance: &str, status| NotifiedAlert {
            status,
            labels: Labels::from_pairs([
                ("alertname", "Slow"),
                ("instance", instance),
                ("severity", "warning"),
            ]),
            annotations: Labels::from_pairs([("summary", "5 < 6")]),
            starts_at: 1_767_323_045_000,
            generator_url: "http://p/graph".to_owned(),
            fingerprint: "00ff".to_owned(),
            ..NotifiedAlert::default()
        };
        Notification {
            receiver: "team.x".to_owned(),
            group_labels: Labels::from_pairs([("alertname", "Slow")]),
            alerts: vec![alert("a", AlertStatus::Firing), alert("b", AlertStatus::Resolved)],
            route_labels: Labels::from_pairs([("team", "ops")]),
            now_ms: 1_767_323_105_000,
            ..Notification::default()
        }
    }

    fn check(template: &str, expected: &str) {
        let got = Templates::new("http://am").text(template, &notification());
        assert_eq!(got.unwrap_or_else(|error| error), expected, "{template}");
    }

    #[test]
    fn the_usual_templates_are_alertmanagers() {
        check("{{ template \"__subject\" . }}", "[FIRING:1] Slow (warning)");
        check("{{ template \"slack.default.titlelink\" . }}", "http://am/#/alerts?receiver=team%5C.x");
        check(
            "{{ template \"slack.default.color\" . }}{{ template \"slack.default.pretext\" . }}|",
            "danger|",
        );
        check(
            "{{ template \"pagerduty.default.instances\" .Alerts.Firing }}",
            "Labels:\n - alertname = Slow\n - instance = a\n - severity = warning\nAnnotations:\n - summary = 5 < 6\nSource: http://p/graph\n",
        );
    }

    #[test]
    fn templates_see_what_alertmanagers_see() {
        check(
            "{{ .Status }} {{ .Receiver }} {{ .ExternalURL }} {{ len .Alerts }}",
            "firing team\\.x http://am 2",
        );
        check(
            "{{ .CommonLabels }} | {{ .CommonLabels.severity }} | {{ .CommonLabels.instance }}|",
            "alertname=Slow, severity=warning | warning | |",
        );
        check(
            "{{ range .Alerts }}{{ .Labels.instance }}:{{ .Status }}:{{ .StartsAt.Format \"15:04\" }} {{ end }}",
            "a:firing:03:04 b:resolved:03:04 ",
        );
        check(
            "{{ (index .Alerts 1).Labels.instance }} {{ .GroupLabels.Names }} {{ .CommonLabels.Values | join \"/\" }}",
            "b [alertname] Slow/warning",
        );
        check(
            "{{ .CommonAnnotations.summary | toUpper }} {{ title \"aBC\" }} {{ routeLabels \"team\" }} {{ since (index .Alerts 0).StartsAt }}",
            "5 < 6 Abc ops 1m0s",
        );
        check(
            "{{ toJson .GroupLabels }} {{ stringSlice \"a\" \"b\" | join \",\" }} {{ (dict \"k\" 1).k }} {{ len (list 1 2) }}",
            "{\"alertname\":\"Slow\"} a,b 1 2",
        );
        check(
            "{{ reReplaceAll \"o\" \"0\" \"foo\" }} {{ match \"^f\" \"foo\" }} {{ base64encode \"a?\" }} {{ base64decode \"YT8=\" }} {{ trimSpace \" x \" }}",
            "f00 true YT8= a? x",
        );
        check(
            "{{ tz \"Mars\" (index .Alerts 0).StartsAt }}",
            "template: :1:3: executing \"\" at <tz \"Mars\" (index .Al...>: error calling tz: time zone Mars is not supported, only UTC is; hint: write tz \"UTC\"",
        );
    }

    /// What Alertmanager 0.34.2 rendered for the same alerts.
    #[test]
    fn templates_render_what_alertmanager_rendered() {
        let labels = |instance: &str, severity: &str| {
            Labels::from_pairs([("alertname", "Slow"), ("instance", instance), ("severity", severity)])
        };
        let annotations =
            Labels::from_pairs([("summary", "5 < 6 & \"x\" + 'y'"), ("link", "javascript:alert(1)")]);
        let alert = |instance, severity, ends_at| NotifiedAlert {
            status: if ends_at == 0 { AlertStatus::Firing } else { AlertStatus::Resolved },
            labels: labels(instance, severity),
            annotations: annotations.clone(),
            starts_at: 1_767_323_045_120,
            ends_at,
            generator_url: "http://p:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1".to_owned(),
            fingerprint: "00ff".to_owned(),
        };
        let alerts =
            vec![alert("a", "warning", 0), alert("b", "info", 0), alert("c", "critical", 1_767_323_105_120)];
        let notification = Notification { alerts, ..notification() };
        let templates = Templates::new("http://am:9093");
        let mut wrong = Vec::new();
        for line in include_str!("../tests/fixtures/alertmanager/templates.jsonl").lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let template = case["template"].as_str().unwrap();
            let render = if case["html"] == true { Templates::html } else { Templates::text };
            let got = render(&templates, template, &notification);
            let alike = match &got {
                Ok(text) => case["error"].is_null() && case["output"].as_str().unwrap_or_default() == text,
                Err(_) => !case["error"].is_null(),
            };
            if !alike {
                wrong.push(format!("{case}\n  here {got:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn html_is_escaped_and_files_replace_templates() {
        let mut templates = Templates::new("http://am");
        templates
            .add("own.tmpl", "{{ define \"__subject\" }}own {{ .CommonAnnotations.summary }}{{ end }}")
            .unwrap();
        let html =
            templates.html("<b>{{ template \"__subject\" . }}</b>{{ safeHtml \"<i>\" }}", &notification());
        assert_eq!(html.as_deref(), Ok("<b>own 5 &lt; 6</b><i>"));
        let mail = templates.html("{{ template \"email.default.html\" . }}", &notification()).unwrap();
        assert!(mail.contains("5 &lt; 6") && mail.contains("<title>own 5 &lt; 6</title>"), "{mail}");
        let error = templates.add("bad.tmpl", "x\n{{ nope }}").unwrap_err();
        assert_eq!(error, "template: bad.tmpl:2: function \"nope\" not defined");
        assert!(Templates::check("{{ .Status ").is_err());
    }
}
