//! The file of a Unix socket: made for its user and group alone, taken over from a server that is gone, removed at the end.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::options::BACKLOG;

/// Who may connect: the server's user, and its group, which a proxy is put into.
const MODE: u32 = 0o660;

/// The socket's file, removed when it is dropped, unless another took its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Device, inode and the time of its birth where the file system has it, since an inode is soon used again. Not that of
/// its last change: to be given to a proxy's group is one.
type Identity = (u64, u64, Option<SystemTime>);

impl SocketFile {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // What stays behind is taken over by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on a Unix socket at `path`.
///
/// # Errors
/// A server that lives has it, something else is in the way, or this user may not make it.
pub fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let address = SockAddr::unix(path)?;
    remove_stale(path, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address)?;
    // Nobody can connect before it listens, so that the mode is right from the start.
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    let file = SocketFile { path: path.to_owned(), identity: identity(path)? };
    socket.listen(BACKLOG)?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Removes a socket on which nobody listens any more, as a kill or a power cut leaves it.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    let found = match path.symlink_metadata() {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file in its place that is no socket"));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A server that lives, but is busy, must not hold this one up.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(fault) if fault.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(fault) if fault.kind() != io::ErrorKind::WouldBlock => Err(fault),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "a server that lives has it")),
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    path.symlink_metadata().map(|found| (found.dev(), found.ino(), found.created().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let first = bind(&path).unwrap();
        assert_eq!(mode(&path), MODE);
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // Its process is killed: the socket is closed, its file stays.
        let (listener, file) = first;
        drop(listener);
        let mut second = bind(&path).unwrap();
        // Until the file system's clock has ticked.
        while second.1.identity == file.identity {
            drop(second);
            second = bind(&path).unwrap();
        }
        drop(file);
        assert!(path.exists(), "what is another's is not removed");
        drop(second);
        assert!(!path.exists());

        // A group that is given to it, as a proxy's, makes it no other.
        let (_listener, file) = bind(&path).unwrap();
        let change = || path.metadata().map(|found| (found.ctime(), found.ctime_nsec())).unwrap();
        let made = change();
        while change() == made {
            fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        }
        drop(file);
        assert!(!path.exists());

        std::fs::write(&path, "mine").unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        let nowhere = dir.path().join("nowhere/socket");
        assert_eq!(bind(&nowhere).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
