//! `tidewatch query`: asks a server over the Prometheus HTTP API and prints the answer.
//!
//! Input: the command's arguments. Output: a table, a plot, JSON or CSV on standard output. It works with any
//! Prometheus and knows nothing of the stores inside this program.

use crate::addresses::Addresses;
use crate::cli::{Output, QueryArgs};
use crate::failure::Failure;
use crate::plot::{PlotSeries, PlotStyle, plot};
use crate::terminal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use tidewatch_model::{Labels, format_timestamp, parse_timestamp, push_percent_encoded};

const DEFAULT_SERVER: &str = "http://127.0.0.1:9090";

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    data: Option<Data>,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar(Pair),
    String(Pair),
    Vector(Vec<Element>),
    Matrix(Vec<Element>),
}

type Pair = (f64, String);

/// Parameters by name.
type Form = Vec<(&'static str, String)>;

#[derive(Deserialize)]
struct Element {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    value: Option<Pair>,
    #[serde(default)]
    values: Vec<Pair>,
}

/// Runs the command.
///
/// # Errors
/// When the server cannot be reached or refuses the query; the text names the server and the remedy.
pub(crate) async fn run(args: &QueryArgs) -> Result<(), Failure> {
    let server = server_of(args);
    let (path, parameters) = request_of(args)?;
    let body = ask(&server, path, &parameters).await?;
    if args.output == Output::Json {
        return show(&format!("{body}\n"));
    }
    let envelope: Envelope = serde_json::from_str(&body)
        .map_err(|e| Failure::new(format!("{server} does not answer as a Prometheus API: {e}")))?;
    let Some(data) = envelope.data else {
        return Err(Failure::new(format!("{}: {}", envelope.error_type, envelope.error)));
    };
    for note in envelope.warnings.iter().chain(&envelope.infos) {
        eprintln!("{note}");
    }
    match args.output {
        Output::Csv => show(&csv(&data)),
        _ => show(&pretty(&data)),
    }
}

/// Prints an answer; a reader that has seen enough (`| head`) is no failure.
pub(crate) fn show(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::from_error(&error)),
        _ => Ok(()),
    }
}

fn server_of(args: &QueryArgs) -> String {
    let running = || Addresses::read(&args.data_dir).map(|a| a.prometheus);
    let server = args.server.clone().or_else(running).unwrap_or_else(|| DEFAULT_SERVER.to_owned());
    let server = if server.contains("://") { server } else { format!("http://{server}") };
    server.trim_end_matches('/').to_owned()
}

/// The API path and form parameters of the question.
fn request_of(args: &QueryArgs) -> Result<(&'static str, Form), Failure> {
    let time = |name: &str, text: &str| {
        parse_timestamp(text).map_err(|e| {
            Failure::new(format!("--{name}: {e}")).hint("write Unix seconds or e.g. 2026-01-31T12:00:00Z")
        })
    };
    let query = ("query", args.expression.clone());
    let (start, end) = match (args.range, &args.start, &args.end) {
        (Some(range), ..) => {
            let now = tidewatch_model::Clock::now(&tidewatch_model::SystemClock);
            (now - i64::try_from(range.as_millis()).unwrap_or(i64::MAX), now)
        }
        (None, Some(start), Some(end)) => (time("start", start)?, time("end", end)?),
        _ => {
            let at = args.time.as_deref().map(|t| time("time", t)).transpose()?;
            let parameter = at.map(|at| ("time", format_timestamp(at)));
            return Ok(("/api/v1/query", std::iter::once(query).chain(parameter).collect()));
        }
    };
    if end < start {
        return Err(Failure::new("--end lies before --start"));
    }
    let step = args.step.map_or_else(|| default_step(end - start), |s| s.as_secs_f64());
    let parameters = vec![
        query,
        ("start", format_timestamp(start)),
        ("end", format_timestamp(end)),
        ("step", step.to_string()),
    ];
    Ok(("/api/v1/query_range", parameters))
}

/// Seconds: as many points as the plot has dots across, but whole seconds.
fn default_step(range_ms: i64) -> f64 {
    let dots = (terminal::width() * 2).max(20) as f64;
    (range_ms as f64 / 1000.0 / dots).ceil().max(1.0)
}

