//! The supervisor's end of what a cage's first process tells: that all is in place, the socket at which a proxy is looked for, and how
//! the command ended.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};

use super::Way;
use crate::ports::proxy;

/// More than that is never told.
const MOST: usize = 4096;

/// Listens on a thread of its own.
pub(crate) struct Ears {
    socket: UnixStream,
    listening: JoinHandle<String>,
}

impl Ears {
    /// With the end that the cage's first process gets for its standard input. Through `way` what is within can get out.
    ///
    /// # Errors
    /// There is no socket or no thread to be had.
    pub(crate) fn open(way: Option<Way>) -> io::Result<(Ears, UnixStream)> {
        let (socket, other) = UnixStream::pair()?;
        let own = socket.try_clone()?;
        let listening = std::thread::Builder::new().spawn(move || listen(&own, way.as_ref()))?;
        Ok((Ears { socket, listening }, other))
    }

    /// All that was told; nobody is left who could tell more.
    pub(crate) fn close(self) -> String {
        // What has arrived is read all the same.
        let _ = self.socket.shutdown(Shutdown::Read);
        self.listening.join().unwrap_or_default()
    }
}

fn listen(socket: &UnixStream, way: Option<&Way>) -> String {
    let mut told = Vec::new();
    loop {
        let mut buffer = [0; 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let length = match recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut ancillary, flags) {
            Ok(message) if message.bytes > 0 && !message.flags.contains(ReturnFlags::CTRUNC) => message.bytes,
            Err(rustix::io::Errno::INTR) => continue,
            Ok(_) | Err(_) => return String::from_utf8_lossy(&told).into_owned(),
        };
        told.extend_from_slice(&buffer[..length.min(MOST.saturating_sub(told.len()))]);
        let handed = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        for descriptor in handed.flatten() {
            // Without the proxy nothing gets out, and the step's own words say so.
            if let Some(way) = way {
                let _ = proxy::serve(TcpListener::from(descriptor), &way.allowed, &way.log);
            }
        }
    }
}
