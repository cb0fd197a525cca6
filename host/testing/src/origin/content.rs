//! The zips: tiny programs that nobody starts.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Bytes written at once.
const PIECE: usize = 1 << 20;

/// What is in the zips of a release.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) folders: bool,
    pub(super) size: u64,
    pub(super) build: u32,
    pub(super) entry: Option<String>,
    pub(super) bomb: bool,
}

/// Writes a zip, the same for the same arguments, and gives its SHA-256.
pub(super) fn write(content: &Content, kind: &str, version: &str, platform: &str, path: &Path) -> String {
    let file = BufWriter::new(File::create_new(path).expect("a new file"));
    let mut zip = ZipWriter::new(file);
    let text = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let program = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o755);
    let put = |zip: &mut ZipWriter<_>, name: &str, bytes: &[u8]| {
        zip.start_file(name, text).expect("an entry");
        zip.write_all(bytes).expect("an entry's bytes");
    };
    zip.start_file(
        format!("terraform-provider-{kind}_v{version}_x5"),
        program.large_file(content.size > u64::from(u32::MAX)),
    )
    .expect("an entry");
    let line = format!("#!/bin/sh\n# {kind} {version} {platform} build {}\nexit 1\n", content.build);
    zip.write_all(line.as_bytes()).expect("the program");
    let mut left = content.size.saturating_sub(line.len() as u64);
    let mut piece = vec![0; PIECE];
    let mut seed = u64::from(content.build) | 1;
    while left > 0 {
        for byte in &mut piece {
            // A linear congruential generator, so that nothing on the way can shrink it.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (seed >> 56) as u8;
        }
        let now = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        zip.write_all(&piece[..now]).expect("the program");
        left -= now as u64;
    }
    if content.folders {
        zip.add_directory("docs/", text).expect("a folder");
        put(&mut zip, "docs/index.md", b"# What it does\n\nNothing.\n");
    }
    put(&mut zip, "LICENSE.txt", b"None.\n");
    if let Some(name) = &content.entry {
        put(&mut zip, name, b"evil\n");
    }
    if content.bomb {
        put(&mut zip, "bomb", &vec![0; 64 << 20]);
    }
    zip.finish().expect("the zip").flush().expect("the zip");
    sha256(path)
}

fn sha256(path: &Path) -> String {
    let mut file = BufReader::new(File::open(path).expect("the zip"));
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece).expect("the zip's bytes") {
            0 => return hex::encode(hasher.finalize()),
            read => hasher.update(&piece[..read]),
        }
    }
}
