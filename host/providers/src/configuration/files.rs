//! Which files of a folder are its configuration.

use std::io;
use std::path::{Path, PathBuf};

use crate::Style;

/// A folder's configuration files, each list in the order of their names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) primary: Vec<PathBuf>,
    /// Those whose blocks change blocks of the others.
    pub(super) overrides: Vec<PathBuf>,
}

impl Files {
    /// Looks into a folder.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn of(folder: &Path, style: Style) -> io::Result<Self> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && is_configuration(&name, style)
                && entry.path().is_file()
            {
                names.push(name);
            }
        }
        names.sort();
        let mut files = Self::default();
        for name in &names {
            let Some((stem, extension)) = split(name) else { continue };
            // OpenTofu takes `x.tofu` in place of `x.tf`.
            let twin = format!("{stem}{}", extension.replace(".tf", ".tofu"));
            if style == Style::Tofu && twin != *name && names.contains(&twin) {
                continue;
            }
            let list = if stem == "override" || stem.ends_with("_override") {
                &mut files.overrides
            } else {
                &mut files.primary
            };
            list.push(folder.join(name));
        }
        Ok(files)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.primary.is_empty() && self.overrides.is_empty()
    }
}

const EXTENSIONS: [&str; 4] = [".tf", ".tf.json", ".tofu", ".tofu.json"];

fn split(name: &str) -> Option<(&str, &str)> {
    EXTENSIONS.iter().find_map(|extension| Some((name.strip_suffix(extension)?, *extension)))
}

fn is_configuration(name: &str, style: Style) -> bool {
    let ignored = name.starts_with('.') || name.ends_with('~') || name.starts_with('#') && name.ends_with('#');
    match split(name) {
        Some((_, extension)) => !ignored && (style == Style::Tofu || !extension.starts_with(".tofu")),
        None => false,
    }
}
