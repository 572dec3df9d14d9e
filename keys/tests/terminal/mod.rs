//! A program in a terminal of its own, typed at and read as a person does.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::termios::{LocalModes, tcgetattr};

/// A program that shows nothing for so long waits for something else than the test believes. No test depends on how long
/// this is.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the program may show before anybody reads it.
const UNREAD_CHUNKS: usize = 1024;

/// A busy kernel may say that the other side is closed before it has passed on what that wrote last. So an end is one when it was
/// said so often in a row.
const ENDS: u32 = 4;
const BETWEEN_ENDS: Duration = Duration::from_millis(20);

pub(crate) struct Terminal {
    child: Child,
    /// The person's side.
    screen: File,
    chunks: Receiver<Vec<u8>>,
    /// All that was shown.
    shown: String,
    /// How much of it was waited for already.
    read_bytes: usize,
}

/// A program that is over.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) shown: String,
    /// Whether the terminal shows again what is typed.
    pub(crate) echoes: bool,
}

impl Terminal {
    pub(crate) fn start(command: &mut Command) -> Self {
        let screen = open(Path::new("/dev/ptmx"));
        let program_side = open(&name_of_other_side(&screen));
        let stream = || program_side.try_clone().unwrap();
        command.stdin(stream()).stdout(stream()).stderr(stream());
        // Looked at before the program can ask for anything.
        assert!(echoes(&screen), "a new terminal shows what is typed");
        // SAFETY: between fork and exec nothing but three system calls is made.
        unsafe { command.pre_exec(take_terminal) };
        let child = command.spawn().unwrap();
        // The last handles of ours on the program's side go here: reading ends when the program does.
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        drop(program_side);
        let (send, chunks) = sync_channel(UNREAD_CHUNKS);
        let mut output = screen.try_clone().unwrap();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            let mut ends = 0;
            while ends < ENDS {
                match output.read(&mut chunk) {
                    Ok(bytes @ 1..) => match send.send(chunk[..bytes].to_vec()) {
                        Ok(()) => ends = 0,
                        Err(_) => return,
                    },
                    _ => {
                        ends += 1;
                        thread::sleep(BETWEEN_ENDS);
                    }
                }
            }
        });
        Self { child, screen, chunks, shown: String::new(), read_bytes: 0 }
    }

    /// Waits until the program shows this, behind what was waited for before.
    pub(crate) fn expect(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown[self.read_bytes..].find(text) {
                self.read_bytes += at + text.len();
                return;
            }
            assert!(self.read_more(), "the program ended before it showed {text:?}:\n{}", self.shown);
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.screen.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for a question and answers it.
    pub(crate) fn answer(&mut self, question: &str, answer: &str) {
        self.expect(question);
        self.press(&format!("{answer}\r"));
    }

    /// Whether what is typed is shown.
    pub(crate) fn echoes(&self) -> bool {
        echoes(&self.screen)
    }

    /// Reads to the program's end.
    pub(crate) fn end(mut self) -> Ended {
        while self.read_more() {}
        let status = self.child.wait().unwrap();
        Ended { status, echoes: self.echoes(), shown: std::mem::take(&mut self.shown) }
    }

    /// False at the end.
    fn read_more(&mut self) -> bool {
        match self.chunks.recv_timeout(PATIENCE) {
            // Nothing here is cut inside a character: what the program shows comes in whole writes.
            Ok(chunk) => self.shown.push_str(&String::from_utf8_lossy(&chunk)),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("the program waits for something:\n{}", self.shown),
        }
        true
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Of a test that failed nothing goes on waiting for keys. One that is over cannot be killed.
        let _ = self.child.kill();
    }
}

fn echoes(screen: &File) -> bool {
    let wanted = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    tcgetattr(screen).unwrap().local_modes.contains(wanted)
}

/// Opens a side of a terminal, without making it this process's own.
fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path).unwrap()
}

fn name_of_other_side(screen: &File) -> PathBuf {
    let mut name = [0; 64];
    // SAFETY: the descriptor is open, and the name's room is as long as is said.
    let failed = unsafe {
        libc::unlockpt(screen.as_raw_fd()) != 0
            || libc::ptsname_r(screen.as_raw_fd(), name.as_mut_ptr().cast(), name.len()) != 0
    };
    assert!(!failed, "no terminal to be had: {}", io::Error::last_os_error());
    let name = CStr::from_bytes_until_nul(&name).unwrap();
    PathBuf::from(std::ffi::OsStr::from_bytes(name.to_bytes()))
}

/// Makes the terminal on standard input that of this process, which then gets its Ctrl-C, and minds it: what a shell runs
/// in the background ignores it, and so would its children.
fn take_terminal() -> io::Result<()> {
    // SAFETY: the calls take numbers only.
    let failed = unsafe {
        libc::setsid() == -1
            || libc::ioctl(0, libc::TIOCSCTTY, 0) == -1
            || libc::signal(libc::SIGINT, libc::SIG_DFL) == libc::SIG_ERR
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}
