//! A secret typed on the terminal: nothing of it is shown, and the terminal is put back on every way out.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The terminal that this process was started from, wherever its streams lead.
const TERMINAL: &str = "/dev/tty";

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const CTRL_W: u8 = 0x17;
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// Ctrl-C.
    Interrupted,
    /// More than was allowed.
    TooLong,
    /// The terminal failed, was closed, or Ctrl-D ended the input.
    Failed(io::Error),
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Asks, and reads a line of at most `limit_bytes`.
pub(super) fn ask(question: &str, limit_bytes: usize) -> Result<Zeroizing<Vec<u8>>, NoAnswer> {
    let silent = Silent::new(OpenOptions::new().read(true).write(true).open(TERMINAL)?)?;
    let mut terminal = &silent.terminal;
    terminal.write_all(question.as_bytes())?;
    let answer = line(&mut terminal, limit_bytes);
    // The end of the line was not shown either.
    terminal.write_all(b"\n")?;
    answer
}

/// The terminal without echo, until dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn new(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        // Signals are off too: a Ctrl-C that killed us here would leave the shell without echo.
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Now, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Reads one line as a terminal's own editing would: Backspace, Ctrl-U and Ctrl-W erase, other control keys do nothing.
fn line(input: &mut impl Read, limit_bytes: usize) -> Result<Zeroizing<Vec<u8>>, NoAnswer> {
    // All the room at once: a buffer that grew would leave unwiped copies behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(limit_bytes));
    loop {
        match byte(input)? {
            b'\n' | b'\r' => return Ok(typed),
            CTRL_C => return Err(NoAnswer::Interrupted),
            CTRL_D if typed.is_empty() => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            BACKSPACE | DELETE => while typed.pop().is_some_and(goes_on) {},
            CTRL_U => typed.clear(),
            CTRL_W => {
                while typed.pop_if(|last| *last == b' ').is_some() {}
                while typed.pop_if(|last| *last != b' ').is_some() {}
            }
            ESCAPE => skip_escape(input)?,
            byte if byte.is_ascii_control() => {}
            _ if typed.len() == limit_bytes => return Err(NoAnswer::TooLong),
            byte => typed.push(byte),
        }
    }
}

/// Whether a byte of UTF-8 is not the first of its character.
fn goes_on(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Passes over what arrows and function keys send.
fn skip_escape(input: &mut impl Read) -> io::Result<()> {
    if matches!(byte(input)?, b'[' | b'O') {
        while !matches!(byte(input)?, b'@'..=b'~') {}
    }
    Ok(())
}

fn byte(input: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    input.read_exact(&mut byte)?;
    Ok(byte[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str) -> Result<String, NoAnswer> {
        line(&mut keys.as_bytes(), 10).map(|line| String::from_utf8(line.to_vec()).unwrap())
    }

    #[test]
    fn keys_that_erase_do_and_others_leave_no_trace() {
        for (keys, line) in [
            ("secret\nmore", "secret"),
            ("secret\r", "secret"),
            ("\n", ""),
            ("sa\u{7f}e\u{8}ecret\n", "secret"),
            ("aé€😀\u{7f}\u{7f}\u{7f}b\n", "ab"),
            ("\u{7f}a\n", "a"),
            ("wrong\u{15}right\n", "right"),
            ("one two  \u{17}2\n", "one 2"),
            ("a\u{1b}[D\u{1b}OA\u{1b}[1;5Cb\n", "ab"),
            ("a\t\u{1a}\u{1c}b\n", "ab"),
            ("a\u{4}b\n", "ab"),
            ("0123456789\n", "0123456789"),
        ] {
            assert_eq!(typed(keys).unwrap(), line, "{keys:?}");
        }
    }

    #[test]
    fn every_other_end_is_no_answer() {
        assert!(matches!(typed("half\u{3}"), Err(NoAnswer::Interrupted)));
        assert!(matches!(typed("0123456789a\n"), Err(NoAnswer::TooLong)));
        for ended in ["\u{4}", "half", "\u{1b}", "\u{1b}["] {
            let Err(NoAnswer::Failed(error)) = typed(ended) else { panic!("{ended:?} is no answer") };
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn the_buffer_never_grows() {
        assert_eq!(line(&mut "0123456789\n".as_bytes(), 10).unwrap().capacity(), 10);
    }
}
