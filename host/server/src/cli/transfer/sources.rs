//! Which source an import reads: a subcommand for each, and the environment for what is secret.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use secrecy::SecretString;
use tofu_state_client::Error;
use tofu_state_client::settings::{self, Credentials, Flags, Settings, Tls};
use tofu_state_client::transfer::source::Source;
use tofu_state_client::transfer::source::consul::{self, Consul};
use tofu_state_client::transfer::source::folder::Folder;
use tofu_state_client::transfer::source::gitlab::GitLab;
use tofu_state_client::transfer::source::kv::{self, Kv};
use tofu_state_client::transfer::source::named::Named;
use tofu_state_client::transfer::source::s3::{self, S3};
use tofu_state_client::transfer::source::server::Server;

/// The user's name at a source.
const USERNAME: &str = "SOURCE_USERNAME";
/// The password or token at a source.
const PASSWORD: &str = "SOURCE_PASSWORD";
/// Where Consul's own programs look for it.
const CONSUL: &str = "127.0.0.1:8500";

/// A source.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct From {
    kind: Kind,
    ca_file: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Folder(PathBuf),
    Tar(PathBuf),
    Http { address: String, names: Vec<String>, names_file: Option<PathBuf> },
    GitLab { url: String, project: String },
    S3 { endpoint: Option<String>, region: Option<String>, bucket: String, prefix: String, path_style: bool },
    Kv { address: Option<String>, namespace: Option<String>, mount: String, prefix: String, field: Option<String> },
    Consul { address: Option<String>, datacenter: Option<String>, prefix: String },
    Server { url: String, prefix: String },
}

/// The subcommands.
pub(super) fn commands() -> Vec<Command> {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let file = |what: &'static str| {
        Arg::new("from").value_name("FROM").required(true).value_parser(value_parser!(PathBuf)).help(what)
    };
    let authority = || {
        option("source-ca-file", "FILE", "Certificates (PEM) of the authority that signed the source's.")
            .value_parser(value_parser!(PathBuf))
    };
    let prefix = |help| option("prefix", "PREFIX", help).default_value("").hide_default_value(true);
    vec![
        Command::new("folder")
            .about("A folder with .tfstate files, at any depth, or an export")
            .arg(file("The folder.")),
        Command::new("tar").about("An archive of such a folder").arg(file("The archive.")),
        Command::new("http")
            .about("Another http backend. SOURCE_USERNAME and SOURCE_PASSWORD hold its credentials")
            .arg(option("address", "URL", "A state's address, with {name} where the name belongs.").required(true))
            .arg(option("name", "NAME", "A state's name. May be given several times.").action(ArgAction::Append))
            .arg(option("names-file", "FILE", "A file with a name on each line.").value_parser(value_parser!(PathBuf)))
            .arg(authority()),
        Command::new("gitlab")
            .about("GitLab's states of one project. SOURCE_PASSWORD holds a token of scope api")
            .arg(option("url", "URL", "Where GitLab is.").default_value("https://gitlab.com"))
            .arg(option("project", "PATH", "The project's full path.").required(true))
            .arg(authority()),
        Command::new("s3")
            .about(
                "Storage that speaks S3. The usual AWS_… variables hold the keys; without them it is read as anybody",
            )
            .arg(option("bucket", "NAME", "The bucket.").required(true))
            .arg(prefix("What keys begin with."))
            .arg(option("region", "NAME", "The region. [env: AWS_REGION] [default: us-east-1]"))
            .arg(option("endpoint", "URL", "The server. [env: AWS_ENDPOINT_URL] [default: AWS's in the region]"))
            .arg(
                Arg::new("path-style")
                    .long("path-style")
                    .action(ArgAction::SetTrue)
                    .help("The bucket stands in the path, as MinIO and others have it."),
            )
            .arg(authority()),
        Command::new("kv")
            .about("KV version 2 of OpenBao or Vault, laid out by somebody else. BAO_TOKEN or VAULT_TOKEN is the token")
            .arg(option("address", "URL", "The server. [env: BAO_ADDR or VAULT_ADDR]"))
            .arg(option("namespace", "NAME", "The namespace. [env: BAO_NAMESPACE or VAULT_NAMESPACE]"))
            .arg(option("mount", "PATH", "The mount.").default_value("secret"))
            .arg(prefix("The folder in the mount."))
            .arg(option("field", "NAME", "The field with the state. [default: the only one there is]"))
            .arg(authority()),
        Command::new("consul")
            .about("Consul's KV, as the CLIs' consul backend lays states out. CONSUL_HTTP_TOKEN is the token")
            .arg(option(
                "address",
                "ADDRESS",
                "Consul. [env: CONSUL_HTTP_ADDR, CONSUL_HTTP_SSL] [default: http://127.0.0.1:8500]",
            ))
            .arg(option("datacenter", "NAME", "The datacenter. [default: the agent's own]"))
            .arg(prefix("What keys begin with: the backend's `path`, or its beginning."))
            .arg(authority()),
        Command::new("server")
            .about("Another tofu-state server. SOURCE_PASSWORD holds its token")
            .arg(option("url", "URL", "Its address.").required(true))
            .arg(prefix("Only states below this path."))
            .arg(authority()),
    ]
}

