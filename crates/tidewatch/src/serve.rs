//! `tidewatch serve`: the monitoring alone, from a prometheus.yml, in place of a Prometheus.
//!
//! Input: the command's arguments. Output: running stages; the configuration is read again on SIGHUP or, if allowed,
//! `POST /-/reload`. A configuration with mistakes is refused and the previous one stays in force.

use crate::addresses::{Addresses, TraceAddresses};
use crate::alerting::RuleSpec;
use crate::cli::ServeArgs;
use crate::failure::Failure;
use crate::notifications::read_config;
use crate::pipeline::{Pipeline, PipelineSpec, TraceSpec};
use crate::signals::{Signals, Wish};
use crate::status::table;
use std::collections::BTreeMap;
use std::path::Path;
use tidewatch_config::{ServeSpec, serve_spec};
use tidewatch_http::{LifecycleRequest, ListenerSpec, Serves};
use tidewatch_model::{Clock, SystemClock, format_duration};
use tokio::sync::mpsc;

/// Runs the command until a signal ends it.
///
/// # Errors
/// When nothing can be started; the text names the thing and the remedy.
pub(crate) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let spec = read(args)?;
    tidewatch_runtime::raise_open_file_limit();
    let (sender, mut requests) = mpsc::channel(4);
    let lifecycle = args.lifecycle.then_some(sender);
    let mut pipeline = Pipeline::start(pipeline_spec(args, spec, lifecycle)?).await?;
    announce(args, &pipeline)?;
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::Stop => break,
                Wish::Reload => {
                    if let Err(failure) = reload(args, &mut pipeline).await {
                        eprintln!("configuration not loaded, the previous one stays in force:\n{failure}");
                    }
                }
            },
            Some(request) = requests.recv() => match request {
                LifecycleRequest::Quit => break,
                LifecycleRequest::Reload(answer) => {
                    // whoever asked may have left
                    let _ = answer.send(reload(args, &mut pipeline).await.map_err(|failure| failure.to_string()));
                }
            },
        }
    }
    Addresses::remove(&args.data_dir);
    pipeline.stop().await
}

fn read(args: &ServeArgs) -> Result<ServeSpec, Failure> {
    let spec = serve_spec(&args.config, &args.dashboards).map_err(|e| Failure::from_error(&e))?;
    for warning in &spec.warnings {
        eprintln!("{warning}");
    }
    Ok(spec)
}

async fn reload(args: &ServeArgs, pipeline: &mut Pipeline) -> Result<(), Failure> {
    let engine =
        |spec: &ServeSpec| args.query.engine(spec.prometheus.global.evaluation_interval, &args.features);
    let read = read(args).and_then(|spec| {
        let rules = RuleSpec::of_serve(&spec, &engine(&spec))?;
        let notifications = args.alerting.config_file.as_deref().map(read_config).transpose()?;
        Ok((spec, RuleSpec { notifications, ..rules }))
    });
    match read {
        Ok((spec, rules)) => {
            if let Err(failure) = pipeline.reload(spec.prometheus.scrape_configs, rules).await {
                return Err(refused(pipeline, failure));
            }
            pipeline.config.loaded(spec.shown, SystemClock.now());
            eprintln!("configuration loaded from {}", args.config.display());
            Ok(())
        }
        Err(failure) => Err(refused(pipeline, failure)),
    }
}

fn refused(pipeline: &Pipeline, failure: Failure) -> Failure {
    pipeline.config.failed();
    pipeline.alerting.reload_failed();
    failure
}

