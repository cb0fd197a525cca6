//! `ADMIN_SOCKET`: a Unix socket that only the server's own user can connect to.
//!
//! It lies in the file system, so what an earlier server left behind is in the way of the next: a socket on which
//! nobody listens is replaced, one that is in use is not. It is removed at the end.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

/// Connections that the system keeps before they are accepted.
const BACKLOG: i32 = 16;

/// A listening socket; its file is removed when this is dropped.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file, to remove no other.
    file: (u64, u64),
}

impl Socket {
    /// Listens at `path`, makes its folder (for the server's own user only) if there is none. Must be called inside
    /// a runtime.
    ///
    /// # Errors
    /// A sentence: what is in the way.
    pub fn bind(path: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| format!("cannot listen on ADMIN_SOCKET {}: {error}", path.display());
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        clear(path)?;
        let listener = listen(path).map_err(failed)?;
        let file = identity(path).map_err(failed)?;
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), file })
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "ADMIN_SOCKET could not be removed");
        }
    }
}

/// Removes a socket on which nobody listens any more; refuses to remove anything else.
fn clear(path: &Path) -> Result<(), String> {
    let told = |what: &str| Err(format!("ADMIN_SOCKET {} {what}", path.display()));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return told(&format!("cannot be looked at: {error}")),
        Ok(found) if !found.file_type().is_socket() => {
            return told("is something else than a socket: name another path");
        }
        Ok(_) => {}
    }
    match StdStream::connect(path) {
        Ok(_) => told("is in use by a server that runs: name another path, or end that server"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => match fs::remove_file(path) {
            Ok(()) => Ok(()),
            Err(error) => told(&format!("is left over and cannot be removed: {error}")),
        },
        Err(error) => told(&format!("is there, and whether it is in use cannot be told: {error}")),
    }
}

/// The mode is set before the first connection can be made.
fn listen(path: &Path) -> io::Result<StdListener> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &address)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(StdListener::from(socket))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_leftover_is_replaced_and_what_is_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/tofu-state/admin.sock");
        let socket = Socket::bind(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let Err(refused) = Socket::bind(&path) else { panic!("two servers on one socket") };
        assert!(refused.contains("in use"), "{refused}");
        drop(socket);
        assert!(!path.exists(), "removed at the end");

        // As after kill -9: the file stays, and nobody listens.
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = Socket::bind(&path).unwrap();
        StdStream::connect(&path).unwrap();

        // Somebody else's in its place is not removed.
        fs::remove_file(&path).unwrap();
        let other = StdListener::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists());
        drop(other);
    }

    #[tokio::test]
    async fn what_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        let Err(refused) = Socket::bind(&file) else { panic!("a file was replaced") };
        assert!(refused.contains("something else"), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        let long = folder.path().join("x".repeat(200));
        assert!(Socket::bind(&long).err().unwrap().contains("ADMIN_SOCKET"), "longer than a socket's path may be");
    }
}