pub(super) fn interpret(name: &str, matches: &ArgMatches) -> Option<From> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let file = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let kind = match name {
        "folder" => Kind::Folder(file("from")?),
        "tar" => Kind::Tar(file("from")?),
        "http" => Kind::Http {
            address: text("address")?,
            names: matches.get_many::<String>("name").into_iter().flatten().cloned().collect(),
            names_file: file("names-file"),
        },
        "gitlab" => Kind::GitLab { url: text("url")?, project: text("project")? },
        "s3" => Kind::S3 {
            endpoint: text("endpoint"),
            region: text("region"),
            bucket: text("bucket")?,
            prefix: text("prefix")?,
            path_style: matches.get_flag("path-style"),
        },
        "kv" => Kind::Kv {
            address: text("address"),
            namespace: text("namespace"),
            mount: text("mount")?,
            prefix: text("prefix")?,
            field: text("field"),
        },
        "consul" => Kind::Consul { address: text("address"), datacenter: text("datacenter"), prefix: text("prefix")? },
        "server" => Kind::Server { url: text("url")?, prefix: text("prefix")? },
        _ => return None,
    };
    let has_authority = !matches!(name, "folder" | "tar");
    Some(From { kind, ca_file: if has_authority { file("source-ca-file") } else { None } })
}

