//! Hashes of packages, against known ones.

use std::io::Write;

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::Style;
use crate::cli_config::{CliConfig, Environment};

/// A zip of `entries`; a name that ends in `/` is a folder's.
fn zip(folder: &TempDir, entries: &[(&str, &[u8])]) -> PathBuf {
    let path = folder.path().join("package.zip");
    let mut writer = ZipWriter::new(File::create(&path).unwrap());
    for (name, bytes) in entries {
        if name.ends_with('/') {
            writer.add_directory(*name, SimpleFileOptions::default()).unwrap();
        } else {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
    }
    writer.finish().unwrap();
    path
}

/// Worked out with `sha256sum` and `base64` by the rule of `dirhash`.
#[test]
fn a_hash_is_what_the_rule_says() {
    let folder = TempDir::new().unwrap();
    let path = zip(&folder, &[("b", b"two\n"), ("a", b"one\n")]);
    let hashes = of_zip(&path).unwrap();
    assert_eq!(hashes.h1, hashes.h1_of_zip);
    let one = "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806";
    let two = "27dd8ed44a83ff94d557f9fd0412ed5a8cbca69ea04922d88c01184a07300a5a";
    let told = Sha256::digest(format!("{one}  a\n{two}  b\n"));
    assert_eq!(hashes.h1, Hash::files(&told.into()));
}

#[test]
fn folders_in_a_zip_count_for_one_hash_only() {
    let folder = TempDir::new().unwrap();
    let files: [(&str, &[u8]); 2] = [("docs/read.me", b"text"), ("provider", b"binary")];
    let plain = of_zip(&zip(&folder, &files)).unwrap();
    let with = of_zip(&zip(&folder, &[("docs/", b""), files[0], files[1]])).unwrap();
    assert_eq!(plain.h1, with.h1);
    assert_ne!(with.h1, with.h1_of_zip);
}

#[test]
fn a_zip_and_what_it_unpacks_to_hash_alike() {
    let folder = TempDir::new().unwrap();
    let path = zip(&folder, &[("a-b", b"1"), ("a/", b""), ("a/c", b"2"), ("a/d/e", b"3"), ("z", b"")]);
    let unpacked = folder.path().join("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    unpack(&path, &unpacked).unwrap();
    assert_eq!(of_folder(&unpacked).unwrap(), of_zip(&path).unwrap().h1);
}

#[test]
fn hostile_names_are_refused() {
    let folder = TempDir::new().unwrap();
    for name in ["../evil", "a/../../evil", "/etc/passwd", "a//b", "./a", "a\\b", "c:evil", "line\nbreak", "a/./b"] {
        let refused = of_zip(&zip(&folder, &[(name, b"x")]));
        assert!(matches!(refused, Err(HashError::Hostile(_))), "{name:?}: {refused:?}");
        assert!(matches!(unpack(&folder.path().join("package.zip"), folder.path()), Err(HashError::Hostile(_))));
    }
    std::fs::write(folder.path().join("no.zip"), b"not a zip").unwrap();
    assert!(matches!(of_zip(&folder.path().join("no.zip")), Err(HashError::Damaged(_))));
}

#[test]
fn a_truncated_zip_is_damaged() {
    let folder = TempDir::new().unwrap();
    let path = zip(&folder, &[("a", &[7; 5000])]);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(of_zip(&path), Err(HashError::Damaged(_))));
}

#[test]
fn what_unpacks_to_too_much_is_cut_off() {
    let error = digest(&mut io::repeat(0).take(1000), 999).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(digest(&mut io::repeat(0).take(1000), 1000).unwrap().1, 1000);
}

#[test]
fn only_sums_are_sums() {
    let sum = Sha256Sum::of(b"");
    assert_eq!(sum.to_string().parse(), Ok(sum));
    assert_eq!(Sha256Sum::in_zh(&sum.zh()), Some(sum));
    for bad in ["", "12", &"A".repeat(64), &"g".repeat(64), &"a".repeat(65)] {
        assert!(bad.parse::<Sha256Sum>().is_err(), "{bad}");
    }
}

#[test]
fn a_zip_bomb_is_cut_off() {
    let folder = TempDir::new().unwrap();
    let path = zip(&folder, &[("bomb", &vec![0; 2 * ALWAYS_UNPACKED as usize])]);
    assert!(path.metadata().unwrap().len() < 100_000);
    assert!(matches!(of_zip(&path), Err(HashError::TooLarge(_))));
}

/// Where a real provider lies below a folder with packages.
const REAL: &str = "registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64";

/// It may be in the folders that the CLIs look into, in their plugin cache, and in one of `/opt`'s.
fn real_provider() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TOFU_STATE_AWS_PROVIDER") {
        return Some(named.into());
    }
    let mut folders = Vec::new();
    for style in [Style::Terraform, Style::Tofu] {
        if let Ok(config) = CliConfig::load(style, Environment::of_process()) {
            folders.extend(config.implied_folders());
            folders.extend(config.plugin_cache);
        }
    }
    folders.extend(std::fs::read_dir("/opt").into_iter().flatten().flatten().map(|entry| entry.path()));
    folders.into_iter().map(|folder| folder.join(REAL)).find(|folder| folder.is_dir())
}

/// The value is what the CLIs lock for it. A machine that has not got this provider (700 MB) says so.
#[test]
fn a_real_provider_hashes_to_what_its_lock_files_say() {
    match real_provider() {
        Some(folder) => {
            let hash = of_folder(&folder).unwrap();
            assert_eq!(hash.as_str(), "h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0=", "{}", folder.display());
        }
        // The harness keeps what `eprintln` says of a test that passes.
        None => writeln!(
            io::stderr(),
            "NOT CHECKED: no folder of plugins has {REAL}, and TOFU_STATE_AWS_PROVIDER names none: no real provider was hashed"
        )
        .unwrap(),
    }
}

/// The list of a zip's entries is read whole: a long one must not fill memory before it is counted.
#[test]
fn a_list_without_end_is_not_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("long.zip");
    let entries = usize::from(u16::MAX);
    let mut bytes = Vec::new();
    for number in 0..entries {
        let name = format!("{number:0>300}");
        // Signature, versions, flags, method, time, date, sum, sizes, lengths, disk, attributes, offset.
        bytes.extend([0x50, 0x4b, 1, 2, 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]);
        bytes.extend([0; 12]);
        bytes.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(name.as_bytes());
    }
    let length = u32::try_from(bytes.len()).unwrap();
    assert!(u64::from(length) > MOST_LIST);
    bytes.extend([0x50, 0x4b, 5, 6, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    bytes.extend(length.to_le_bytes());
    bytes.extend([0; 6]);
    std::fs::write(&path, bytes).unwrap();
    let refused = of_zip(&path);
    assert!(matches!(refused, Err(HashError::TooLarge(_))), "{refused:?}");
}
