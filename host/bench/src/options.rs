//! The command line, and what follows from it: which layers are measured, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, value_parser};

/// What the program is to do.
pub(crate) enum Command {
    /// Measure.
    Measure(Plan),
    /// Be the server on a store in memory that the embedded one is compared with, see `server/memory.rs`.
    ServeFromMemory,
}

/// A layer that is measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Engine,
    Dispatch,
    Drivers,
    Server,
    Sandbox,
    Providers,
}

impl Layer {
    const ALL: [Self; 6] = [Self::Engine, Self::Dispatch, Self::Drivers, Self::Server, Self::Sandbox, Self::Providers];

    /// Its letter and its name.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Engine => ["a", "engine"],
            Self::Dispatch => ["b", "dispatch"],
            Self::Drivers => ["c", "drivers"],
            Self::Server => ["d", "server"],
            Self::Sandbox => ["e", "sandbox"],
            Self::Providers => ["f", "providers"],
        }
    }

    /// By its letter or its name.
    fn parse(text: &str) -> Result<Self, String> {
        let mistake = || format!("write one of {}", Self::ALL.map(|layer| layer.names().join(" or ")).join(", "));
        Self::ALL.into_iter().find(|layer| layer.names().contains(&text)).ok_or_else(mistake)
    }
}

/// What to measure, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The layers, in their order.
    pub(crate) layers: Vec<Layer>,
    /// A minute or so instead of several.
    pub(crate) quick: bool,
    /// The `tofu-state` binary.
    pub(crate) server: PathBuf,
    /// Where the results go.
    pub(crate) results: PathBuf,
    /// The only cell of layer (d) that is measured, and how many turns each side has in it.
    pub(crate) cell: Option<(Cell, usize)>,
}

/// One cell of the matrix of stores, sizes and clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// `embedded` or `openbao`.
    pub(crate) store: String,
    /// As the table says it, without the space: `20KB`.
    pub(crate) size: String,
    pub(crate) clients: usize,
}

impl Cell {
    /// Reads `STORE/SIZE/CLIENTS`.
    fn parse(text: &str) -> Result<Self, String> {
        let mistake = || "write STORE/SIZE/CLIENTS, such as openbao/20KB/8".to_owned();
        let [store, size, clients] = text.split('/').collect::<Vec<_>>().try_into().map_err(|_| mistake())?;
        let clients = clients.parse().map_err(|_| mistake())?;
        Ok(Self { store: store.to_owned(), size: size.to_owned(), clients })
    }
}

impl Plan {
    /// Whether all layers are measured; only then are results written.
    pub(crate) fn is_whole(&self) -> bool {
        self.layers == Layer::ALL
    }

    /// How often each side of a comparison has its turn.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }

    /// How long one turn of a small thing is.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_millis(if self.quick { 60 } else { 150 })
    }

    /// How often each side has its turn with a server.
    pub(crate) fn server_rounds(&self) -> usize {
        self.cell.as_ref().map_or(if self.quick { 1 } else { 3 }, |(_, turns)| *turns)
    }

    /// How long one turn of clients of a server is.
    pub(crate) fn server_turn(&self) -> Duration {
        Duration::from_millis(if self.quick { 700 } else { 1000 })
    }
}

/// Reads the command line. On a mistake in it and on `--help` it prints and ends the process.
pub(crate) fn parse() -> Command {
    let matches = command().get_matches();
    if matches.get_flag("serve-from-memory") {
        return Command::ServeFromMemory;
    }
    let cell = matches.get_one::<Cell>("cell").cloned();
    let layers = match matches.get_one::<Layer>("layer") {
        Some(layer) => vec![*layer],
        None if cell.is_some() => vec![Layer::Server],
        None => Layer::ALL.to_vec(),
    };
    let given = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let turns = matches.get_one::<usize>("turns").copied().unwrap_or(5);
    Command::Measure(Plan {
        layers,
        quick: matches.get_flag("quick"),
        server: given("server").unwrap_or_else(beside_this_program),
        results: given("results").unwrap_or_else(|| PathBuf::from("bench/results")),
        cell: cell.map(|cell| (cell, turns)),
    })
}

fn command() -> clap::Command {
    let path = |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(PathBuf));
    clap::Command::new("tofu-state-bench")
        .about("Measures tofu-state layer by layer, each against its floor in the same run")
        .arg(Arg::new("layer").long("layer").value_name("LAYER").value_parser(Layer::parse).help(format!(
            "Measure one layer only: {}. Writes no results",
            Layer::ALL.map(|layer| layer.names().join(" ")).join(", ")
        )))
        .arg(
            Arg::new("quick")
                .long("quick")
                .action(ArgAction::SetTrue)
                .help("Fewer and shorter rounds, and fewer cells"),
        )
        .arg(
            Arg::new("cell")
                .long("cell")
                .value_name("STORE/SIZE/CLIENTS")
                .value_parser(Cell::parse)
                .conflicts_with_all(["layer", "quick"])
                .help("Measure one cell of layer d only, such as openbao/20KB/8. Writes no results"),
        )
        .arg(
            Arg::new("turns")
                .long("turns")
                .value_name("COUNT")
                .value_parser(value_parser!(usize))
                .requires("cell")
                .help("How many turns of a second each side has in it [default: 5]"),
        )
        .arg(path("server").value_name("FILE").help("The server to measure [default: tofu-state beside this program]"))
        .arg(path("results").value_name("FOLDER").help("Where the results go [default: bench/results]"))
        .arg(Arg::new("serve-from-memory").long("serve-from-memory").action(ArgAction::SetTrue).hide(true))
}

/// Both are built into the same folder.
fn beside_this_program() -> PathBuf {
    std::env::current_exe().map(|program| program.with_file_name("tofu-state")).unwrap_or_else(|_| "tofu-state".into())
}

#[cfg(test)]
mod tests {
    use super::{Cell, Layer};

    #[test]
    fn cells() {
        let cell = Cell { store: "openbao".to_owned(), size: "20KB".to_owned(), clients: 8 };
        assert_eq!(Cell::parse("openbao/20KB/8"), Ok(cell));
        assert!(
            ["", "openbao", "openbao/20KB", "openbao/20KB/many", "a/b/1/2"].iter().all(|t| Cell::parse(t).is_err())
        );
    }

    #[test]
    fn layers() {
        assert_eq!((Layer::parse("f"), Layer::parse("engine")), (Ok(Layer::Providers), Ok(Layer::Engine)));
        assert!(["", "g", "ab", "Engine"].iter().all(|text| Layer::parse(text).is_err()));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        super::command().debug_assert();
    }
}
