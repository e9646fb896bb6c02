//! Bytes between a client and a host, both ways, until both have ended or nothing has moved for long.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// After so long without a byte either way the connection is given up.
const IDLE: Duration = Duration::from_secs(120);

/// How much of one direction is held at a time.
const CHUNK: usize = 32 << 10;

/// One direction.
struct Flow {
    held: Vec<u8>,
    sent: usize,
    /// Nothing more comes.
    ended: bool,
    /// That has been passed on.
    shut: bool,
}

impl Flow {
    fn new(held: Vec<u8>) -> Flow {
        Flow { held, sent: 0, ended: false, shut: false }
    }

    fn is_empty(&self) -> bool {
        self.sent == self.held.len()
    }

    fn wants_input(&self) -> bool {
        !self.ended && self.is_empty()
    }

    fn fill(&mut self, mut from: &TcpStream) -> io::Result<()> {
        self.held.resize(CHUNK, 0);
        self.sent = 0;
        let read = from.read(&mut self.held);
        self.held.truncate(*read.as_ref().unwrap_or(&0));
        match read {
            Ok(length) => self.ended = length == 0,
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn drain(&mut self, mut to: &TcpStream) -> io::Result<()> {
        match to.write(&self.held[self.sent..]) {
            Ok(length) => self.sent += length,
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Passes the end on, when all that came before it has been.
    fn shut(&mut self, to: &TcpStream) {
        if self.ended && self.is_empty() && !self.shut {
            self.shut = true;
            // Whoever is gone already needs no telling.
            let _ = to.shutdown(Shutdown::Write);
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Relays; `early` is what the client has sent already. With `answer_only` the client is not heard any more.
///
/// # Errors
/// One of the two has broken off.
pub(super) fn run(client: &TcpStream, host: &TcpStream, early: Vec<u8>, answer_only: bool) -> io::Result<()> {
    client.set_nonblocking(true)?;
    host.set_nonblocking(true)?;
    let (mut up, mut down) = (Flow::new(early), Flow::new(Vec::new()));
    // The end is not passed on: servers take that for a client that has gone.
    (up.ended, up.shut) = (answer_only, answer_only);
    loop {
        up.shut(host);
        down.shut(client);
        if down.shut && (up.shut || answer_only) {
            return Ok(());
        }
        let mut fds = Vec::with_capacity(2);
        for (socket, input, output) in
            [(client, up.wants_input(), !down.is_empty()), (host, down.wants_input(), !up.is_empty())]
        {
            let mut wanted = PollFlags::empty();
            wanted.set(PollFlags::IN, input);
            wanted.set(PollFlags::OUT, output);
            // A socket of which nothing is wanted would say over and over that its other end is gone.
            if !wanted.is_empty() {
                fds.push(PollFd::new(socket, wanted));
            }
        }
        match poll(&mut fds, Some(&Timespec { tv_sec: IDLE.as_secs() as i64, tv_nsec: 0 })) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(0) => return Ok(()),
            Ok(_) => {}
        }
        drop(fds);
        for (flow, from, to) in [(&mut up, client, host), (&mut down, host, client)] {
            if flow.wants_input() {
                flow.fill(from)?;
            }
            if !flow.is_empty() {
                flow.drain(to)?;
            }
        }
    }
}
