//! The way out of a cage for those hosts that the contract names: a proxy for HTTP, outside of the cage's network.
//!
//! The cage's first process listens on the cage's own loopback interface and hands that socket out before the command starts; whoever
//! connects to it within is answered here. So nothing of the host is to be seen within, and no process within stands between.
//! A name is resolved here, once, and connected to is one of the addresses that were looked at.

mod address;
mod allowlist;
mod log;
mod relay;
mod request;

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use camino::Utf8Path;

use allowlist::{Allowlist, Denial};
use log::Log;
pub(crate) use log::{Decision, Entry, LONGEST as LONGEST_LOG};
use request::{Request, Want};

use super::clock;
use crate::base::{AllowedHost, Host};

/// Where it is to be found within a cage: always the same, so that what depends on the variables isn't built anew for each run.
pub(crate) const PORT: u16 = 30128;

/// Connections at once; others wait until one ends.
const MOST: usize = 64;

/// How long a client may take to say what it wants, and how long a host to be reached.
const PATIENCE: Duration = Duration::from_secs(10);

/// At so many of its addresses a host is looked for.
const MOST_ADDRESSES: usize = 4;

/// After the system couldn't give a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Of a thread that serves a connection, in bytes.
const STACK: usize = 256 << 10;

/// What all connections share.
struct Proxy {
    allowlist: Allowlist,
    log: Log,
    slots: Slots,
}

/// Serves whoever connects, as long as this process lives.
///
/// # Errors
/// There is no thread to be had.
pub(crate) fn serve(listener: TcpListener, allowed: &[AllowedHost], log: &Utf8Path) -> io::Result<()> {
    let slots = Slots { free: Mutex::new(MOST), freed: Condvar::new() };
    let proxy = Arc::new(Proxy { allowlist: Allowlist::new(allowed), log: Log::at(log), slots });
    let accept = move || loop {
        proxy.slots.take();
        let taken = Slot(Arc::clone(&proxy));
        match listener.accept() {
            Ok((client, _)) => {
                // Without a thread the connection is closed, and its slot is free again.
                let _ = std::thread::Builder::new().stack_size(STACK).spawn(move || {
                    // A client or a host that breaks off is nobody else's business.
                    let _ = answer(&client, &taken.0);
                });
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    };
    std::thread::Builder::new().stack_size(STACK).spawn(accept)?;
    Ok(())
}

/// How many connections there may still be.
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    fn take(&self) {
        let Ok(free) = self.free.lock() else { return };
        if let Ok(mut free) = self.freed.wait_while(free, |free| *free == 0) {
            *free -= 1;
        }
    }
}

/// One of them, until it is dropped.
struct Slot(Arc<Proxy>);

impl Drop for Slot {
    fn drop(&mut self) {
        if let Ok(mut free) = self.0.slots.free.lock() {
            *free += 1;
            self.0.slots.freed.notify_one();
        }
    }
}

fn answer(client: &TcpStream, proxy: &Proxy) -> io::Result<()> {
    client.set_write_timeout(Some(PATIENCE))?;
    let bytes = head(client)?;
    let (head, early) = bytes.split_at(request::end_of_head(&bytes).unwrap_or(bytes.len()));
    let request = match request::read(head) {
        Ok(request) => request,
        Err(bad) => {
            let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default());
            let (method, rest) = line.split_once(' ').unwrap_or(("", &line));
            proxy.log.add(Decision::Deny, (method, rest), None, Some(bad.to_string()));
            return refuse(client, "400 Bad Request", &bad.to_string());
        }
    };
    let place = format!("{}:{}", request.host, request.port);
    let asked = (request.method.as_str(), place.as_str());
    let found = proxy.allowlist.admits(&request.host, request.port).map(|()| resolve(&request.host, request.port));
    let found = found.and_then(|found| proxy.allowlist.reachable(&found, request.port));
    match found {
        Err(denial) => {
            let address = match denial {
                Denial::Host => None,
                Denial::Address(address) => Some(SocketAddr::new(address, request.port).to_string()),
            };
            proxy.log.add(Decision::Deny, asked, address, Some(denial.to_string()));
            refuse(client, "403 Forbidden", &format!("{place}: {denial}"))
        }
        Ok(addresses) => match connect(&addresses, request.port) {
            Ok(host) => {
                let address = host.peer_addr().map(|address| address.to_string()).ok();
                proxy.log.add(Decision::Allow, asked, address, None);
                pass(client, &host, request, early)
            }
            Err(error) => {
                proxy.log.add(Decision::Allow, asked, None, Some(error.to_string()));
                refuse(client, "502 Bad Gateway", &format!("{place}: {error}"))
            }
        },
    }
}

/// What comes up to the end of the head, and after it what came with it.
fn head(mut client: &TcpStream) -> io::Result<Vec<u8>> {
    let deadline = clock::now() + PATIENCE;
    let mut bytes = Vec::new();
    while request::end_of_head(&bytes).is_none() && bytes.len() < request::LONGEST_HEAD {
        let left = deadline.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        client.set_read_timeout(Some(left))?;
        let mut buffer = [0; 2048];
        match client.read(&mut buffer)? {
            0 => break,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(bytes)
}

/// All addresses of a host, as the system finds them; none where there is no such name.
fn resolve(host: &Host, port: u16) -> Vec<IpAddr> {
    match host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => {
            let found = (name.as_str(), port).to_socket_addrs();
            found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
        }
    }
}

fn connect(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::other("it has no address");
    for address in addresses.iter().take(MOST_ADDRESSES) {
        match TcpStream::connect_timeout(&SocketAddr::new(*address, port), PATIENCE) {
            Ok(host) => return Ok(host),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn pass(mut client: &TcpStream, mut host: &TcpStream, request: Request, early: &[u8]) -> io::Result<()> {
    match request.want {
        Want::Tunnel => {
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            relay::run(client, host, early.to_vec(), false)
        }
        // What stands after the head would be a request of its own, and isn't heard.
        Want::Fetch(asked) => {
            host.set_write_timeout(Some(PATIENCE))?;
            host.write_all(asked.as_bytes())?;
            relay::run(client, host, Vec::new(), true)
        }
    }
}

fn refuse(mut client: &TcpStream, status: &str, why: &str) -> io::Result<()> {
    let body = format!("cargo-harness: {why}\n");
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    client.write_all(format!("{head}{body}").as_bytes())
}
