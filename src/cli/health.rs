//! `explaind health`: asks a running server whether it is ready, for containers without curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::CommandError;

/// For connecting, for sending and for the answer, each.
const PATIENCE: Duration = Duration::from_secs(3);

/// Enough of the first line of an answer to know its status.
const STATUS: usize = "HTTP/1.1 200".len();

pub fn health(listen: SocketAddr) -> Result<(), CommandError> {
    if listen.port() == 0 {
        return Err(CommandError::usage(
            "listen: port 0 is any port; name the one that the server listens on",
        ));
    }
    let address = reachable(listen);
    let status = ask(address)
        .map_err(|error| CommandError::failure(format!("no answer from http://{address}/readyz: {error}")))?;
    if status.starts_with(b"HTTP/1.") && status.ends_with(b" 200") {
        return Ok(());
    }
    let status = String::from_utf8_lossy(&status);
    Err(CommandError::failure(format!("http://{address}/readyz is not ready: it answered {status}")))
}

/// A server that listens on every address is asked on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let host = match listen.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, listen.port())
}

fn ask(address: SocketAddr) -> io::Result<[u8; STATUS]> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_write_timeout(Some(PATIENCE))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut status = [0; STATUS];
    connection.read_exact(&mut status)?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Serves one answer and returns the address and what was asked.
    fn answering(answer: &'static str) -> (SocketAddr, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = vec![0; 1024];
            let length = connection.read(&mut request).unwrap();
            connection.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        (address, server)
    }

    #[test]
    fn a_server_that_answers_200_is_healthy() {
        let (address, server) = answering("HTTP/1.1 200 OK\r\n\r\n");
        assert!(health(address).is_ok());
        assert!(server.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
    }

    #[test]
    fn another_answer_none_and_something_else_than_http_are_failures() {
        for (answer, named) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "503"),
            ("", "no answer"),
            ("SSH-2.0-OpenSSH 200", "SSH"),
        ] {
            let (address, server) = answering(answer);
            let error = health(address).unwrap_err();
            assert_eq!(error.code, 1);
            assert!(error.message.contains(named), "{answer}: {}", error.message);
            server.join().unwrap();
        }
    }

    #[test]
    fn a_closed_port_is_a_failure() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(health(closed).unwrap_err().code, 1);
    }

    #[test]
    fn a_server_on_every_address_is_asked_on_the_loopback_one() {
        for (listen, asked) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.1.2.3:80", "10.1.2.3:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
        assert_eq!(health("127.0.0.1:0".parse().unwrap()).unwrap_err().code, 2);
    }
}
