//! A door to a database that can be shut, in all the ways that a network shuts one.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of what goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It arrives.
    None,
    /// New connections are closed at once, and so were those that were open.
    Away,
    /// Connections end in the middle of an answer.
    Reset,
    /// Nothing arrives, and nobody says so.
    Silent,
    /// It arrives this late.
    Slow(Duration),
}

/// A proxy that lives as long as the test process.
#[derive(Clone)]
pub struct Proxy {
    /// Its port on this machine.
    pub port: u16,
    state: Arc<State>,
}

struct State {
    fault: Mutex<Fault>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A door to a port of this machine.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            fault: Mutex::new(Fault::None),
            changed: Condvar::new(),
            open: Mutex::default(),
        });
        let proxy = Proxy { port: own_port, state: state.clone() };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if state.fault() == Fault::Away {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                state.open.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                for (from, to) in
                    [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
                {
                    let state = state.clone();
                    thread::spawn(move || state.carry(from, to));
                }
            }
        });
        proxy
    }

    /// From now on.
    pub fn set(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
        self.state.changed.notify_all();
        if matches!(fault, Fault::Away | Fault::Reset) {
            for connection in self.state.open.lock().unwrap().drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }
}

impl State {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            match self.fault() {
                Fault::None => {}
                Fault::Slow(late) => thread::sleep(late),
                Fault::Away => break,
                Fault::Reset => {
                    let _ = to.write_all(&buffer[..length / 2]);
                    break;
                }
                Fault::Silent => {
                    // What was swallowed never arrives: the connection is dead even when the door opens again.
                    let fault = self.fault.lock().unwrap();
                    drop(self.changed.wait_while(fault, |fault| *fault == Fault::Silent).unwrap());
                    thread::sleep(Duration::from_secs(600));
                    break;
                }
            }
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
