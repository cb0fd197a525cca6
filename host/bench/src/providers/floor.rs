//! A plain file server: the least that it takes to send a file, with and without TLS. It gives one file to one
//! client, over HTTP/1.1, from a thread of its own.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Bytes encrypted at once.
const PIECE: usize = 64 << 10;

/// The longest head of a request.
const LONGEST_HEAD: usize = 16 << 10;

/// Serves `file` to whoever comes first, and says where.
pub(super) fn serve_once(file: PathBuf, tls: Option<Arc<ServerConfig>>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::Builder::new().name("file server".to_owned()).spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let file = File::open(file)?;
        let Some(config) = tls else {
            head(&mut stream, &file)?;
            // Linux moves the bytes without this program seeing them: `copy` uses sendfile(2).
            io::copy(&mut &file, &mut stream)?;
            return Ok(());
        };
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream: StreamOwned<ServerConnection, TcpStream> = StreamOwned::new(connection, stream);
        head(&mut stream, &file)?;
        io::copy(&mut BufReader::with_capacity(PIECE, file), &mut stream)?;
        stream.conn.send_close_notify();
        stream.flush()
    })?;
    Ok(address)
}

/// Reads a request's head and writes that of the answer.
fn head(stream: &mut (impl Read + Write), file: &File) -> io::Result<()> {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        if request.len() == LONGEST_HEAD || stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        request.extend(byte);
    }
    let length = file.metadata()?.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")
}