fn pipeline_spec(
    args: &ServeArgs,
    spec: ServeSpec,
    lifecycle: Option<mpsc::Sender<LifecycleRequest>>,
) -> Result<PipelineSpec, Failure> {
    let flag = "--web.listen-address".to_owned();
    let engine = args.query.engine(spec.prometheus.global.evaluation_interval, &args.features);
    let rules = RuleSpec::of_serve(&spec, &engine)?;
    let notifications = args.alerting.config_file.as_deref().map(read_config).transpose()?;
    Ok(PipelineSpec {
        store_folder: args.data_dir.clone(),
        retention: args.retention,
        listeners: vec![ListenerSpec { address: args.prometheus, flag, serves: Serves::Everything }],
        kafka_bootstrap: args.kafka_bootstrap.clone(),
        traces: TraceSpec {
            listeners: args.traces.listeners(),
            folder: args.data_dir.join("traces"),
            store: args.traces.store(),
            recorder: args.traces.recorder(),
            sampling: args.traces.strategies()?,
        },
        runtime: None,
        scaling: None,
        alerting: args.alerting.spec(rules, notifications, &args.data_dir),
        engine,
        scrape_interval: tidewatch_config::SCRAPE_INTERVAL,
        scrape_configs: spec.prometheus.scrape_configs,
        monitors: Vec::new(),
        dashboards: spec.dashboards,
        user_pages: args.user_assets.as_deref().map(pages_of).transpose()?.unwrap_or_default(),
        query_limits: args.query.limits(),
        flags: flags(args),
        config_text: spec.shown,
        lifecycle,
    })
}

/// The largest page that is served.
const MOST_PAGE_BYTES: u64 = 1 << 20;

/// The text files of a folder, by name; what is none, or too long, is told and left out.
fn pages_of(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(format!("cannot read {}: {error}", folder.display()))
            .hint("name a folder of pages with --web.user-assets, or leave the flag out")
    };
    let mut pages = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if !path.is_file() {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let length = std::fs::metadata(&path).map_or(0, |data| data.len());
        match std::fs::read_to_string(&path) {
            Ok(text) if length <= MOST_PAGE_BYTES => _ = pages.insert(name, text),
            Ok(_) => eprintln!("{} is not served: longer than {MOST_PAGE_BYTES} bytes", path.display()),
            Err(error) => eprintln!("{} is not served: {error}", path.display()),
        }
    }
    Ok(pages)
}

fn flags(args: &ServeArgs) -> BTreeMap<String, String> {
    let mut flags = args.query.flags();
    flags.extend(args.traces.flags());
    flags.extend(args.alerting.flags());
    flags.insert("config.file".to_owned(), args.config.display().to_string());
    flags.insert("storage.tsdb.path".to_owned(), args.data_dir.display().to_string());
    flags.insert("storage.tsdb.retention.time".to_owned(), format_duration(args.retention));
    let assets = args.user_assets.iter().map(|folder| folder.display().to_string());
    flags.insert("web.user-assets".to_owned(), assets.collect());
    flags.insert("web.enable-lifecycle".to_owned(), args.lifecycle.to_string());
    flags.insert("web.listen-address".to_owned(), args.prometheus.to_string());
    flags
}

fn announce(args: &ServeArgs, pipeline: &Pipeline) -> Result<(), Failure> {
    let url = pipeline.addresses.first().map(|address| format!("http://{address}")).unwrap_or_default();
    let traces = TraceAddresses::of(&pipeline.trace_addresses);
    let alertmanager = pipeline.alertmanager_address.map(|address| format!("http://{address}"));
    let pid = std::process::id();
    let addresses = Addresses { prometheus: url, traces, alertmanager, pid, ..Addresses::default() };
    addresses.write(&args.data_dir).map_err(|e| {
        Failure::new(format!("cannot write addresses.json into {}: {e}", args.data_dir.display()))
            .hint("check the folder's permissions and free space")
    })?;
    let mut rows = vec![("page, Prometheus API".to_owned(), addresses.prometheus)];
    rows.extend(addresses.alertmanager.map(|url| ("Alertmanager API".to_owned(), url)));
    rows.extend(addresses.traces.rows());
    rows.push(("configuration".to_owned(), args.config.display().to_string()));
    rows.push(("data".to_owned(), args.data_dir.display().to_string()));
    println!("{}", table("tidewatch serves. Ctrl-C ends it.", &rows).trim_end());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_the_text_files_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Down.md"), "# Down\n").unwrap();
        std::fs::write(folder.path().join("picture.png"), [0xff, 0xfe]).unwrap();
        std::fs::create_dir(folder.path().join("more")).unwrap();
        let pages = pages_of(folder.path()).unwrap();
        assert_eq!(pages, BTreeMap::from([("Down.md".to_owned(), "# Down\n".to_owned())]));
        let missing = pages_of(&folder.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("--web.user-assets"), "{missing}");
    }
}
