//! `tidewatch.yaml`: which manifests to run, and what to run for an image.
//!
//! Input: the file's text. Output: [`Settings`] with paths still relative to the file and placeholders unreplaced:
//! `{bin}` the folder of the tidewatch executable, `{data}` the data directory, `{dir}` the folder of the file,
//! `{pod}`, `{pod_ip}`, `{volumes}` the pod's folder of volumes. It holds nothing a cluster would need.
//!
//! ```yaml
//! manifests: [kubernetes/app.yaml, kubernetes/monitoring]
//! images:
//!   shop:                                   # with or without registry and tag
//!     command: ["{bin}/shop", "--verbose"]
//!     env: { DATABASE_URL: "sqlite://{data}/shop.db" }
//!     workdir: "{dir}/shop"
//!     exec: { "cat /tmp/healthy": ["test", "-f", "{volumes}/tmp/healthy"] }
//! expose: { shop: 8000 }                    # Service (or namespace/Service, Service:port) → port on 127.0.0.1
//! ```

use crate::fields::{Fields, Report};
use crate::{ManifestError, node};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What `tidewatch.yaml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Files and folders with manifests, relative to the file.
    pub manifests: Vec<String>,
    /// What to run for an image, by the image's name with or without registry and tag.
    pub images: BTreeMap<String, ImageCommand>,
    /// The port on 127.0.0.1 for a Service (`name`, `namespace/name`, each with or without `:port`); 0 takes any.
    pub expose: BTreeMap<String, u16>,
    /// Unknown fields and the like.
    pub warnings: Vec<ManifestError>,
}

/// What is run instead of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageCommand {
    /// Program and arguments; the container's own `args` are appended.
    pub command: Vec<String>,
    /// Variables that replace those of the manifest.
    pub env: BTreeMap<String, String>,
    /// The working directory; a folder of the pod by default.
    pub workdir: Option<String>,
    /// What to run for the commands of exec probes and hooks, which exist in the image only: the manifest's command,
    /// joined by spaces, to program and arguments here.
    pub exec: BTreeMap<String, Vec<String>>,
}

impl Settings {
    /// Reads the file's text.
    ///
    /// # Errors
    /// All mistakes: wrong types and values, missing fields.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<ManifestError>> {
        let report = RefCell::new(Report { file: file.to_owned(), ..Report::default() });
        let mut settings = Self::default();
        for (index, parsed) in node::documents(file, text) {
            match parsed {
                Ok(node) if index == 0 => {
                    if let Some(fields) = Fields::open(&node, "", &report) {
                        settings.read(&fields);
                        fields.finish();
                    }
                }
                Ok(node) => report.borrow_mut().errors.push(
                    ManifestError::new(file, "a second document").at(node.line, 1).hint("keep one document"),
                ),
                Err(error) => report.borrow_mut().errors.push(error),
            }
        }
        let report = report.into_inner();
        settings.warnings = report.warnings;
        if report.errors.is_empty() { Ok(settings) } else { Err(report.errors) }
    }

    fn read(&mut self, fields: &Fields<'_>) {
        self.manifests = fields.text_list("manifests");
        for (name, image) in fields.sections("images") {
            let command = ImageCommand {
                command: image.text_list("command"),
                env: image.texts("env"),
                workdir: image.text("workdir"),
                exec: image.text_lists("exec"),
            };
            if command.command.is_empty() {
                image.wrong("command", "no program is given", "write e.g. command: [\"{bin}/my-app\"]");
            }
            image.finish();
            self.images.insert(name, command);
        }
        self.expose = fields.numbers("expose", 0, 65_535);
    }

    /// What to run for an image: the entry with the longest name that is the whole image, the image without tag or
    /// digest, or its last path components without them.
    pub fn image(&self, image: &str) -> Option<&ImageCommand> {
        let untagged = untagged(image);
        let fits = |name: &str| {
            name == image
                || name == untagged
                || image.strip_suffix(name).is_some_and(|front| front.ends_with('/'))
                || untagged.strip_suffix(name).is_some_and(|front| front.ends_with('/'))
        };
        self.images
            .iter()
            .filter(|(name, _)| fits(name))
            .max_by_key(|(name, _)| name.len())
            .map(|(_, command)| command)
    }
}

/// An image without `@digest` and `:tag`.
pub(crate) fn untagged(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// An image's name without registry, tag and digest, as it would be written in `tidewatch.yaml`.
pub fn short_image_name(image: &str) -> &str {
    let name = untagged(image);
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_image() {
        let text =
            "images:\n  shop: {command: [a]}\n  team/shop: {command: [b]}\n  'shop:2': {command: [c]}\n";
        let settings = Settings::parse("tidewatch.yaml", text).unwrap();
        let check = |image: &str, expected: Option<&str>| {
            let found = settings.image(image).map(|command| command.command[0].as_str());
            assert_eq!(found, expected, "{image}");
        };
        check("shop", Some("a"));
        check("shop:1", Some("a"));
        check("shop:2", Some("c"));
        check("registry.example:5000/x/shop:1", Some("a"));
        check("registry.example:5000/team/shop@sha256:abc", Some("b"));
        check("workshop:1", None);
        check("shop/other", None);
    }

    #[test]
    fn says_what_is_wrong_where() {
        let text =
            "manifests: app.yaml\nimages:\n  shop:\n    env: {A: 1}\nexpose: {shop: 70000}\nextra: 1\n";
        let errors = Settings::parse("tidewatch.yaml", text).unwrap_err();
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 4, "{shown:#?}");
        assert!(shown[0].starts_with("tidewatch.yaml:1:12: manifests: must be a list"), "{shown:#?}");
        assert!(
            shown[1].contains(
                "images['shop'].env['A']: must be text, is number 1\n  hint: put the value in quotes"
            )
        );
        assert!(shown[2].contains("images['shop'].command: no program is given"));
        assert!(shown[3].contains("expose['shop']: must be from 0 to 65535, is 70000"));
    }
}
