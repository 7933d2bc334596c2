//! A container of a manifest → the process to start for it.
//!
//! Input: the container, its pod, the image's entry in `tidewatch.yaml`. Output: a [`Launch`], or why there is none in
//! the words of the Kubernetes API. It makes the folders a process needs and starts nothing.

use crate::cluster::Cluster;
use crate::environment::Environment;
use crate::names;
use crate::pod::Pod;
use crate::process::Launch;
use crate::{dapr, kafka};
use std::borrow::Cow;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidewatch_manifest::{Container, ImageCommand, VolumeSource, short_image_name};
use tokio::task::spawn_blocking;

/// Why a container cannot be started; it waits until the manifests are changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// `ErrImagePull` or `CreateContainerConfigError`.
    pub(crate) reason: &'static str,
    /// What is missing and what to do.
    pub(crate) message: String,
}

/// The image's entry in `tidewatch.yaml`; for sidecars and brokers without one, the tidewatch program.
pub(crate) fn image_of<'a>(
    cluster: &'a Cluster,
    pod: &Pod,
    container: &Container,
) -> Result<Cow<'a, ImageCommand>, Blocked> {
    if let Some(image) = cluster.settings.image(&container.image) {
        return Ok(Cow::Borrowed(image));
    }
    let subcommand = pod.workload.built_in(&container.name);
    if let Some(subcommand) = subcommand.filter(|_| !cluster.program.as_os_str().is_empty()) {
        let program = cluster.program.to_string_lossy().into_owned();
        let command = vec![program, subcommand.to_owned()];
        return Ok(Cow::Owned(ImageCommand { command, ..ImageCommand::default() }));
    }
    Err({
        let name = short_image_name(&container.image);
        let message = format!(
            "{} {}/{}, container {}: there is no command for image {:?}; hint: images are not pulled, add to \
             tidewatch.yaml:\n  images:\n    {name}:\n      command: [\"{{bin}}/{name}\"]",
            pod.workload.kind.owner(),
            pod.namespace,
            pod.workload.name,
            container.name,
            container.image
        );
        Blocked { reason: "ErrImagePull", message }
    })
}

/// Everything the process needs, with its folders and files made by a thread for blocking work.
pub(crate) async fn prepare(
    cluster: &Arc<Cluster>,
    pod: &Arc<Pod>,
    container: &Container,
    id: &str,
) -> Result<Launch, Blocked> {
    let (cluster, pod) = (Arc::clone(cluster), Arc::clone(pod));
    let (container, id) = (container.clone(), id.to_owned());
    let prepared = spawn_blocking(move || prepare_now(&cluster, &pod, &container, &id)).await;
    prepared.unwrap_or_else(|error| Err(blocked(error.to_string())))
}

fn blocked(message: String) -> Blocked {
    Blocked { reason: "CreateContainerConfigError", message }
}

fn prepare_now(cluster: &Cluster, pod: &Pod, container: &Container, id: &str) -> Result<Launch, Blocked> {
    let image = image_of(cluster, pod, container)?;
    let image = image.as_ref();
    let environment = Environment::build(cluster, pod, container, image).map_err(blocked)?;
    fill_volumes(cluster, pod, container).map_err(blocked)?;
    provide_files(cluster, pod, container).map_err(blocked)?;
    let mut command = image.command.iter().map(|part| cluster.fill(part, pod));
    let program = cluster.relative(&command.next().unwrap_or_default());
    // `$(…)` and `$$` stay as they are in these: they may be a shell's.
    let own = command.map(|argument| cluster.names.replace(&argument, &pod.namespace, ""));
    let args = own.chain(container.args.iter().map(|argument| environment.argument(argument))).collect();
    let folder = folder_of(cluster, pod, container, image);
    if image.workdir.is_none() {
        let made = fs::create_dir_all(&folder);
        made.map_err(|error| blocked(format!("cannot make the folder {}: {error}", folder.display())))?;
    } else if !folder.is_dir() {
        let name = short_image_name(&container.image);
        let folder = folder.display();
        let hint = format!("make it, or change images: {name}: workdir: in tidewatch.yaml");
        return Err(blocked(format!("the working directory {folder} is not there; hint: {hint}")));
    }
    Ok(Launch { program, args, env: environment.finish(id), folder })
}

