//! What a read asks for: which objects, how many at once, in which form.
//!
//! Input: a request's parameters and `Accept`. Output: [`Asked`], or the refusal: watching, forms that are not JSON, and
//! selectors that are none. Parameters of other reads (`resourceVersion`, `timeoutSeconds`, …) change nothing here.

use super::kind::Kind;
use super::selector::{FieldSelector, label_selector};
use super::status::Status;
use crate::parameters::Parameters;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidewatch_manifest::LabelSelector;

/// What a read asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) labels: LabelSelector,
    pub(super) fields: FieldSelector,
    /// At most so many objects at once.
    pub(super) limit: Option<usize>,
    /// After this object: namespace and name with a `/` between them.
    pub(super) after: String,
    pub(super) form: Form,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The objects.
    Objects,
    /// A table, as `kubectl get` prints it; each row with the whole object, or with its metadata only.
    Table {
        /// Of `meta.k8s.io`: `v1` or `v1beta1`.
        version: &'static str,
        include: Include,
    },
}

/// What comes with the row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Asked {
    /// Reads what a call asks for.
    pub(super) fn of(kind: &Kind, headers: &HeaderMap, parameters: &Parameters) -> Result<Self, Status> {
        if matches!(parameters.get("watch"), "true" | "1" | "t" | "T" | "True" | "TRUE") {
            return Err(Status::no_watch());
        }
        let limit = match parameters.get("limit") {
            "" | "0" => None,
            text => Some(
                text.parse().map_err(|_| Status::bad_request(format!("limit: {text:?} is not a number")))?,
            ),
        };
        let after = match parameters.get("continue") {
            "" => String::new(),
            token => decoded(token).ok_or_else(|| Status::bad_request("continue key is not valid"))?,
        };
        Ok(Self {
            labels: label_selector(parameters.get("labelSelector")).map_err(Status::bad_request)?,
            fields: FieldSelector::parse(parameters.get("fieldSelector"), kind.fields)
                .map_err(Status::bad_request)?,
            limit,
            after,
            form: form(headers, parameters)?,
        })
    }

    /// The token that asks for what comes after an object.
    pub(super) fn continue_after(key: &str) -> String {
        URL_SAFE_NO_PAD.encode(key)
    }
}

fn decoded(token: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

/// The first form of `Accept` that is offered here.
fn form(headers: &HeaderMap, parameters: &Parameters) -> Result<Form, Status> {
    let mut accepted =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if accepted.peek().is_none() {
        return Ok(Form::Objects);
    }
    let include = match parameters.get("includeObject") {
        "" | "Metadata" => Include::Metadata,
        "Object" => Include::Object,
        "None" => Include::Nothing,
        other => return Err(Status::bad_request(format!("unrecognized includeObject value: {other:?}"))),
    };
    let forms = accepted.flat_map(|value| value.split(','));
    forms.filter_map(|form| one_form(form, include)).next().ok_or_else(Status::not_acceptable)
}

fn one_form(accepted: &str, include: Include) -> Option<Form> {
    let mut parts = accepted.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    if !matches!(media, "application/json" | "application/*" | "*/*") {
        return None;
    }
    let (mut converted, mut version, mut group) = ("", "", "");
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name {
            "as" => converted = value,
            "v" => version = value,
            "g" => group = value,
            _ => {}
        }
    }
    match (converted, group, version) {
        ("", _, _) => Some(Form::Objects),
        ("Table", "meta.k8s.io", "v1") => Some(Form::Table { version: "meta.k8s.io/v1", include }),
        ("Table", "meta.k8s.io", "v1beta1") => Some(Form::Table { version: "meta.k8s.io/v1beta1", include }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_is_offered_is_taken() {
        let table = |version| Some(Form::Table { version, include: Include::Metadata });
        let check = |accept: &str, expected: Option<Form>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(form(&headers, &Parameters::default()).ok(), expected, "{accept}");
        };
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,\
                       application/json";
        check(kubectl, table("meta.k8s.io/v1"));
        check("application/json; as=Table; v=v1beta1; g=meta.k8s.io", table("meta.k8s.io/v1beta1"));
        check("application/json;as=Other;v=v1;g=meta.k8s.io, application/json", Some(Form::Objects));
        check("application/vnd.kubernetes.protobuf,application/json", Some(Form::Objects));
        check("text/html,*/*;q=0.8", Some(Form::Objects));
        check("application/vnd.kubernetes.protobuf", None);
        check("application/json;as=Table;v=v2;g=meta.k8s.io", None);
        assert_eq!(form(&HeaderMap::new(), &Parameters::default()).unwrap(), Form::Objects);
    }

    #[test]
    fn places_in_a_list_survive_the_wire() {
        assert_eq!(decoded(&Asked::continue_after("shop/web-1")).as_deref(), Some("shop/web-1"));
        assert_eq!(decoded("%%"), None);
    }
}
