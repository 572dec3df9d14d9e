//! Results go to stdout, as lines or as JSON; notes and questions go to stderr.

use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;

use super::exit::Usage;

/// How a command shows what it has to say.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Results as JSON.
    pub json: bool,
    /// No notes.
    pub quiet: bool,
    /// No questions: the answer is yes.
    pub yes: bool,
}

impl Output {
    /// Prints a result: `value` with `--json`, else `text`.
    pub fn result(&self, value: &impl Serialize, text: &str) -> eyre::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            writeln!(stdout, "{}", serde_json::to_string(value)?)?;
        } else if !text.is_empty() {
            writeln!(stdout, "{text}")?;
        }
        Ok(stdout.flush()?)
    }

    /// Tells a person something that is no part of the result.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Asks a person whether to go on. Without a terminal there is nobody to ask: then `--yes` must have been said.
    pub fn confirm(&self, question: &str) -> eyre::Result<bool> {
        if self.yes {
            return Ok(true);
        }
        Ok(matches!(self.ask(&format!("{question} [y/N] "), "-y")?.as_str(), "y" | "Y" | "yes"))
    }

    /// Asks a person; `flag` is what would have answered.
    pub fn ask(&self, question: &str, flag: &str) -> eyre::Result<String> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err(
                Usage(format!("{} (there is no terminal to ask on: answer with `{flag}`)", question.trim())).into()
            );
        }
        let mut stderr = io::stderr();
        write!(stderr, "{question}")?;
        stderr.flush()?;
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }
}