/// The process for the command of an exec probe or hook, where `tidewatch.yaml` names one.
pub(crate) fn prepare_exec(
    cluster: &Cluster,
    pod: &Pod,
    container: &Container,
    command: &[String],
    id: &str,
) -> Option<Launch> {
    let image = cluster.settings.image(&container.image)?;
    let mut parts = image.exec.get(&command.join(" "))?.iter().map(|part| cluster.fill(part, pod));
    let environment = Environment::build(cluster, pod, container, image).ok()?;
    Some(Launch {
        program: cluster.relative(&parts.next()?),
        args: parts.collect(),
        env: environment.finish(id),
        folder: folder_of(cluster, pod, container, image),
    })
}

/// The working directory: the one `tidewatch.yaml` names, or one of the pod's own.
fn folder_of(cluster: &Cluster, pod: &Pod, container: &Container, image: &ImageCommand) -> PathBuf {
    match &image.workdir {
        Some(folder) => cluster.settings_folder.join(cluster.fill(folder, pod)),
        None => pod.container_folder(&container.name).join("work"),
    }
}

/// Makes the folders of the volumes a container mounts, and the files of ConfigMaps and Secrets in them.
fn fill_volumes(cluster: &Cluster, pod: &Pod, container: &Container) -> Result<(), String> {
    for volume in &pod.workload.template.volumes {
        if !container.volume_mounts.iter().any(|mount| mount.name == volume.name) {
            continue;
        }
        let folder = pod.volumes_folder().join(&volume.name);
        let (kind, name, optional, files) = match &volume.source {
            VolumeSource::EmptyDir => ("", "", true, Some(Vec::new())),
            VolumeSource::Other(_) => continue,
            VolumeSource::ConfigMap { name, optional } => {
                let map = cluster.manifests.config_map(&pod.namespace, name);
                let files =
                    map.map(|map| map.data.iter().map(|(key, text)| (key, text.as_bytes())).collect());
                ("configmap", name.as_str(), *optional, files)
            }
            VolumeSource::Secret { name, optional } => {
                let secret = cluster.manifests.secret(&pod.namespace, name);
                let files = secret
                    .map(|secret| secret.data.iter().map(|(key, value)| (key, value.reveal())).collect());
                ("secret", name.as_str(), *optional, files)
            }
        };
        if files.is_none() && !optional {
            return Err(format!(
                "volume {:?}: {kind} \"{name}\" not found; hint: add it to the manifests",
                volume.name
            ));
        }
        write_files(&folder, &files.unwrap_or_default())
            .map_err(|error| format!("cannot fill the folder {}: {error}", folder.display()))?;
    }
    Ok(())
}

fn write_files(folder: &Path, files: &[(&String, &[u8])]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, content) in files {
        if !names::is_file_name(name) {
            return Err(io::Error::other(format!("the key {name:?} cannot be a file's name")));
        }
        write_private(&folder.join(name), content)?;
    }
    Ok(())
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, content)
}

/// The files that a sidecar or a broker reads.
fn provide_files(cluster: &Cluster, pod: &Pod, container: &Container) -> Result<(), String> {
    match (&pod.workload.dapr, &pod.workload.topics) {
        (Some(sidecar), _) if container.name == dapr::CONTAINER => dapr::provide_files(cluster, pod, sidecar),
        (_, Some(topics)) if container.name == kafka::CONTAINER => kafka::provide_files(pod, topics),
        _ => Ok(()),
    }
}

/// Says what to do about a program that does not start.
pub(crate) fn start_error(program: &Path, image: &str, error: &io::Error) -> String {
    let name = short_image_name(image);
    let hint = match error.kind() {
        io::ErrorKind::NotFound => format!("build it, or change images: {name}: command: in tidewatch.yaml"),
        io::ErrorKind::PermissionDenied => format!("make it executable: chmod +x {}", program.display()),
        _ => format!("check images: {name}: command: in tidewatch.yaml"),
    };
    format!("cannot start {}: {error}; hint: {hint}", program.display())
}

/// A program as given in `tidewatch.yaml`: a path relative to that file's folder, or a name to be found in `PATH`.
pub(crate) fn relative(settings_folder: &Path, program: &str) -> PathBuf {
    if program.contains('/') { settings_folder.join(program) } else { PathBuf::from(program) }
}