/// Posts a question to a server of the Prometheus API and gives its answer as text.
pub(crate) async fn ask(server: &str, path: &str, parameters: &[(&str, String)]) -> Result<String, Failure> {
    let unreachable = |e: &dyn std::error::Error| {
        Failure::new(format!("no answer from {server}: {}", innermost(e)))
            .hint("start it with `tidewatch up`, or name another with --server URL")
    };
    let form = url_form(parameters);
    // a proxy of the environment is for the world outside, not for a server on this machine
    let client = reqwest::Client::builder().no_proxy().build().map_err(|e| Failure::from_error(&e))?;
    let request = client
        .post(format!("{server}{path}"))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form);
    let response = request.send().await.map_err(|e| unreachable(&e))?;
    response.text().await.map_err(|e| unreachable(&e))
}

/// The text of an error's last cause.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn url_form(parameters: &[(&str, String)]) -> String {
    let mut form = String::new();
    for (name, value) in parameters {
        if !form.is_empty() {
            form.push('&');
        }
        let _ = write!(form, "{name}=");
        push_percent_encoded(&mut form, value, |byte| b"-_.~".contains(&byte));
    }
    form
}

fn name_of(element: &Element) -> String {
    Labels::from_pairs(element.metric.clone()).to_string()
}

fn pretty(data: &Data) -> String {
    match data {
        Data::Scalar((_, value)) | Data::String((_, value)) => format!("{value}\n"),
        Data::Vector(elements) if elements.is_empty() => "no series\n".to_owned(),
        Data::Vector(elements) => {
            let rows: Vec<(String, &str)> = elements
                .iter()
                .map(|e| (name_of(e), e.value.as_ref().map_or("", |(_, v)| v.as_str())))
                .collect();
            let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
            let mut text = String::new();
            for (name, value) in rows {
                let gap = width - name.chars().count();
                let _ = writeln!(text, "{name}{:gap$}  {value}", "");
            }
            text
        }
        Data::Matrix(elements) => {
            let series: Vec<PlotSeries> = elements.iter().map(plot_series).collect();
            plot(&series, PlotStyle { width: terminal::width(), height: 14, colour: terminal::has_colour() })
        }
    }
}

fn plot_series(element: &Element) -> PlotSeries {
    let point = |(seconds, value): &Pair| ((seconds * 1000.0) as i64, value.parse().unwrap_or(f64::NAN));
    PlotSeries { name: name_of(element), points: element.values.iter().map(point).collect() }
}

fn csv(data: &Data) -> String {
    let mut text = "series,time,value\n".to_owned();
    let mut line = |name: &str, (seconds, value): &Pair| {
        let name = name.replace('"', "\"\"");
        let _ = writeln!(text, "\"{name}\",{},{value}", format_timestamp((seconds * 1000.0).round() as i64));
    };
    match data {
        Data::Scalar(pair) | Data::String(pair) => line("", pair),
        Data::Vector(elements) | Data::Matrix(elements) => {
            for element in elements {
                let name = name_of(element);
                element.value.iter().chain(&element.values).for_each(|pair| line(&name, pair));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(json: &str) -> Data {
        serde_json::from_str::<Envelope>(json).unwrap().data.unwrap()
    }

    #[test]
    fn a_vector_is_a_table() {
        let json = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"up","job":"a"},"value":[1700000000,"1"]},
            {"metric":{"__name__":"up","job":"bcd"},"value":[1700000000.5,"0"]}]}}"#;
        assert_eq!(pretty(&data(json)), "up{job=\"a\"}    1\nup{job=\"bcd\"}  0\n");
        let lines = csv(&data(json));
        assert!(lines.contains("\"up{job=\"\"bcd\"\"}\",2023-11-14T22:13:20.5Z,0"), "{lines}");
    }

    #[test]
    fn a_matrix_is_drawn() {
        let json = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"job":"a"},"values":[[1700000000,"1"],[1700000060,"2"]]}]}}"#;
        assert!(pretty(&data(json)).contains("{job=\"a\"}  2"));
    }

    #[test]
    fn parameters_are_escaped() {
        let form = url_form(&[("query", "a{b=\"c d\"}".into()), ("step", "1".into())]);
        assert_eq!(form, "query=a%7Bb%3D%22c%20d%22%7D&step=1");
    }
}