/// Opens a source; `variable` looks in the environment.
pub(super) fn open(from: &From, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Box<dyn Source>, Error> {
    let text = |name: &str| variable(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty());
    let read = |file: &PathBuf| {
        std::fs::read_to_string(file).map_err(|error| Error::other(format!("{}: {error}", file.display())))
    };
    let missing = |what: &str| Error::other(format!("{what} is not set: the source wants it"));
    let tls = Tls { ca: from.ca_file.as_ref().map(read).transpose()?, identity: None };
    let credentials = || Credentials {
        username: text(USERNAME).unwrap_or_default(),
        password: text(PASSWORD).map(SecretString::from),
    };
    Ok(match &from.kind {
        Kind::Folder(folder) => Box::new(Folder::open(folder)?),
        Kind::Tar(archive) => Box::new(Folder::unpack(archive)?),
        Kind::Http { address, names, names_file } => {
            let listed = names_file.as_ref().map(read).transpose()?.unwrap_or_default();
            let lines = listed.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
            let names: Vec<_> = names.iter().cloned().chain(lines).collect();
            if names.is_empty() {
                return Err(Error::other("which states? The protocol has no list: give --name or --names-file"));
            }
            Box::new(Named::new(address, names, credentials(), &tls)?)
        }
        Kind::GitLab { url, project } => {
            let token = text(PASSWORD).ok_or_else(|| missing(PASSWORD))?;
            let user = text(USERNAME).unwrap_or_else(|| "tofu-state".to_owned());
            Box::new(GitLab::new(settings::url("--url", url)?, project, &user, &SecretString::from(token), &tls)?)
        }
        Kind::S3 { endpoint, region, bucket, prefix, path_style } => {
            let endpoint = endpoint.clone().or_else(|| text("AWS_ENDPOINT_URL"));
            let region = region.clone().or_else(|| text("AWS_REGION")).or_else(|| text("AWS_DEFAULT_REGION"));
            let place = s3::Place {
                endpoint: endpoint.map(|endpoint| settings::url("--endpoint", &endpoint)).transpose()?,
                region: region.unwrap_or_else(|| "us-east-1".to_owned()),
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                path_style: *path_style,
            };
            let keys = match (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY")) {
                (Some(id), Some(secret)) => Some(s3::Keys { id, secret, token: text("AWS_SESSION_TOKEN") }),
                (None, None) => None,
                (None, Some(_)) => return Err(missing("AWS_ACCESS_KEY_ID")),
                (Some(_), None) => return Err(missing("AWS_SECRET_ACCESS_KEY")),
            };
            Box::new(S3::new(place, keys, &tls)?)
        }
        Kind::Kv { address, namespace, mount, prefix, field } => {
            let either = |one: &str, other: &str| text(one).or_else(|| text(other));
            let address = address.clone().or_else(|| either("BAO_ADDR", "VAULT_ADDR"));
            let address = address.ok_or_else(|| Error::other("which server? Give --address, or BAO_ADDR"))?;
            let token = either("BAO_TOKEN", "VAULT_TOKEN").ok_or_else(|| missing("BAO_TOKEN"))?;
            let place = kv::Place {
                address: settings::url("--address", &address)?,
                namespace: namespace.clone().or_else(|| either("BAO_NAMESPACE", "VAULT_NAMESPACE")),
                mount: mount.clone(),
                prefix: prefix.clone(),
                field: field.clone(),
            };
            Box::new(Kv::new(place, &SecretString::from(token), &tls)?)
        }
        Kind::Consul { address, datacenter, prefix } => {
            let address = address.clone().or_else(|| text("CONSUL_HTTP_ADDR"));
            let address = consul_address(address.as_deref().unwrap_or(CONSUL), text("CONSUL_HTTP_SSL").as_deref());
            let place = consul::Place {
                address: settings::url("--address", &address)?,
                datacenter: datacenter.clone(),
                prefix: prefix.clone(),
            };
            let user = text("CONSUL_HTTP_AUTH");
            let user = user.as_deref().and_then(|user| user.split_once(':'));
            let credentials = user.map_or_else(Credentials::default, |(name, password)| Credentials {
                username: name.to_owned(),
                password: Some(SecretString::from(password)),
            });
            let token = text("CONSUL_HTTP_TOKEN").map(SecretString::from);
            Box::new(Consul::new(place, token.as_ref(), credentials, &tls)?)
        }
        Kind::Server { url, prefix } => {
            let flags = Flags { server: Some(url.clone()), ca_file: from.ca_file.clone(), ..Flags::default() };
            let variable = |name: &str| match name {
                settings::USERNAME => variable(USERNAME),
                settings::PASSWORD => variable(PASSWORD),
                _ => None,
            };
            Box::new(Server::new(Settings::read(&flags, &variable)?, prefix)?)
        }
    })
}

/// Consul's address as its own programs take it: without a scheme `ssl` decides.
fn consul_address(address: &str, ssl: Option<&str>) -> String {
    if address.contains("://") {
        return address.to_owned();
    }
    let tls = ssl.is_some_and(|ssl| ["1", "t", "true"].contains(&&*ssl.to_ascii_lowercase()));
    format!("{}://{address}", if tls { "https" } else { "http" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consul_is_found_as_its_own_programs_find_it() {
        for (address, ssl, url) in [
            ("127.0.0.1:8500", None, "http://127.0.0.1:8500"),
            ("localhost:8501", Some("true"), "https://localhost:8501"),
            ("localhost:8501", Some("0"), "http://localhost:8501"),
            ("https://consul.example.com", Some("false"), "https://consul.example.com"),
        ] {
            assert_eq!(consul_address(address, ssl), url);
        }
    }
}
