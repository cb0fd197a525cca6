//! From a source's names to states' paths.

use regex::Regex;

use crate::settings::check_path;

/// How names become paths.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// What names begin with, and paths shall not.
    pub strip: String,
    /// What is put before every path.
    pub into: String,
    /// What is replaced, by what (`$1` is the first group), in this order, before all else.
    pub rename: Vec<(Regex, String)>,
}

impl Naming {
    /// The path for a name: renamed; without what is to be stripped; without `.tfstate`, and a last segment that only
    /// says that it is a state (`terraform`, `default`) where another is before it; below `into`.
    ///
    /// # Errors
    /// A sentence: no state may have that path.
    pub fn path(&self, name: &str) -> Result<String, String> {
        let path = self.moved(name);
        let path = match path.strip_suffix(".tfstate") {
            Some(file) => match file.rsplit_once('/') {
                Some((folder, "terraform" | "default")) => folder,
                _ => file,
            },
            None => &path,
        };
        self.below_into(path)
    }

    /// The path for a path that the source knows: renamed, stripped, and below `into`.
    ///
    /// # Errors
    /// A sentence: no state may have that path.
    pub fn known(&self, path: &str) -> Result<String, String> {
        self.below_into(&self.moved(path))
    }

    fn moved(&self, name: &str) -> String {
        let mut path = name.to_owned();
        for (pattern, by) in &self.rename {
            path = pattern.replace_all(&path, by.as_str()).into_owned();
        }
        let (path, strip) = (path.trim_matches('/'), self.strip.trim_matches('/'));
        match path.strip_prefix(strip) {
            Some(rest) if rest.starts_with('/') || strip.is_empty() => rest.trim_matches('/').to_owned(),
            _ => path.to_owned(),
        }
    }

    fn below_into(&self, path: &str) -> Result<String, String> {
        let into = self.into.trim_matches('/');
        let path = if into.is_empty() { path.to_owned() } else { format!("{into}/{path}") };
        check_path(&path).map_err(|why| format!("{why}; see --rename, --strip and --into"))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(strip: &str, into: &str, rename: &[(&str, &str)]) -> Naming {
        let rename = rename.iter().map(|(pattern, by)| (Regex::new(pattern).unwrap(), (*by).to_owned())).collect();
        Naming { strip: strip.to_owned(), into: into.to_owned(), rename }
    }

    #[test]
    fn names_become_paths() {
        let plain = naming("", "", &[]);
        for (name, path) in [
            ("platform/network.tfstate", "platform/network"),
            ("platform/network/terraform.tfstate", "platform/network"),
            ("platform/network/default.tfstate", "platform/network"),
            ("terraform.tfstate", "terraform"),
            ("/platform/network/", "platform/network"),
            ("network", "network"),
        ] {
            assert_eq!(plain.path(name).as_deref(), Ok(path), "{name}");
        }
        let moved = naming("states/prod", "platform", &[]);
        assert_eq!(moved.path("states/prod/network.tfstate").as_deref(), Ok("platform/network"));
        assert_eq!(moved.path("states/production/x").as_deref(), Ok("platform/states/production/x"));
        // Workspaces, as the S3 backend names them.
        let workspaces = naming("", "", &[("^env:/([^/]+)/(.+)/terraform.tfstate$", "$2/$1")]);
        assert_eq!(workspaces.path("env:/prod/network/terraform.tfstate").as_deref(), Ok("network/prod"));
        assert_eq!(workspaces.path("network/terraform.tfstate").as_deref(), Ok("network"));
        assert_eq!(moved.known("states/prod/terraform.tfstate").as_deref(), Ok("platform/terraform.tfstate"));
        for bad in ["", "a b", "a//b", "../a", "env:/prod/x", "x.lock"] {
            assert!(plain.path(bad).unwrap_err().contains("--rename"), "{bad}");
        }
    }
}
